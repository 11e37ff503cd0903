"""Proposition 1's premise, tested: are an image's gradients nearer to each other at one checkpoint than at another?

Pure. Distances are (M, M) between the gradients of M images, symmetric, zero on the diagonal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9)
"""Of all distances of both checkpoints: the radii ε at which neighbors are counted."""


@dataclass(frozen=True)
class Dominance:
    """Over all images i and radii ε, the shares where the crowded checkpoint has more, as many, and fewer neighbors.

    The proposition's premise, "for every i and ε", asks for a ``fewer`` of 0.
    """

    more: float
    as_many: float
    fewer: float
    ahead: float
    """One-sided Kolmogorov–Smirnov statistic: how far its distribution of distances lies above the other at most."""
    behind: float
    """How far below at most; 0 under first-order stochastic dominance."""


def neighbors(distances: NDArray[np.float64], radii: Sequence[float]) -> NDArray[np.int64]:
    """(M, E) how many other images have a gradient closer than each radius."""
    others = distances + np.diag(np.full(len(distances), np.inf))
    counts: NDArray[np.int64] = (others[:, :, None] < np.asarray(radii)).sum(axis=1)
    return counts


def dominance(crowded: NDArray[np.float64], sparse: NDArray[np.float64]) -> Dominance:
    """Whether gradients have more neighbors at the ``crowded`` checkpoint, where the proposition says it is harder.

    The pairs of M images depend on each other, so the statistics come without p-values.
    """
    from scipy.stats import ks_2samp

    first, second = pairs(crowded), pairs(sparse)
    radii = np.unique(np.quantile(np.concatenate([first, second]), QUANTILES))
    difference = neighbors(crowded, radii.tolist()) - neighbors(sparse, radii.tolist())
    return Dominance(
        more=float((difference > 0).mean()),
        as_many=float((difference == 0).mean()),
        fewer=float((difference < 0).mean()),
        ahead=float(ks_2samp(first, second, alternative="greater", method="asymp").statistic),
        behind=float(ks_2samp(first, second, alternative="less", method="asymp").statistic),
    )


def pairs(distances: NDArray[np.float64], among: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """Every pair once, or those that the mask ``among`` (M, M) allows."""
    upper = np.triu(np.ones(distances.shape, dtype=bool), k=1)
    found: NDArray[np.float64] = distances[upper if among is None else upper & among]
    return found


def typical(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """(M,) median distance of each image's gradient to the others."""
    others = np.where(np.eye(len(distances), dtype=bool), np.nan, distances)
    found: NDArray[np.float64] = np.nanmedian(others, axis=1)
    return found


def partial_spearman(x: ArrayLike, y: ArrayLike, held: ArrayLike) -> float | None:
    """Rank correlation of ``x`` and ``y`` where ``held`` is held fixed, all (n,); None where one of them is constant.

    The correlation of what a straight line over the ranks of ``held`` leaves of theirs (Conover, 1999).
    """
    from scipy.stats import rankdata

    ranks = [rankdata(values) for values in (x, y, held)]
    if any(np.ptp(rank) == 0 for rank in ranks):
        return None
    (_, xy, xz), (_, _, yz), _ = np.corrcoef(ranks)
    left = (1 - xz**2) * (1 - yz**2)
    return float((xy - xz * yz) / np.sqrt(left)) if left > 1e-12 else None


def spearman(x: ArrayLike, y: ArrayLike) -> float | None:
    """Rank correlation; None where one of them is constant."""
    from scipy.stats import spearmanr

    return None if np.ptp(np.asarray(x)) == 0 or np.ptp(np.asarray(y)) == 0 else float(spearmanr(x, y).statistic)
