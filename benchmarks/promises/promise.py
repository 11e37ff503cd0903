"""What a promise about an attack is, and how one of its audits is carried out."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from gia_core.audit import Finished, Started, audit
from gia_core.datasets import Dataset
from gia_core.spec import AuditSpec
from gia_core.types import Table


@dataclass(frozen=True)
class Outcome:
    """How one audit ended."""

    psnr: list[float]
    """dB of every image, in the order of the private batch."""
    ssim: list[float]
    """Of every image, in the same order."""
    guess: float
    """dB of the best blind guess, mean over the batch."""
    labels: float | None
    """Share of the labels that were found."""
    seconds: float
    """Of the attack alone."""
    iterations: int
    tables: tuple[Table, ...]

    @property
    def mean(self) -> float:
        return statistics.mean(self.psnr)

    def recovered(self, decibels: float) -> int:
        """Images at ``decibels`` or more."""
        return sum(value >= decibels for value in self.psnr)


Judge: TypeAlias = Callable[[Sequence[Sequence[Outcome]]], tuple[str, bool]]
"""All trials, each as many outcomes as specs, to what was measured in words, and whether it is enough."""


@dataclass(frozen=True)
class Promise:
    """One row of the table."""

    attack: str
    setting: str
    promised: str
    """What is to be reached, in words."""
    specs: Callable[[Dataset, int], Sequence[AuditSpec]]
    """Data set and seed to the audits of one trial: the attack, and what it is compared with."""
    judge: Judge
    seeds: int = 3
    limit: str = ""
    """Why it may be missed here, where that is a known limit of the published method and no fault; empty elsewhere."""


def carried_out(spec: AuditSpec, home: Path) -> Outcome:
    begun, guess = time.perf_counter(), float("nan")
    for event in audit(spec, home=home):
        match event:
            case Started():
                begun = time.perf_counter()
                guess = max(statistics.mean(scores["psnr"] or [float("nan")]) for scores in event.baselines.values())
            case Finished(last=last):
                psnr, ssim = last.scores["psnr"], last.scores["ssim"]
                assert psnr is not None
                assert ssim is not None
                seconds, step = time.perf_counter() - begun, last.step
                labels, tables = last.label_accuracy, last.paired.tables
                return Outcome(psnr, ssim, guess, labels, seconds, step.iteration, tables)
    raise AssertionError("an audit ends with Finished")
