"""Private pixels from magnitudes of their sums, as InstaHide leaves them. Imports torch: only for use inside methods.

All pixels are measured from mid-gray, and each pixel position is a problem of its own.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

STARTS = 16
ITERATIONS = 30


def from_magnitudes(weights: Tensor, magnitudes: Tensor, added: Tensor, inverse: Tensor) -> Tensor:
    """(B, n) in [-0.5, 0.5] such that |``weights`` · result + ``added``| is as near to ``magnitudes`` as can be.

    ``weights`` (N, B), ``magnitudes`` and ``added`` (N, n), ``inverse`` (B, N) solves for known signs. From several
    starts, signs are guessed from the solution and the solution from the signs, in turn; each position keeps its best.
    """
    rng = torch.Generator().manual_seed(0)
    shape = (weights.shape[1], magnitudes.shape[1])
    best, lowest = magnitudes.new_zeros(shape), magnitudes.new_full(shape[1:], math.inf)
    for _ in range(STARTS):
        found = (torch.rand(shape, generator=rng) - 0.5).to(magnitudes)
        for _ in range(ITERATIONS):
            signs = torch.where(weights @ found + added < 0, -1.0, 1.0)
            found = (inverse @ (signs * magnitudes - added)).clamp(-0.5, 0.5)
        residual = ((weights @ found + added).abs() - magnitudes).square().sum(dim=0)
        best = torch.where(residual < lowest, found, best)
        lowest = torch.minimum(residual, lowest)
    return best


def agreeing_signs(pixels: Tensor, grid: tuple[int, ...]) -> Tensor:
    """1 or -1 for each of the n positions of ``pixels`` (B, n), laid out as ``grid`` (C, H, W).

    Signs follow the strongest agreements between neighbors, over all B pictures: a maximum spanning tree. One sign is
    left over: the result may be the negative of what it should be.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

    values = pixels.cpu().numpy()
    ends = neighbors(grid)
    agreement = (values[:, ends[0]] * values[:, ends[1]]).sum(axis=0)
    cost = np.abs(agreement).max() * 1.01 + 1e-9 - np.abs(agreement)
    count = values.shape[1]
    tree = minimum_spanning_tree(coo_array((cost, ends), shape=(count, count)))
    order, before = breadth_first_order(tree, 0, directed=False)
    signs = np.ones(count)
    for place in order[1:]:
        parent = before[place]
        signs[place] = signs[parent] * (-1 if values[:, place] @ values[:, parent] < 0 else 1)
    return torch.from_numpy(signs).to(pixels)


def neighbors(grid: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Both ends of every pair of positions that touch: beside or below each other, or the same pixel's next channel."""
    places = np.arange(math.prod(grid)).reshape(grid)
    pairs = [(places[:-1], places[1:]), (places[:, :-1], places[:, 1:]), (places[:, :, :-1], places[:, :, 1:])]
    first, second = (np.concatenate([pair[side].ravel() for pair in pairs]) for side in (0, 1))
    return first, second
