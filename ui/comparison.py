"""A run's scores beside those of guesses that use no gradient at all; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from gia_core.titles import HIGHER_IS_CLOSER, METRICS, plural

Scores: TypeAlias = Mapping[str, Any]
"""Per-image lists by metric; None where one was not measured."""


def best_guess(baselines: Mapping[str, Scores], metric: str) -> np.ndarray | None:
    """(B,) the score of the closest blind guess for each image; None where none was measured."""
    measured = [np.array(scores[metric], dtype=float) for scores in baselines.values() if scores.get(metric)]
    if not measured:
        return None
    return np.nanmax(measured, axis=0) if HIGHER_IS_CLOSER[metric] else np.nanmin(measured, axis=0)


def disagreement(scores: Scores, baselines: Mapping[str, Scores]) -> str | None:
    """One sentence where one metric finds an image closer than any blind guess and another does not; else None."""
    beats = {m: found for m in ("psnr", "ssim", "lpips") if (found := beaten(scores, baselines, m)) is not None}
    if len(beats) < 2:
        return None
    table = np.array(list(beats.values()))
    split = np.flatnonzero(table.any(axis=0) & ~table.all(axis=0))
    if not len(split):
        return None
    first = int(split[0])
    yes = " and ".join(METRICS[m] for m in beats if beats[m][first])
    no = " and ".join(METRICS[m] for m in beats if not beats[m][first])
    where = "" if table.shape[1] == 1 else f" about image {first + 1}"
    more = f" and {plural(len(split) - 1, 'other')}" if len(split) > 1 else ""
    return f"The metrics disagree{where}{more}: closer than a blind guess by {yes}, not by {no}. Trust your eyes."


def beaten(scores: Scores, baselines: Mapping[str, Scores], metric: str) -> np.ndarray | None:
    """(B,) whether each image came closer than every blind guess; None where that was not measured."""
    guess = best_guess(baselines, metric)
    if not scores.get(metric) or guess is None:
        return None
    values = np.array(scores[metric], dtype=float)
    return values > guess if HIGHER_IS_CLOSER[metric] else values < guess


def in_context(scores: Scores, baselines: Mapping[str, Scores]) -> list[tuple[str, list[float | None]]]:
    """Who guessed, and the mean of each metric over the batch; the attack first."""
    everyone = {"This attack": scores} | {
        f"Blind guess: {n.replace('-', ' ')}": guess for n, guess in baselines.items()
    }
    return [(name, [mean(values.get(metric)) for metric in METRICS]) for name, values in everyone.items()]


def mean(values: list[float | None] | None) -> float | None:
    known = [value for value in values or [] if value is not None]
    return float(np.mean(known)) if known else None
