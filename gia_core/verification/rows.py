"""V2, V3 and V5: whether the weights of linear layers are patterned. Imports torch. K rows, d columns.

The limits are ours: random weights of 128 rows by 3072 columns lie far on one side of them, and the layers of Fowl et
al. (ICLR 2022) and of Boenisch et al. (EuroS&P 2023) far on the other. benchmarks/verification.py tells how far.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from .findings import Finding, Verdict, worst
from .received import Received

TWIN, TWINS = 0.99, 0.1
"""V2: from which cosine on two rows count as twins, and the share of rows that may have one."""
FEWEST = 8
"""Rows from which on a share of them means something."""
RANK, LOW_RANK = 1.5, 4.0
"""V3: below the first, one direction explains two thirds of all weights; below the second is unusual."""
WIDE = 16
"""V3, V5: rows and columns from which on the statistics of random weights hold."""
VARIANCE, SPREAD = 0.1, 0.1
"""V5: how evenly signs and masses may be spread over the rows, as shares of what chance gives."""
MOST = 2048
"""Rows or columns at most that are compared with each other, evenly chosen, so that memory stays small."""

NOTHING = "No linear layer is wide enough for this."


def twins(received: Received) -> Finding:
    """V2: the share of rows, or of columns, that point where another one points."""
    rows = [(name, layer) for name, layer in received.linear.items() if layer.out_features >= FEWEST]
    found = [twins_of(name, "rows", layer.weight.detach()) for name, layer in rows]
    found += [twins_of(name, "columns", layer.weight.detach().T) for name, layer in wide(received)]
    return worst(found, NOTHING)


def twins_of(name: str, what: str, vectors: Tensor) -> Finding:
    share = share_of_twins(vectors)
    verdict: Verdict = "fail" if share > TWINS else "ok"
    return Finding(share, TWINS, verdict, f"{share:.0%} of the {what} of layer {name} point where another one points.")


def share_of_twins(vectors: Tensor) -> float:
    """Of (N, n): those with another one within ``TWIN`` of the same or the opposite direction; zeros are alike."""
    vectors = evenly_chosen(vectors).double()
    silent = vectors.norm(dim=1) == 0
    directions = normalize(vectors, dim=1)
    cosines = (directions @ directions.T).abs().fill_diagonal_(0)
    has_twin = cosines.amax(dim=1) > TWIN
    return float((has_twin | (silent & (silent.sum() > 1))).double().mean())


def evenly_chosen(vectors: Tensor) -> Tensor:
    return vectors[:: math.ceil(len(vectors) / MOST)]


def stable_rank(received: Received) -> Finding:
    """V3: ‖W‖² / σ₁², how many directions the rows of a layer really have."""
    return worst([rank_of(name, layer.weight.detach()) for name, layer in wide(received)], NOTHING)


def rank_of(name: str, weight: Tensor) -> Finding:
    rank = float(weight.double().square().sum() / largest_singular_value(weight) ** 2)
    verdict: Verdict = "fail" if rank < RANK else "warn" if rank < LOW_RANK else "ok"
    return Finding(rank, RANK, verdict, f"The weights of layer {name} have a stable rank of {rank:.2f}.", low=True)


def largest_singular_value(weight: Tensor, *, iterations: int = 30) -> float:
    """By power iteration from the longest row; at least ``tiny``."""
    weight = weight.double()
    direction = weight[weight.norm(dim=1).argmax()]
    for _ in range(iterations):
        direction = normalize(weight.T @ (weight @ direction), dim=0)
    return max(float((weight @ direction).norm()), torch.finfo(torch.float64).tiny)


def balance(received: Received) -> Finding:
    """V5: how much the rows differ in their share of positive weights, and in the mass of these, beside chance.

    Trap weights have as many positive as negative weights in every row, and the masses in one proportion. Chance gives
    the share of positive weights a variance of 1 / 4d; the ratio of the masses spreads by about 2 / √d.
    """
    return worst([balance_of(name, layer.weight.detach()) for name, layer in wide(received)], NOTHING)


def balance_of(name: str, weight: Tensor) -> Finding:
    weight, columns = weight.double(), weight.shape[1]
    variance = float((weight > 0).double().mean(dim=1).var()) * 4 * columns
    negative = weight.clamp_max(0).sum(dim=1).neg()
    ratios = (weight.clamp_min(0).sum(dim=1) / negative)[negative > 0]
    spread = float(ratios.std()) * math.sqrt(columns) if len(ratios) > 1 else math.inf
    if variance / VARIANCE < spread / SPREAD:
        verdict: Verdict = "fail" if variance < VARIANCE else "ok"
        words = f"share of positive weights varies {variance:.2g} times as much as that of random ones"
        return Finding(variance, VARIANCE, verdict, f"From row to row of layer {name} the {words}.", low=True)
    verdict = "fail" if spread < SPREAD else "ok"
    words = (
        f"ratio of positive to negative weights spreads by {spread:.2g} / √{columns}, that of random ones by about 2"
    )
    return Finding(spread, SPREAD, verdict, f"From row to row of layer {name} the {words}.", low=True)


def wide(received: Received) -> list[tuple[str, nn.Linear]]:
    """Layers of which the statistics of random weights hold."""
    return [(name, layer) for name, layer in received.linear.items() if min(layer.weight.shape) >= WIDE]
