"""What a report says in words: the question, who attacked, what was not tested."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .. import attacker_card, setups, titles
from ..spec import Attack, AuditSpec, kinds
from .subject import Subject

LONGEST = 60
"""Characters of a run's name."""
TOLD = 2
"""Differences that a run's name tells."""


class Card(NamedTuple):
    """What the attacker of one or several runs was granted, and what not."""

    runs: str
    granted: Sequence[str]
    withheld: Sequence[str]


def question(subjects: Sequence[Subject]) -> str:
    specs = audited(subjects)
    if not specs:
        return "What did this run find?" if len(subjects) == 1 else "What did these runs find?"
    if len(subjects) == 1:
        attack, images = titles.title(type(specs[0].attack)), titles.plural(specs[0].images_attacked, "private image")
        return f"How much of {images} does {attack} get back from what the server sees?"
    varied = [lowered(row.label) for row in setups.differences(specs)]
    if not varied:
        return "What do repeated runs of one setup get back of the private images?"
    return f"How does what an attacker gets back depend on: {', '.join(varied)}?"


def answer(subjects: Sequence[Subject]) -> str:
    """What came out, in a sentence or two: the worst case first."""
    if len(subjects) == 1:
        return subjects[0].verdict
    found = [subject for subject in subjects if subject.recovered]
    closest = max((value for subject in subjects for value in subject.values("psnr")), default=None)
    if closest is None:
        return "No image was reconstructed."
    reached = f"the closest image reached {titles.number(closest, 'psnr')} PSNR"
    if not found:
        return f"No image was recovered in {len(subjects)} runs, by these attacks within their budgets; {reached}."
    return f"{len(found)} of {len(subjects)} runs recovered at least one image; {reached}."


def names(subjects: Sequence[Subject]) -> list[str]:
    """What to call each run beside the others: its number, and what is special about it."""
    if len(subjects) == 1:
        return [subjects[0].heading]
    rows = setups.differences(audited(subjects))[:TOLD]
    told = iter(zip(*(row.words for row in rows), strict=True) if rows else ())
    found = []
    for number, subject in enumerate(subjects, 1):
        words = next(told, ()) if subject.spec is not None else (subject.heading,)
        parts = [f"{lowered(row.label.rpartition(': ')[2])} {word}" for row, word in zip(rows, words, strict=False)]
        name = ", ".join(parts) if subject.spec is not None else subject.heading
        found.append(f"{number} · {name}"[:LONGEST].rstrip(" ,·"))
    return found


def lowered(label: str) -> str:
    return label if label.isupper() else label[:1].lower() + label[1:]


def audited(subjects: Sequence[Subject]) -> list[AuditSpec]:
    return [subject.spec for subject in subjects if subject.spec is not None]


def cards(subjects: Sequence[Subject], names: Sequence[str]) -> list[Card]:
    """One for all runs whose attackers were granted the same."""
    found: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for subject, name in zip(subjects, names, strict=True):
        if (spec := subject.spec) is not None:
            told = tuple(attacker_card.granted(spec)), tuple(attacker_card.withheld(spec))
            found.setdefault(told, []).append(name)
    return [
        Card("all runs" if len(runs) == len(subjects) > 1 else "; ".join(runs), granted, withheld)
        for (granted, withheld), runs in found.items()
    ]


def untested(subjects: Sequence[Subject]) -> list[str]:
    """What these runs do not tell, one sentence each; a report that leaves this out is read as a promise."""
    specs = audited(subjects)
    found = list(of_the_setups(specs)) if specs else []
    if specs and not any(subject.values("lpips") for subject in subjects):
        found.append("LPIPS, a perceptual distance, was not measured.")
    return [
        *found,
        "Whether a person recognizes anything: metrics agree only weakly with human judgment of privacy leakage (Sun "
        "et al., 2023), so look at the pictures.",
        "Whether a reconstruction identifies its image among others.",
        "Attacks that nobody has published yet. What was not recovered was not recovered by these attacks, with this "
        "knowledge, within this budget, on these images. No report can call a system safe.",
    ]


def of_the_setups(specs: Sequence[AuditSpec]) -> Iterator[str]:
    used = {spec.attack.name for spec in specs}
    others = [titles.title(kind) for name, kind in kinds(Attack).items() if name not in used]
    yield f"Other attacks: {', '.join(others)}."
    for spec in dict.fromkeys(spec for spec in specs if spec.defenses and not spec.knowledge.defense):
        if not any(other.defenses == spec.defenses and other.knowledge.defense for other in specs):
            yield "An attacker who knows the defense and works around it; without one, defenses look too good."
            break
    if len({spec.seed for spec in specs}) == 1:
        yield f"Other random choices: every run used seed {specs[0].seed}, so how much results scatter is not known."
    batches = {(spec.dataset, spec.victim, spec.batch_size, spec.seed) for spec in specs}
    if len(batches) == 1:
        yield "Other private images: all runs attacked one and the same batch."
    if not any(spec.knowledge.malicious_server for spec in specs):
        yield "A malicious server, which sends models made to give data away."
    if all(spec.rounds == 1 for spec in specs):
        yield "An attacker who watches more than one round."


def tested_twice(subjects: Sequence[Subject]) -> list[str]:
    """What the runs themselves found doubtful: self-tests that failed, and likely causes of a failed recovery."""
    found: dict[str, None] = {}
    for subject in subjects:
        capture = subject.started.get("capture") or {}
        if capture and not capture.get("passed"):
            found[str(capture.get("message"))] = None
        found |= dict.fromkeys(str(cause) for cause in subject.finished.get("diagnosis") or ())
    return list(found)
