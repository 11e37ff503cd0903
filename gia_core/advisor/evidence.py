"""What the store holds about a setup: runs of it, or of one like it, and what they came to; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from .. import report
from ..component import Component
from ..grade import Attacked
from ..spec import AuditSpec, Knowledge
from ..store import Event, Run, Status
from .rules import Advice, Setup

APART = ("attack", "knowledge", "seed", "victim")
"""Fields of a setup that belong to the attacker and to chance, not to what is attacked."""


@dataclass(frozen=True)
class Evidence:
    """One run that shows something."""

    run: Run
    spec: AuditSpec
    differs: tuple[str, ...]
    """Places in which its setup differs from the one it is held against; empty where it is the same."""

    @property
    def is_adaptive(self) -> bool:
        """Whether the attacker knew the defenses, or there were none to know of."""
        return self.spec.knowledge.defense or not self.spec.defenses

    @property
    def closest(self) -> int:
        """Index of the image that came closest: privacy is about the worst case. 0 where none was reconstructed."""
        psnr = scores(self.run).get("psnr") or [None]
        return max(range(len(psnr)), key=lambda index: -1.0 if psnr[index] is None else psnr[index])

    @property
    def labels(self) -> float | None:
        """Share of the labels that were found; None where they were granted, or nobody looked for any."""
        return scores(self.run).get("label_accuracy")

    def score(self, metric: str) -> float | None:
        """Of the closest image."""
        values = scores(self.run).get(metric)
        return values[self.closest] if values else None


def before(advice: Advice, setup: Setup, runs: Sequence[Run]) -> Evidence | None:
    """The run that shows best what a finding means: one like the setup to which the rule applies too."""
    found = alike(setup.spec, runs)
    return next((e for e in found if advice.rule.applies(setup.moved_to(e.spec))), None)


def after(advice: Advice, setup: Setup, runs: Sequence[Run]) -> Evidence | None:
    """The run that shows best what the recommendation comes to: one like it, to which the rule applies no more.

    Nor would it for the attacker of the recommended setup: that nobody tampered shows nothing about a check.
    """
    if (changed := advice.changed) is None:
        return None

    def is_met(spec: AuditSpec) -> bool:
        faced = spec.model_copy(update={"knowledge": changed.knowledge})
        return not any(advice.rule.applies(setup.moved_to(one)) for one in (spec, faced))

    return next((e for e in alike(changed, runs) if is_met(e.spec)), None)


def alike(spec: AuditSpec, runs: Sequence[Run]) -> list[Evidence]:
    """Runs against the same kinds of things: adaptive attackers first, then the most similar, then the closest."""
    found = [
        Evidence(run, run.spec, differences(spec, run.spec))
        for run in runs
        if run.spec is not None and (scores(run) or found_nothing(run)) and family(run.spec) == family(spec)
        # What a control finds does not come from the update, and an imported run was not measured here.
        if run.spec.control == "none" and not run.is_imported
    ]
    return sorted(found, key=lambda e: (not e.is_adaptive, len(e.differs), -(e.score("psnr") or 0.0)))


def scores(run: Run) -> dict[str, Any]:
    """Of the result, with per-image lists but where only labels were looked for; empty where there is none."""
    found = run.scores or {}
    return found if found.get("psnr") or found.get("label_accuracy") is not None else {}


def found_nothing(run: Run) -> bool:
    """Whether it ended with nothing that could be inverted: the server could read nothing, or the client refused."""
    return run.status is Status.FINISHED and run.scores is None


def family(spec: AuditSpec) -> tuple[object, ...]:
    """Which kinds of things are combined, whatever their settings."""
    parts = (spec.dataset, spec.model, spec.client, spec.aggregation)
    return *(part.name for part in parts), frozenset(defense.name for defense in spec.defenses)


def differences(spec: AuditSpec, other: AuditSpec) -> tuple[str, ...]:
    """Where two setups of one family differ in what is attacked: "batch_size", "model.training" and so on."""
    names = [name for name in AuditSpec.model_fields if name not in APART]
    return tuple(place for name in names for place in apart(name, getattr(spec, name), getattr(other, name)))


def apart(place: str, one: object, other: object) -> Iterator[str]:
    if one == other:
        return
    if isinstance(one, Component) and type(one) is type(other):
        for name in type(one).model_fields:
            yield from apart(f"{place}.{name}", getattr(one, name), getattr(other, name))
    else:
        yield place


def attacked(run: Run, events: Sequence[Event], *, title: str) -> Attacked:
    """What a run came to, as the grade counts it; ``title`` is what the attack is called.

    Where nothing could be inverted, no image was reconstructed, which is a measurement too; where only labels were
    looked for, images were not measured.
    """
    assert run.spec is not None
    found = report.summary(run, events)
    reconstructed = scores(run)
    psnr = reconstructed.get("psnr") or [None] * (0 if reconstructed else run.spec.images_attacked)
    return Attacked(
        attack=title,
        method=run.spec.attack.model_dump_json() + run.spec.knowledge.model_dump_json(),
        psnr=psnr,
        guesses=report.best_guesses(found) if reconstructed.get("psnr") else [None] * len(psnr),
        ssim=reconstructed.get("ssim") or [None] * len(psnr),
        label_accuracy=reconstructed.get("label_accuracy"),
    )


def is_within(knowledge: Knowledge, declared: Knowledge) -> bool:
    """Whether an attacker knew no more than declared; that it knew the defense never counts as too much."""
    return all(
        amount(name, value) <= amount(name, getattr(declared, name)) for name, value in knowledge if name != "defense"
    )


def amount(name: str, value: object) -> int:
    """How much a grant is, as a number that can be compared with another of the same kind."""
    if isinstance(value, int):
        return int(value)
    choices = get_args(Knowledge.model_fields[name].annotation)
    return sorted(choices, key=("none", "guessed", "running", "exact").index).index(value)
