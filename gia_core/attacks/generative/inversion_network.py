"""The network that turns an update into images, and what it gets to see of the update."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ...models import classifier
from ...types import Update
from ..labels.restored import whole

TINY = 1e-20
"""Keeps quotients finite where an update is zero."""
LEAST = 1e-4
"""Share of all squares of the bias gradient below which an entry is too small to divide by."""


class Sketch(nn.Module):
    """A fixed hash of an update's entries into bins, which are added up (Wu et al., UAI 2023, section 4.2).

    With a random sign for every entry, inner products of updates survive on average (Charikar et al., ICALP 2002).
    """

    bins: Tensor
    signs: Tensor

    def __init__(self, length: int, size: int, *, signed: bool, rng: torch.Generator) -> None:
        """Of updates with ``length`` entries at most ``size`` numbers are left; short ones stay as they are."""
        super().__init__()
        self.size = min(length, size)
        drawn = torch.randint(size, (length,), generator=rng), torch.randint(2, (length,), generator=rng) * 2.0 - 1.0
        hashed = length > size
        self.register_buffer("bins", drawn[0] if hashed else torch.arange(length))
        self.register_buffer("signs", drawn[1] if hashed and signed else torch.ones(length))

    def forward(self, update: Update) -> Tensor:
        """(size,), of the update at a Euclidean norm of one."""
        flat = torch.cat([part.detach().flatten() for part in update])
        flat = flat / flat.norm().clamp_min(TINY)
        return torch.zeros(self.size).to(flat).index_add_(0, self.bins, flat * self.signs)


def classifier_inputs(model: nn.Module, gradient: Update, batch_size: int) -> Tensor:
    """(B, features) what the classifier received of each image, as its own part of a mean gradient tells it.

    Its weight gradient is the mean of (p - y) hᵀ over the images, and its bias gradient that of p - y, so that the
    quotient of their rows is h for a single image (Phong et al., IEEE TIFS 2018, section 3), and nearly the h of the
    image with that label for a few. Which labels occur is guessed from the bias: y makes it lower. They are in order.
    """
    head = classifier(model)
    part_of = {id(parameter): part.detach() for parameter, part in zip(model.parameters(), gradient, strict=True)}
    weight, bias = part_of[id(head.weight)], part_of[id(head.bias)]
    counts = whole(-batch_size * bias, batch_size).long()
    rows = torch.arange(len(bias), device=bias.device).repeat_interleave(counts)
    return weight[rows] * (bias / (bias.square() + LEAST * bias.square().sum()).clamp_min(TINY))[rows, None]


class InversionNetwork(nn.Module):
    """From an update to the images behind it."""

    center: Tensor
    scale: Tensor
    errors: Tensor

    def __init__(self, sketch: Sketch, features: int, images: torch.Size, *, hidden: int = 0) -> None:
        """``features``: of each image that the classifier of the inverted model receives, where this network is handed
        them, else 0; ``images``: (B, C, H, W) of its answers; ``hidden``: units in each of the paper's hidden layers,
        0 for a linear map.
        """
        super().__init__()
        self.sketch, self.features, self.shape = sketch, features * images[0], images
        numbers = self.features + sketch.size
        self.layers = published(numbers, images.numel(), hidden) if hidden else nn.Linear(numbers, images.numel())
        self.register_buffer("center", torch.zeros(numbers))
        self.register_buffer("scale", torch.ones(numbers))
        self.register_buffer("errors", torch.zeros(2))
        """Mean squared errors on the images held back: its own, and that of the mean image."""

    def numbers(self, model: nn.Module, gradient: Update) -> Tensor:
        """(B · features + entries,) what it gets to see of a mean gradient of ``model``."""
        sketched: Tensor = self.sketch(gradient)
        if not self.features:
            return sketched
        return torch.cat([classifier_inputs(model, gradient, self.shape[0]).flatten(), sketched])

    def forward(self, numbers: Tensor) -> Tensor:
        """``numbers`` of N updates, (N, B · features + entries), to (N, B, C, H, W) in [0, 1]."""
        images: Tensor = self.layers(self.entered(numbers))
        found: Tensor = images.unflatten(1, self.shape)
        return found.clamp(0, 1)

    @torch.no_grad()
    def inverted(self, model: nn.Module, gradient: Update) -> Tensor:
        """(B, C, H, W) in [0, 1], mid-gray where there is no number: the one forward pass that a victim takes."""
        images: Tensor = self(self.numbers(model, gradient)[None])[0]
        return images.nan_to_num(0.5)

    def entered(self, numbers: Tensor) -> Tensor:
        """Without their mean, and of a size that gives every kind of number the same say."""
        entered: Tensor = (numbers - self.center) / self.scale
        return entered

    def adjust(self, numbers: Tensor) -> None:
        """Take center and scale from these examples (N, numbers)."""
        self.center.copy_(numbers.mean(0))
        kinds = [kind for kind in (self.features, self.sketch.size) if kind]
        parts = (numbers - self.center).split(kinds, dim=1)
        sizes = [part.square().sum(1).mean().sqrt().clamp_min(TINY) for part in parts]
        every = math.sqrt(len(kinds) / sum(kinds))
        self.scale.copy_(torch.cat([(every * size).expand(kind) for size, kind in zip(sizes, kinds, strict=True)]))


def published(numbers: int, outputs: int, hidden: int) -> nn.Sequential:
    """The network of Wu et al., section 4.1."""
    layers = nn.Linear(numbers, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()
    return nn.Sequential(*layers, nn.Linear(hidden, outputs), nn.Sigmoid())
