"""Networks that have learned nothing: what they draw easily is smooth and coherent, and that alone is a prior."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ...priors.networks import grids

CODE = 128
"""Random numbers that an image is drawn from."""
LEAST_WIDTH = 32
NOISE_CHANNELS = 32


def batch_norm(channels: int) -> nn.Module:
    """By the statistics of the batch under search, without a memory of earlier ones."""
    return nn.BatchNorm2d(channels, track_running_stats=False)


class OverParameterized(nn.Module):
    """CI-Net's generator (Zhang et al., IJCAI 2023): more weights than the batch has pixels."""

    def __init__(self, image_shape: tuple[int, int, int], width: int) -> None:
        super().__init__()
        self.sizes, self.width = grids(*image_shape[1:]), width
        rows, columns = self.sizes[0]
        self.first = nn.Linear(CODE, width * rows * columns)
        self.blocks = nn.ModuleList(
            nn.Sequential(spectral_norm(nn.Conv2d(width, width, 3, padding=1)), batch_norm(width), nn.LeakyReLU(0.1))
            for _ in self.sizes
        )
        self.last = nn.Conv2d(width, image_shape[0], 1)

    def forward(self, codes: Tensor) -> Tensor:
        """(B, 128) to (B, C, H, W) in [0, 1]; the hyperbolic tangent of the paper, moved there."""
        features = self.first(codes).unflatten(1, (self.width, *self.sizes[0]))
        for size, block in zip(self.sizes, self.blocks, strict=True):
            features = block(F.interpolate(features, size=size))
        images: Tensor = (self.last(features).tanh() + 1) / 2
        return images


class Gated(nn.Module):
    """GRNN's image branch (Ren et al., ACM TIST 2022): every layer says, too, how much of its features to let by."""

    def __init__(self, image_shape: tuple[int, int, int], width: int) -> None:
        super().__init__()
        self.sizes, self.width = grids(*image_shape[1:]), width
        rows, columns = self.sizes[0]
        self.first = nn.Linear(CODE, width * rows * columns)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, 2 * width, 3, padding=1), batch_norm(2 * width), nn.GLU(dim=1))
            for _ in self.sizes
        )
        self.last = nn.Conv2d(width, image_shape[0], 3, padding=1)

    def forward(self, codes: Tensor) -> Tensor:
        """(B, 128) to (B, C, H, W) in [0, 1]."""
        features = self.first(codes).unflatten(1, (self.width, *self.sizes[0]))
        for size, block in zip(self.sizes, self.blocks, strict=True):
            features = block(F.interpolate(features, size=size))
        images: Tensor = self.last(features).sigmoid()
        return images


def over_parameterized(
    kind: type[OverParameterized | Gated], image_shape: tuple[int, int, int], batch_size: int
) -> nn.Module:
    """The narrowest one of 32, 64, 128, … channels with more than four weights for every pixel of one channel."""
    width = LEAST_WIDTH
    while True:
        with torch.device("meta"):
            count = sum(parameter.numel() for parameter in kind(image_shape, width).parameters())
        if count > 4 * batch_size * image_shape[1] * image_shape[2]:
            return kind(image_shape, width)
        width *= 2


class Hourglass(nn.Module):
    """A deep image prior's network (Ulyanov et al., CVPR 2018): convolutions down, and up again with what they saw."""

    def __init__(self, image_shape: tuple[int, int, int], width: int) -> None:
        super().__init__()
        self.sizes = grids(*image_shape[1:])[::-1]
        widths = [NOISE_CHANNELS, *[width] * (len(self.sizes) - 1)]
        self.down = nn.ModuleList(block(before, after, stride=2) for before, after in pairwise(widths))
        self.up = nn.ModuleList(block(before + after, width) for before, after in pairwise(widths))
        self.last = nn.Conv2d(width, image_shape[0], 1)

    def forward(self, noise: Tensor) -> Tensor:
        """(B, 32, H, W) to (B, C, H, W) in [0, 1]."""
        seen = [noise]
        for layer in self.down:
            seen.append(layer(seen[-1]))
        features = seen.pop()
        for layer in reversed(self.up):
            skipped = seen.pop()
            features = layer(torch.cat([F.interpolate(features, size=skipped.shape[2:]), skipped], dim=1))
        images: Tensor = self.last(features).sigmoid()
        return images


def block(before: int, after: int, *, stride: int = 1) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride=stride, padding=1), nn.GroupNorm(4, after), nn.LeakyReLU(0.2)
    )
