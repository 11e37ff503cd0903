"""The networks of both kinds of priors: what draws an image, and what looks at one.

Sides are halved, rounding up, until a grid of at most four pixels is left, so that every image size is met exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from .generator import Generator

COARSEST = 4
"""Pixels of the smallest grid's longer side, at most."""
MOST_TIMES_WIDER = 8
"""How many times wider than at full size the layers become at most."""
GROUPS = 4
LABEL_FEATURES = 16
"""Numbers that stand for a class."""


def grids(height: int, width: int) -> list[tuple[int, int]]:
    """From the coarsest grid to the image: (32, 32) gives (4, 4), (8, 8), (16, 16), (32, 32)."""
    found = [(height, width)]
    while max(found[0]) > COARSEST:
        found.insert(0, (-(-found[0][0] // 2), -(-found[0][1] // 2)))
    return found


def channels(width: int, count: int) -> list[int]:
    """Of ``count`` grids from the coarsest on; ``width`` at full size, twice as many for every halving."""
    return [width * min(2**halvings, MOST_TIMES_WIDER) for halvings in reversed(range(count))]


class Decoder(Generator):
    """Upsampling and 3 × 3 convolutions after DCGAN (Radford et al., ICLR 2016), with its transposed ones replaced.

    Transposed convolutions leave checkerboards (Odena et al., Distill 2016); GroupNorm in place of BatchNorm keeps the
    images apart, and SiLU is smooth.
    """

    def __init__(self, image_shape: tuple[int, int, int], *, latent: int, width: int, num_classes: int = 0) -> None:
        super().__init__()
        self.image_shape, self.latent_shape, self.num_classes = image_shape, (latent,), num_classes
        self.width = width
        self.sizes = grids(*image_shape[1:])
        layers = channels(width, len(self.sizes))
        # The class after the last stands for none in particular.
        self.classes = nn.Embedding(num_classes + 1, LABEL_FEATURES) if num_classes else None
        rows, columns = self.sizes[0]
        self.first = nn.Linear(latent + (LABEL_FEATURES if num_classes else 0), layers[0] * rows * columns)
        self.norms = nn.ModuleList(nn.GroupNorm(GROUPS, count) for count in layers)
        self.convolutions = nn.ModuleList(nn.Conv2d(before, after, 3, padding=1) for before, after in pairwise(layers))
        self.last = nn.Conv2d(layers[-1], image_shape[0], 3, padding=1)

    def forward(self, codes: Tensor, labels: Tensor | None = None) -> Tensor:
        told = codes if self.classes is None else torch.cat([codes, self.classes(self.asked_for(codes, labels))], dim=1)
        features = self.first(told).unflatten(1, (-1, *self.sizes[0]))
        features = F.silu(self.norms[0](features))
        for size, convolution, norm in zip(self.sizes[1:], self.convolutions, self.norms[1:], strict=True):
            features = F.silu(norm(convolution(F.interpolate(features, size=size))))
        images: Tensor = self.last(features).sigmoid()
        return images

    def asked_for(self, codes: Tensor, labels: Tensor | None) -> Tensor:
        """(B,) rows of the class table."""
        if labels is None:
            return torch.full((len(codes),), self.num_classes, device=codes.device)
        return torch.where(labels < 0, self.num_classes, labels)


class Eye(nn.Module):
    """The mirror image of the decoder: strided convolutions down to the coarsest grid.

    ``wrap`` is applied to every layer with weights.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        width: int,
        num_classes: int,
        wrap: Callable[[nn.Module], nn.Module] = lambda layer: layer,
    ) -> None:
        super().__init__()
        sizes = grids(*image_shape[1:])
        layers = channels(width, len(sizes))[::-1]
        self.convolutions = nn.ModuleList([wrap(nn.Conv2d(image_shape[0], layers[0], 3, padding=1))])
        for before, after in pairwise(layers):
            self.convolutions.append(wrap(nn.Conv2d(before, after, 3, stride=2, padding=1)))
        self.outputs = layers[-1] * sizes[0][0] * sizes[0][1]
        # The class after the last stands for none in particular; without classes it is the only one.
        self.classes = wrap(nn.Embedding(num_classes + 1, self.outputs))
        self.num_classes = num_classes

    def features(self, images: Tensor) -> Tensor:
        """(B, C, H, W) in [0, 1] to (B, outputs)."""
        seen = 2 * images - 1
        for convolution in self.convolutions:
            seen = F.leaky_relu(convolution(seen), 0.2)
        return seen.flatten(1)

    def told(self, labels: Tensor) -> Tensor:
        """(B,) class indices or UNKNOWN to (B, outputs)."""
        if not self.num_classes:
            labels = torch.zeros_like(labels)
        features: Tensor = self.classes(torch.where(labels < 0, self.num_classes, labels))
        return features


class Encoder(Eye):
    """What a code may have been: mean and log variance, given an image and its class."""

    def __init__(self, image_shape: tuple[int, int, int], *, latent: int, width: int, num_classes: int) -> None:
        super().__init__(image_shape, width=width, num_classes=num_classes)
        self.last = nn.Linear(self.outputs, 2 * latent)

    def forward(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, H, W) and (B,) to (B, latent), twice. What the class tells need not be in the code."""
        mean, log_variance = self.last(self.features(images) + self.told(labels)).chunk(2, dim=1)
        return mean, log_variance


class Critic(Eye):
    """How real an image looks, and how well it fits its class (Miyato and Koyama, ICLR 2018, equation 3)."""

    def __init__(self, image_shape: tuple[int, int, int], *, width: int, num_classes: int) -> None:
        super().__init__(image_shape, width=width, num_classes=num_classes, wrap=spectral_norm)
        self.last = spectral_norm(nn.Linear(self.outputs, 1))

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """(B, C, H, W) and (B,) to (B,)."""
        features = self.features(images)
        judged: Tensor = self.last(features).squeeze(1) + (self.told(labels) * features).sum(dim=1)
        return judged
