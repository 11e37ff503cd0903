"""What the statistics of BatchNorm layers add: GradInversion beside Inverting Gradients, as many gradients each."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from gia_core.attacks import GradInversion, InvertingGradients
from gia_core.datasets import Dataset
from gia_core.models import ResNet20
from gia_core.spec import AuditSpec, Knowledge, Victim

from .promise import Outcome, Promise

GAIN = 3.0
"""dB."""
OURS = GradInversion()
THEIRS = InvertingGradients(iterations=OURS.iterations * OURS.seeds)


def specs(dataset: Dataset, seed: int) -> list[AuditSpec]:
    setup = AuditSpec(
        dataset=dataset,
        model=ResNet20(),
        batch_size=4,
        victim=Victim(labels="different"),
        knowledge=Knowledge(labels=True, batch_norm="exact"),
        seed=seed,
    )
    return [setup.model_copy(update={"attack": attack}) for attack in (OURS, THEIRS)]


def judge(trials: Sequence[Sequence[Outcome]]) -> tuple[str, bool]:
    ours, theirs = (statistics.mean(outcome.mean for outcome in kind) for kind in zip(*trials, strict=True))
    return f"mean {ours:.1f}, inverting-gradients {theirs:.1f}", ours >= theirs + GAIN


PROMISES = (Promise("gradinversion", "resnet20, exact statistics, B=4", f"{GAIN:.0f} dB more", specs, judge),)
