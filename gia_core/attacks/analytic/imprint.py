"""The block that a malicious server puts in front of a model, and how images are read off its gradient.

A functional maps an image to one number, and bins cut its range so that about as many images fall into each. Bin i
is (edges[i], edges[i + 1]). Imports torch: only for use inside ``run``. k bins, R rows, n = C·H·W pixels.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from ...types import Update

Functional = Literal["brightness", "cosine", "random"]
Variant = Literal["sparse", "dense", "one-shot"]

SPREAD = 0.01
"""How far the edges are drawn from the public quantiles towards equal distances, so that no bin is without width."""
LOST = 2e-6
"""A difference of rows this small, as a share of the largest row, has lost its picture to rounding in float32."""
OUTSIDE = 0.01
"""How far pixels may lie outside [0, 1], and the functional outside its bin as a share of the bin, by rounding."""


@dataclass(frozen=True)
class Bins:
    """A functional of images, and where its range is cut."""

    direction: Tensor
    """(n,) float64: the functional of x is ⟨direction, x − center⟩, with standard deviation 1 on the public images."""
    center: Tensor
    """(n,) float64, the mean of the public images: sums of smaller numbers lose fewer digits."""
    edges: Tensor
    """(k + 1,) float64, increasing."""
    masses: Tensor
    """(k,) share of the public images in each bin."""

    def value(self, images: Tensor) -> Tensor:
        """(N, n) to (N,)."""
        value: Tensor = (images.double() - self.center) @ self.direction
        return value

    def holds(self, images: Tensor, bins: Tensor) -> Tensor:
        """Whether each of (N, n) images falls into its bin of (N,), (N,) bool."""
        low, high, value = self.edges[bins], self.edges[bins + 1], self.value(images)
        slack = OUTSIDE * (high - low)
        return (value > low - slack) & (value < high + slack)


def direction(functional: Functional, pixels: int, mode: int, rng: torch.Generator) -> Tensor:
    """(n,) float64: all ones, a cosine with ``mode`` half waves over the pixels in their order, or normal numbers."""
    match functional:
        case "brightness":
            return torch.ones(pixels, dtype=torch.float64)
        case "cosine":
            return torch.cos(math.pi / pixels * (torch.arange(pixels, dtype=torch.float64) + 0.5) * mode)
        case _:
            return torch.randn(pixels, dtype=torch.float64, generator=rng)


def fit(direction: Tensor, public: Tensor, levels: Tensor) -> Bins:
    """Bins whose inner edges are the quantiles ``levels`` (k − 1,) of the functional on ``public`` (N, C, H, W).

    The first and the last bin reach as far as images can. Raises ValueError where the public images do not differ.
    """
    images = public.flatten(1).double()
    center = images.mean(0)
    deviation = ((images - center) @ direction).std(correction=0)
    if not deviation > 1e-9:
        raise ValueError("The public images do not differ in what the bins measure; choose another functional.")
    direction = direction / deviation
    value = (images - center) @ direction
    inner = (1 - SPREAD) * value.quantile(levels) + SPREAD * value.min().lerp(value.max(), levels)
    ends = torch.stack([direction.clamp_max(0).sum(), direction.clamp_min(0).sum()]) - center @ direction
    edges = torch.cat([ends[:1] - 1, inner, ends[1:] + 1])
    hit = torch.bucketize(value, inner)
    masses = torch.bincount(hit, minlength=len(edges) - 1) / len(value)
    return Bins(direction, center, edges, masses)


def equal_levels(bins: int, like: Tensor) -> Tensor:
    """Quantiles that cut ``bins`` equally full bins, (bins − 1,) float64."""
    return torch.arange(1, bins, device=like.device, dtype=torch.float64) / bins


def tiny_levels(images: int, like: Tensor) -> Tensor:
    """Quantiles around the median that enclose one of ``images`` images on average, (2,) float64."""
    return torch.tensor([0.5 - 0.5 / images, 0.5 + 0.5 / images], device=like.device, dtype=torch.float64)


class Imprint(nn.Module):
    """An image plus ``gain`` times the mean of all rows' activations, (B, C, H, W) to the same.

    The mean gives all rows of an image the same gradient, without which their difference would be no image; it has no
    parameters, so local training cannot undo that.
    """

    center: Tensor

    def __init__(self, bins: Bins, variant: Variant, gain: float) -> None:
        super().__init__()
        widths = bins.edges.diff()
        # A sparse row goes from 0 to 1 within its bin and is flat outside; the others rise from their edge on.
        scale = 1 / widths if variant == "sparse" else torch.ones_like(widths)
        rows = slice(1, None) if variant == "one-shot" else slice(None)
        # Uninitialized, so that torch's own generator stays as it was.
        self.linear = skip_init(nn.Linear, len(bins.direction), len(scale[rows]), device=bins.edges.device)
        with torch.no_grad():
            self.linear.weight.copy_(scale[rows, None] * bins.direction)
            self.linear.bias.copy_((-scale * bins.edges[:-1])[rows])
        self.activation: nn.Module = nn.Hardtanh(0, 1) if variant == "sparse" else nn.ReLU()
        self.gain = gain
        self.register_buffer("center", bins.center.float())

    def forward(self, images: Tensor) -> Tensor:
        level: Tensor = self.activation(self.linear(images.flatten(1) - self.center)).mean(dim=1)
        return images + self.gain * level.reshape(-1, 1, 1, 1)


class Imprinted(nn.Module):
    """A copy of a model with an imprint in front; the imprint's weight and bias are its first two parameters."""

    def __init__(self, imprint: Imprint, model: nn.Module) -> None:
        super().__init__()
        self.imprint = imprint
        self.model = copy.deepcopy(model)
        self.training = model.training

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.model(self.imprint(images))
        return logits


@dataclass(frozen=True)
class Readout:
    """What the bins of a gradient hold."""

    sums: Tensor
    """(k, n) float64: Σ δ (x − center) over the images in each bin."""
    signals: Tensor
    """(k,) float64: Σ δ over the same."""
    hit: Tensor
    """(k,) bool: bins with a signal above rounding."""

    def images(self, bins: Bins, chosen: Tensor) -> Tensor:
        """The mixtures of the bins ``chosen`` (M,), (M, n): the image itself where there is one."""
        return self.sums[chosen] / self.signals[chosen, None] + bins.center


def read(update: Update, variant: Variant) -> Readout:
    """Bin by bin: row i itself where it is sparse, else row i less row i + 1, and the last row as it is.

    The public code of the paper takes row i less row i − 1, which leaves an average of all images in the first bin and
    never separates the topmost one. A one-shot pair of rows has a single bin, the one between them.
    """
    weight, bias = (u.double().nan_to_num(0, 0, 0) for u in update[:2])
    largest = bias.abs().max()
    if variant == "sparse":
        return Readout(weight, bias, bias.abs() > 1e-30)
    sums, signals = weight.clone(), bias.clone()
    sums[:-1] -= weight[1:]
    signals[:-1] -= bias[1:]
    hit = signals.abs() > LOST * largest
    if variant == "one-shot":
        # Bins below and above the pair are not watched.
        return Readout(sums.roll(1, 0), signals.roll(1, 0), torch.tensor([False, bool(hit[0])], device=bias.device))
    return Readout(sums, signals, hit)


def inside(images: Tensor) -> Tensor:
    """Which of (N, n) have all pixels in [0, 1], (N,) bool."""
    return ((images > -OUTSIDE) & (images < 1 + OUTSIDE)).all(dim=1)
