"""What the networks are made of, and how their parameters are drawn. Imports torch: only for use inside ``build``."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ..types import Data
from .choices import Activation, Normalization

ACTIVATIONS: dict[Activation, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky-relu": lambda: nn.LeakyReLU(0.2),  # R-GAP's slope
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}


@contextmanager
def drawn_from(rng: torch.Generator) -> Iterator[None]:
    """Layers made in this block draw their parameters from ``rng``; torch's own generator is left as it was."""
    seed = int(torch.randint(2**62, (), generator=rng))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would also seed the GPUs
        yield


class Normalize(nn.Module):
    """Pixels in [0, 1] to zero mean and unit variance over the data set, per channel."""

    mean: Tensor
    std: Tensor

    def __init__(self, data: Data) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(data.mean, dtype=torch.float32).reshape(-1, 1, 1))
        self.register_buffer("std", torch.tensor(data.std, dtype=torch.float32).reshape(-1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.std

    def inverse(self, normalized: Tensor) -> Tensor:
        """Back to pixels, for attacks that solve for what the first layer received."""
        return normalized * self.std + self.mean


def normalization(kind: Normalization, channels: int) -> nn.Module:
    """GroupNorm has 32 groups, its authors' choice, or fewer, so that each has 4 channels or more."""
    match kind:
        case "batch":
            return nn.BatchNorm2d(channels)
        case "group":
            return nn.GroupNorm(math.gcd(channels, min(32, max(1, channels // 4))), channels)
        case _:
            return nn.Identity()


def draw_he_normal(model: nn.Module) -> None:
    """He et al.'s initialization of every convolution (ICCV 2015, section 2.2, over the outputs), biases zero."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
