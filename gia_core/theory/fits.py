"""How the error grows with the number of unknowns: log–log slope, straight line over the root, flatness; pure.

Intervals are percentile bootstraps (Efron and Tibshirani, 1993, chapter 13) over samples, which are images times seeds.
All levels keep or lose a sample together, since they attack the same images. Images of one batch are recovered together
and so are not quite independent, which makes the intervals somewhat too narrow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from .levels import Level, shared_samples

Array: TypeAlias = NDArray[np.float64]
Interval: TypeAlias = tuple[float, float]

RESAMPLED = 2000
CONFIDENCE = 95
"""Percent."""
LEAST_SAMPLES = 4
"""Fewer say nothing of their spread."""


@dataclass(frozen=True)
class Slope:
    """α in E ∝ (B·C·H·W)^α."""

    value: float
    interval: Interval | None
    """None for fewer than ``LEAST_SAMPLES``."""


@dataclass(frozen=True)
class RootLine:
    """E = intercept + slope · √(B·C·H·W) by ordinary least squares."""

    intercept: float
    slope: float
    slope_interval: Interval | None
    r_squared: float | None
    """None where the error does not vary at all."""


@dataclass(frozen=True)
class Ratio:
    """How many times the error of one level is that of another, pixel by pixel."""

    value: float
    interval: Interval | None


def power_law(levels: Sequence[Level]) -> Slope:
    """Slope of log E over log N. Raises ValueError for fewer than two different numbers of unknowns."""
    unknowns = counted(levels)
    slopes = log_slopes(unknowns, errors_of(unknowns, resampled(levels)))
    value = float(log_slopes(unknowns, np.array([[level.error for level in levels]]))[0])
    return Slope(value, interval(slopes, levels))


def root_line(levels: Sequence[Level]) -> RootLine:
    """What the survey fits. Raises ValueError for fewer than two different numbers of unknowns.

    The controls have an R² of 1 by themselves, so it is no evidence for anything.
    """
    unknowns = counted(levels)
    roots, errors = np.sqrt(unknowns), np.array([level.error for level in levels])
    slopes = least_squares(roots, errors_of(unknowns, resampled(levels)))
    slope = float(least_squares(roots, errors[None])[0])
    intercept = float(errors.mean() - slope * roots.mean())
    left, whole = ((errors - intercept - slope * roots) ** 2).sum(), ((errors - errors.mean()) ** 2).sum()
    return RootLine(intercept, slope, interval(slopes, levels), float(1 - left / whole) if whole else None)


def unevenness(levels: Sequence[Level]) -> float:
    """The largest RMSE over the smallest: 1 where it is flat."""
    found = [level.rmse for level in levels]
    return max(found) / min(found)


def ratio(reference: Level, level: Level) -> Ratio:
    """RMSE of ``level`` over that of ``reference``, on the images that both attacked."""
    pair = (reference, level)
    means = resampled(pair)
    return Ratio(level.rmse / reference.rmse, interval(np.sqrt(means[:, 1] / means[:, 0]), pair))


def band(level: Level) -> Interval | None:
    """Where the RMSE of other images like these may lie."""
    return interval(np.sqrt(resampled([level])[:, 0]), [level])


def counted(levels: Sequence[Level]) -> Array:
    """N of each level. Raises ValueError where they are all the same."""
    if len({level.unknowns for level in levels}) < 2:
        raise ValueError("A slope takes at least two different numbers of unknowns.")
    return np.array([level.unknowns for level in levels], dtype=float)


def resampled(levels: Sequence[Level]) -> Array:
    """(RESAMPLED, levels) mean squared errors of samples that are drawn with replacement, always the same ones.

    Raises ValueError where the levels have no sample in common.
    """
    samples = shared_samples(levels)
    if not samples:
        raise ValueError("The levels have no image in common, so they cannot be compared.")
    squared = np.array([[level.errors[sample] for sample in samples] for level in levels])
    drawn = np.random.default_rng(0).integers(len(samples), size=(RESAMPLED, len(samples)))
    means: Array = squared[:, drawn].mean(axis=2).T
    return means


def errors_of(unknowns: Array, means: Array) -> Array:
    """E of every resample and level."""
    found: Array = np.sqrt(means * unknowns)
    return found


def log_slopes(unknowns: Array, errors: Array) -> Array:
    """(R,) of (R, levels)."""
    return least_squares(np.log(unknowns), np.log(errors))


def least_squares(x: Array, y: Array) -> Array:
    """(R,) slopes of each row of ``y`` (R, levels) over ``x`` (levels,)."""
    centered = x - x.mean()
    slopes: Array = y @ centered / (centered**2).sum()
    return slopes


def interval(values: Array, levels: Sequence[Level]) -> Interval | None:
    if len(shared_samples(levels)) < LEAST_SAMPLES:
        return None
    tail = (100 - CONFIDENCE) / 2
    low, high = np.percentile(values, (tail, 100 - tail))
    return float(low), float(high)
