"""What a sweep measured at each value that it varied: how far every image stayed from the truth; pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, TypeAlias

from ..spec import AuditSpec
from ..sweep import Cell
from ..sweep_outcome import Outcome, State

Sample: TypeAlias = tuple[int, int]
"""The number of an image in its data set, and the seed: the same ones are attacked at every level."""
Errors: TypeAlias = Mapping[Sample, float]
"""Mean squared error of each sample's pixels, which lie in [0, 1]."""

CONTROLS = {
    "dataset-mean": "mean image",
    "another-image": "another batch",
    "gray": "where the search starts",
}
"""Guesses that look at no update, by the names of ``gia_core/baselines.py``: what survives them says nothing about the
attack. Inverting Gradients starts its search at mid-gray."""
EXACT = 1e-10
"""Squared error below which a copy is exact: its logarithm has to be a number."""
SATURATED = 0.95
"""Share of the best control's error from which a result is no better than a guess."""


@dataclass(frozen=True)
class Level:
    """One cell of a sweep, complete."""

    cell: Cell
    unknowns: int
    """B·C·H·W, the numbers that the attacker looks for at once."""
    errors: Errors
    controls: Mapping[str, Errors]

    @property
    def rmse(self) -> float:
        """Root of the mean squared pixel error over all samples; each pixel lies in [0, 1]."""
        return math.sqrt(fmean(self.errors.values()))

    @property
    def error(self) -> float:
        """‖x̂ − x*‖₂ of a whole batch, as the root of its mean square over all batches."""
        return math.sqrt(self.unknowns) * self.rmse

    @property
    def psnr(self) -> float:
        """Mean over the samples in dB, as an audit reports it."""
        return fmean(-10 * math.log10(value) for value in self.errors.values())

    def control(self, name: str) -> Level:
        """The level as it were if the attack had found this guess. Raises KeyError where it was not measured."""
        return Level(self.cell, self.unknowns, self.controls[name], {})

    @property
    def best_control(self) -> float | None:
        """The lowest RMSE of a guess; None where none was measured."""
        return min((self.control(name).rmse for name in self.controls), default=None)

    @property
    def is_saturated(self) -> bool:
        """Whether the attack is no better than a guess."""
        best = self.best_control
        return best is not None and self.rmse >= SATURATED * best


def complete(cells: Iterable[Outcome]) -> list[Level]:
    """The cells whose runs are all done; one with a run that failed is not compared with others."""
    return [level for cell in cells if cell.state is State.DONE if (level := level_of(cell)) is not None]


def level_of(cell: Outcome) -> Level | None:
    """None where no image was scored."""
    runs = [
        (each.spec, (each.run.scores or {}).get("mse"), each.baselines or {})
        for each in cell.wanted
        if each.run is not None
    ]
    return measured(cell.cell, runs)


def measured(
    cell: Cell, runs: Sequence[tuple[AuditSpec, Sequence[float | None] | None, Mapping[str, Any]]]
) -> Level | None:
    """From each run's spec, its images' squared errors and the scores of its blind guesses; None where there are none.

    A guess counts where all runs have it.
    """
    errors: dict[Sample, float] = {}
    controls: dict[str, dict[Sample, float]] = {name: {} for name in CONTROLS}
    for spec, squared, baselines in runs:
        errors |= sampled(spec, squared)
        for name, found in controls.items():
            found |= sampled(spec, baselines.get(name, {}).get("mse"))
    if not errors:
        return None
    known = {name: found for name, found in controls.items() if found.keys() == errors.keys()}
    return Level(cell, unknowns(runs[0][0]), errors, known)


def sampled(spec: AuditSpec, squared: Sequence[float | None] | None) -> dict[Sample, float]:
    """Of each image of a batch that is scored and did not diverge."""
    chosen = zip(spec.victim.indices, squared or (), strict=False)
    return {
        (index, spec.seed): max(value, EXACT) for index, value in chosen if value is not None and math.isfinite(value)
    }


def unknowns(spec: AuditSpec) -> int:
    """B·C·H·W."""
    return spec.batch_size * math.prod(spec.dataset.image_shape)


def shared_samples(levels: Sequence[Level]) -> list[Sample]:
    """Those that every level has, in order."""
    return sorted(set.intersection(*(set(level.errors) for level in levels))) if levels else []


def same_unknowns(levels: Sequence[Level]) -> list[tuple[Level, Level]]:
    """Pairs that differ in what they are made of but not in the number of unknowns: a dimension law tells them equal.

    First the one with the smaller batch, as it has the smaller cell in all but its first value.
    """
    pairs = [(a, b) for i, a in enumerate(levels) for b in levels[i + 1 :] if a.unknowns == b.unknowns]
    return [(a, b) if a.cell[1:] < b.cell[1:] else (b, a) for a, b in pairs]
