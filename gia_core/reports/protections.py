"""What the defenses in a report promise by a proof, and what they cost the model where that was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from .. import setups, titles
from ..accounting import POISSON, Epsilon, Release, in_words
from ..defenses.stacking import promise, without_promise
from ..spec import AuditSpec
from ..utility import UtilitySpec
from ..utility.spec import alike, of_audit
from .tables import Table

if TYPE_CHECKING:
    from ..store import Run, RunStore
    from .subject import Subject

Count = Callable[[Release], float]
"""A mechanism → its epsilon. Raises ValueError where it cannot be counted."""
Epsilons = Mapping[Release, float | None]
"""None where one could not be counted."""

SEARCHED = 50
"""Newest experiments on the same data and network that are looked through."""
NOT_MEASURED = "not measured; the page Cost does that"


def measured(store: RunStore, asked: UtilitySpec) -> Run | None:
    """The newest experiment with an answer to the same question, at whatever budget."""
    found = store.runs(kind="utility", dataset=asked.dataset.name, model=asked.model.name, limit=SEARCHED)
    return next((run for run in found if answers(run, asked)), None)


def answers(run: Run, asked: UtilitySpec) -> bool:
    has_answer = run.scores is not None and run.scores.get("cost") is not None
    return has_answer and isinstance(run.job, UtilitySpec) and alike(run.job, asked)


def counted(subjects: Sequence[Subject], count: Count) -> Epsilons:
    """Epsilon of every mechanism that a run was defended by; each is counted once."""
    found: dict[Release, float | None] = {}
    for subject in subjects:
        release = promise(subject.spec.defenses) if subject.spec is not None else None
        if release is not None and release not in found:
            try:
                found[release] = count(release)
            except ValueError:
                found[release] = None
    return found


def protections(subjects: Sequence[Subject], names: Sequence[str], epsilons: Epsilons) -> Table | None:
    """One row for all runs that were defended alike; None where none was."""
    groups: dict[UtilitySpec, list[tuple[Subject, str]]] = {}
    for subject, name in zip(subjects, names, strict=True):
        if subject.spec is not None and subject.spec.defenses:
            groups.setdefault(of_audit(subject.spec), []).append((subject, name))
    rows = []
    for group in groups.values():
        subject = group[0][0]
        assert subject.spec is not None
        runs = "all" if len(group) == len(subjects) else "; ".join(name for _, name in group)
        rows.append((stack(subject.spec), promised(subject.spec, epsilons), cost(subject.utility), runs))
    return Table("What the defenses promise and cost", ("Defense", "Promise", "Cost", "Runs"), rows) if rows else None


def stack(spec: AuditSpec) -> str:
    """The defenses, and what of them is set to something else than usual."""
    told = dict(setups.settings(spec))
    chosen = [one for path, one in told.items() if path.startswith("defenses.") and not one.is_usual]
    unusual = ", ".join(f"{one.label.rpartition(': ')[2]} {one.words}" for one in chosen)
    return f"{told['defenses'].words} ({unusual})" if unusual else told["defenses"].words


def promised(spec: AuditSpec, epsilons: Epsilons) -> str:
    """Epsilon, or why there is none."""
    release = promise(spec.defenses)
    if release is None:
        return without_promise(spec.defenses) or "No differential privacy: nothing is promised by a proof."
    epsilon = epsilons.get(release)
    if epsilon is None:
        return "Epsilon could not be counted."
    words = in_words(release, Epsilon(epsilon, None))
    return f"{words[:1].upper()}{words[1:]}, over {titles.plural(release.steps, 'step')}"


def cost(utility: Run | None) -> str:
    """What the model loses, at which budget this was found, and where."""
    if utility is None or utility.scores is None or not isinstance(utility.job, UtilitySpec):
        return NOT_MEASURED
    return f"{utility.scores['sentence']} {titles.plural(utility.job.rounds, 'round')}; experiment {utility.id}."


def sampled(epsilons: Epsilons) -> str:
    """What an epsilon of a sampled mechanism assumes; empty where there is none."""
    return POISSON if any(release.sample_rate < 1 for release in epsilons) else ""
