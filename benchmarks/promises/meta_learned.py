"""GIML: what a prior is worth to GIAS that has learned from gradients alone, beside one that has learned nothing."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gia_core.attacks import GIAS, GIML
from gia_core.datasets import Dataset, Digits, Faces, Photos
from gia_core.priors.from_gradients import name_of
from gia_core.priors.shelf import find
from gia_core.spec import AuditSpec, Knowledge

from .promise import Outcome, carried_out

GAIN = 1.0
"""dB of mean PSNR over the untrained generator that are promised."""
HEADER = (
    "setting",
    "untrained",
    "learned",
    "gain",
    "each seed",
    "SSIM",
    "SSIM",
    "s to learn",
    "s/gias",
    "promised",
    "",
)
ROW = "{:58} {:>9} {:>8} {:>6} {:>20} {:>6} {:>6} {:>11} {:>7}  {:9} {}"

LEARNING = GIML(final_iterations=0)
IDLE = LEARNING.model_copy(
    update={"rounds": 1, "latent_iterations": 1, "weight_iterations": 1, "private_iterations": 1, "pace": 1e-9}
)
"""Leaves its generator as it began: with the same random weights."""


@dataclass(frozen=True)
class MetaLearned:
    """One row of the table."""

    title: str
    dataset: Dataset
    batch_size: int = 4

    def school(self, attack: GIML, seed: int) -> AuditSpec:
        """In which the prior is learned."""
        granted = Knowledge(labels=True, single_updates=True)
        return AuditSpec(dataset=self.dataset, attack=attack, knowledge=granted, seed=seed)

    def test(self, prior: str, seed: int) -> AuditSpec:
        """On images that none of its teachers held."""
        return AuditSpec(
            dataset=self.dataset,
            attack=GIAS(prior=prior),
            batch_size=self.batch_size,
            knowledge=Knowledge(labels=True),
            seed=seed,
        )


SETTINGS = tuple(MetaLearned(f"giml, {data.name}, lenet", data) for data in (Photos(), Faces(), Digits()))


def measure(setting: MetaLearned, seeds: range, home: Path) -> None:
    """Print one row."""
    untrained, learned = ([trial(setting, attack, seed, home) for seed in seeds] for attack in (IDLE, LEARNING))
    gains = [mine.mean - theirs.mean for (mine, _), (theirs, _) in zip(learned, untrained, strict=True)]
    cells = (
        setting.title,
        *(f"{mean(trials, lambda outcome: outcome.mean):.1f}" for trials in (untrained, learned)),
        f"{statistics.mean(gains):+.1f}",
        " ".join(f"{gain:+.1f}" for gain in gains),
        *(f"{mean(trials, lambda outcome: statistics.mean(outcome.ssim)):.3f}" for trials in (untrained, learned)),
        f"{statistics.mean(seconds for _, seconds in learned):.0f}",
        f"{mean(learned, lambda outcome: outcome.seconds):.0f}",
        f"+{GAIN:g} dB",
        "met" if statistics.mean(gains) >= GAIN else "missed",
    )
    print(ROW.format(*cells).rstrip(), flush=True)


def trial(setting: MetaLearned, attack: GIML, seed: int, home: Path) -> tuple[Outcome, float]:
    """What GIAS makes of the prior that ``attack`` leaves behind, and the seconds that learning it took."""
    school = setting.school(attack, seed)
    seconds = carried_out(school, home).seconds
    assert not find(name_of(school), home)[0].has_seen_images
    return carried_out(setting.test(name_of(school), seed), home), seconds


def mean(trials: Sequence[tuple[Outcome, float]], of: Callable[[Outcome], float]) -> float:
    return statistics.mean(of(outcome) for outcome, _ in trials)
