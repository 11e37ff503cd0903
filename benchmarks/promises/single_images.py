"""The attacks that search for one image: DLG, iDLG, Inverting Gradients."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from gia_core.attacks import DLG, IDLG, Attack, InvertingGradients
from gia_core.datasets import Dataset
from gia_core.spec import AuditSpec

from .promise import Judge, Outcome, Promise

RECOVERED = 28.0
"""dB from which a picture counts as recovered here."""


def promise(attack: Attack, promised: str, judge: Judge) -> Promise:
    def specs(dataset: Dataset, seed: int) -> list[AuditSpec]:
        return [AuditSpec(dataset=dataset, attack=attack, seed=seed)]

    return Promise(attack.name, "lenet, B=1", promised, specs, judge, seeds=10)


def at_least(share: float) -> Judge:
    def judge(trials: Sequence[Sequence[Outcome]]) -> tuple[str, bool]:
        found = sum(trial[0].recovered(RECOVERED) and trial[0].labels == 1.0 for trial in trials)
        values = [trial[0].mean for trial in trials]
        text = f"{found}/{len(trials)}, mean {statistics.mean(values):.1f}, min {min(values):.1f}"
        return text, found >= share * len(trials)

    return judge


def mean_of(decibels: float) -> Judge:
    def judge(trials: Sequence[Sequence[Outcome]]) -> tuple[str, bool]:
        values = [trial[0].mean for trial in trials]
        return f"mean {statistics.mean(values):.1f}, min {min(values):.1f}", statistics.mean(values) >= decibels

    return judge


PROMISES = (
    promise(IDLG(), f"{RECOVERED:.0f} dB, right label: 9 of 10", at_least(0.9)),
    promise(DLG(), f"{RECOVERED:.0f} dB, right label: 7 of 10", at_least(0.7)),
    promise(InvertingGradients(iterations=1000), "mean 21 dB", mean_of(21)),
)
