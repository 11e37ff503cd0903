"""The attacks that solve a network's equations layer by layer: R-GAP and APRIL."""

from __future__ import annotations

from collections.abc import Sequence

from gia_core.attacks import APRIL, RGAP, Attack
from gia_core.datasets import Dataset
from gia_core.models import CNN6, Model, ViT
from gia_core.spec import AuditSpec

from .promise import Judge, Outcome, Promise

LONGEST = 30.0
"""Seconds that one image may take."""


def promise(attack: Attack, model: Model, setting: str, promised: str, judge: Judge, *, seeds: int) -> Promise:
    def specs(dataset: Dataset, seed: int) -> list[AuditSpec]:
        return [AuditSpec(dataset=dataset, model=model, attack=attack, seed=seed)]

    return Promise(attack.name, setting, promised, specs, judge, seeds)


def recovered(decibels: float, share: float) -> Judge:
    """This share of the images, all within the time, all with their label."""

    def judge(trials: Sequence[Sequence[Outcome]]) -> tuple[str, bool]:
        outcomes = [outcome for trial in trials for outcome in trial]
        found = sum(outcome.recovered(decibels) and outcome.labels == 1.0 for outcome in outcomes)
        least, slowest = min(outcome.mean for outcome in outcomes), max(outcome.seconds for outcome in outcomes)
        text = f"{found}/{len(outcomes)}, min {least:.1f}, at most {slowest:.1f} s"
        return text, found >= share * len(outcomes) and slowest < LONGEST

    return judge


PROMISES = (
    promise(RGAP(), CNN6(), "cnn6, B=1", "45 dB, right label: 9 of 10, 30 s", recovered(45, 0.9), seeds=10),
    *(
        promise(APRIL(equations=equations), model, setting, "60 dB, right label: all", recovered(60, 1.0), seeds=3)
        for model, setting, equations in (
            (ViT(), "vit, B=1", "embedding"),
            (ViT(patch=8, dim=384), "vit 8/384, B=1", "embedding"),
            (ViT(first_block="bare", position_scale=1.0), "vit bare, position scale 1, B=1", "attention"),
            (ViT(first_block="bare", patch=8, dim=384), "vit bare 8/384, B=1", "attention"),
        )
    ),
)
