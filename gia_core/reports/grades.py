"""The grade of everything that was attacked in a report, with what has to be printed beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .. import grade, setups, titles
from ..advisor import Setup, formal
from ..advisor.evidence import APART, attacked
from ..defenses.stacking import promise
from ..spec import AuditSpec
from .protections import Epsilons
from .subject import Subject

PRELIMINARY = "Preliminary: only attackers who did not know the defense were tried."


class Judged(NamedTuple):
    """One system under test."""

    system: str
    """What tells it from the others."""
    runs: str
    word: str
    reason: str
    outlook: str
    notes: Sequence[str]


def judged(subjects: Sequence[Subject], epsilons: Epsilons) -> list[Judged]:
    """One grade for all runs that attacked the same system, whoever attacked."""
    groups: dict[AuditSpec, list[Subject]] = {}
    for subject in subjects:
        if subject.spec is not None and (subject.scores or subject.finished.get("nothing_to_invert")):
            groups.setdefault(system(subject.spec), []).append(subject)
    rows = setups.differences(list(groups))
    return [
        of(group, ", ".join(f"{row.label}: {row.words[i]}" for row in rows), epsilons)
        for i, group in enumerate(groups.values())
    ]


def system(spec: AuditSpec) -> AuditSpec:
    """A setup without what belongs to the attacker and to chance."""
    return spec.model_copy(update={name: AuditSpec.model_fields[name].default for name in APART})


def of(group: Sequence[Subject], title: str, epsilons: Epsilons) -> Judged:
    specs = [subject.spec for subject in group if subject.spec is not None]
    release = promise(specs[0].defenses)
    promised = formal.mechanism(Setup(specs[0], epsilon=None if release is None else epsilons.get(release)))
    outcomes = [attacked(s.run, s.events, title=titles.title(type(s.spec.attack))) for s in group if s.spec]
    found = grade.grade(outcomes, formal=promised is not None)
    notes = [f"Formal mechanism: {promised}"] if promised else []
    if all(spec.defenses and not spec.knowledge.defense for spec in specs):
        notes.append(PRELIMINARY)
    word = "not graded" if found.grade is None else str(found.grade)
    runs = f"from {titles.plural(len(group), 'run')}"
    return Judged(title, runs, word, grade.reason(found), grade.outlook(found), notes)
