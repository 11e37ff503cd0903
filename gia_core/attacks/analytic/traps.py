"""Rows of weights that are active for few images, and how they are tuned.

Imports torch: only for use inside ``run``. R rows are R neurons, n = C·H·W pixels, N images.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .first_layer import FirstLayer, first_layer

TYPICAL_MEAN, TYPICAL_STD = 0.47, 0.25
"""Of the pixels of a natural image."""
REHEARSED, REHEARSALS = 512, 16
"""Public images that the rows are tried on, and batches drawn from them."""


@dataclass(frozen=True)
class Tuning:
    """A scale of the positive weights, and what it should lead to."""

    scale: float
    firing: float
    """Share of the images for which a row is active."""
    silent: float
    """Share of the rows that are active for no image of a batch."""
    distinct: float
    """Images of a batch that at least one row has for itself."""


def mirrored_rows(rows: int, pixels: int, rng: torch.Generator) -> Tensor:
    """(R, n): in each row a random half of the weights is −|a|, the other half the same magnitudes, a ~ N(0, 1)."""
    half = pixels // 2
    magnitude = torch.randn(rows, half, generator=rng).abs()
    places = torch.rand(rows, pixels, generator=rng).argsort(dim=1)
    weights = torch.zeros(rows, pixels)  # of an odd number of pixels one stays without weight
    weights.scatter_(1, places[:, :half], -magnitude)
    return weights.scatter_(1, places[:, half : 2 * half], magnitude)


def scaled(mirrored: Tensor, scale: float) -> Tensor:
    """The rows with their positive weights made smaller: their sum over non-negative pixels falls below zero."""
    return torch.where(mirrored > 0, scale * mirrored, mirrored)


def firing(scale: float, pixels: int, mean: float, std: float) -> float:
    """The probability that a scaled row is active for an image whose pixels have this mean and deviation.

    The sum over the pixels is close to normal, and the size of the weights does not matter.
    """
    drift = (1 - scale) * math.sqrt(pixels / math.pi) * mean
    spread = math.sqrt((1 + scale**2) * std**2 + (1 - 2 / math.pi) * (1 - scale) ** 2 * mean**2)
    return 0.5 * math.erfc(drift / spread / math.sqrt(2))


def foreseen(scale: float, *, pixels: int, batch: int, rows: int) -> Tuning:
    """What rows of this scale do to typical natural images, if all images and rows were independent."""
    p = firing(scale, pixels, TYPICAL_MEAN, TYPICAL_STD)
    alone = p * (1 - p) ** (batch - 1)
    return Tuning(scale, p, (1 - p) ** batch, batch * (1 - (1 - alone) ** rows))


def rehearsed(scales: list[float], mirrored: Tensor, public: Tensor, batch: int, rng: torch.Generator) -> list[Tuning]:
    """What the rows (R, n) do at each scale to batches of the public images (N, n), N ≥ ``batch``: measured."""
    positive = public @ mirrored.clamp_min(0).T
    negative = public @ mirrored.clamp_max(0).T
    batches = [torch.randperm(len(public), generator=rng)[:batch].to(public.device) for _ in range(REHEARSALS)]
    found = []
    for scale in scales:
        active = scale * positive + negative > 0
        counts = torch.stack([active[chosen].sum(dim=0) for chosen in batches])
        distinct = sum(int((active[c] & (n == 1)).any(dim=1).sum()) for c, n in zip(batches, counts, strict=True))
        silent = float((counts == 0).double().mean())
        found.append(Tuning(scale, float(active.double().mean()), silent, distinct / REHEARSALS))
    return found


def tuned(scale: float | None, mirrored: Tensor, public: Tensor | None, batch: int, rng: torch.Generator) -> Tuning:
    """The scale that isolates the most images, or the one that is given, and what to expect of it.

    With enough public images (N, C, H, W) it is tried out on them. Otherwise it is computed for typical images: it is
    the one at which a row fires for one image of the batch.
    """
    rows, pixels = mirrored.shape
    if public is None or len(public) < batch:
        gaps = torch.logspace(-4, -0.1, 1000, dtype=torch.float64)
        scales = (1 - gaps).tolist() if scale is None else [scale]
        choices = [foreseen(s, pixels=pixels, batch=batch, rows=rows) for s in scales]
    else:
        some = public[:: max(1, len(public) // max(REHEARSED, batch))].flatten(1).to(mirrored)
        scales = (1 - torch.logspace(-3, -0.1, 100, dtype=torch.float64)).tolist() if scale is None else [scale]
        choices = rehearsed(scales, mirrored, some, batch, rng)
    return max(choices, key=lambda choice: choice.distinct)


def trapped(model: nn.Module, layer: FirstLayer, weights: Tensor) -> nn.Module:
    """A copy of ``model`` whose first layer applies ``weights`` (R, n) to pixels in [0, 1].

    The layer receives normalized pixels, some of them negative; its weights and biases take that back. The weights are
    given the size of those that they replace.
    """
    bait = copy.deepcopy(model)
    inner = first_layer(bait, layer.image_shape)
    size = layer.linear.weight.detach().double().std() / layer.std.mean() / weights.double().std()
    acting = size * weights.to(layer.mean)
    with torch.no_grad():
        inner.linear.weight.copy_(acting * layer.std)
        inner.linear.bias.copy_(acting @ layer.mean)
    return bait
