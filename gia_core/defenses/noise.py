"""What all noise on an update has in common."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from ..component import Component
from ..types import Batch, Update, UpdateRule
from .stages import Stage

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


class Noise(Component):
    """Random numbers of mean zero that are added to every entry of the update."""

    name: str
    std: float = Field(1e-3, ge=0, allow_inf_nan=False)
    """How strong the noise is: its standard deviation, in the unit that "scale" names."""
    scale: Literal["absolute", "relative"] = "absolute"
    """"absolute": in the units of the update, as papers report it. "relative": as a share of the update's root mean
    square, which compares across models."""
    stages: ClassVar[tuple[Stage, ...]] = ("noise",)

    @abstractmethod
    def draw(self, like: Tensor, rng: torch.Generator) -> Tensor:
        """Numbers with mean 0 and variance 1, in the shape of ``like``."""

    def wrap(self, rule: UpdateRule, rng: torch.Generator) -> UpdateRule:
        """The rule with fresh noise on every update it makes."""

        def noisy(model: nn.Module, batch: Batch, *, differentiable: bool = False) -> Update:
            update = rule(model, batch, differentiable=differentiable)
            std = self.std * (root_mean_square(update) if self.scale == "relative" else 1.0)
            return tuple(u + std * self.draw(u, rng) for u in update)

        return noisy if self.std else rule

    def expect(self, observed: Update) -> Callable[[Update], Update]:
        """Noise of mean zero: the update itself is the best guess."""
        return lambda update: update


def gaussian(like: Tensor, rng: torch.Generator) -> Tensor:
    """Standard normal numbers in the shape of ``like``."""
    import torch

    return torch.randn(like.shape, generator=rng).to(like)


def root_mean_square(update: Update) -> float:
    """Over all entries of all tensors."""
    entries = sum(u.numel() for u in update)
    return math.sqrt(sum(float(u.detach().square().sum()) for u in update) / entries)
