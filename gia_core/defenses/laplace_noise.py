from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from ..component import Component
from ..types import Batch, Update, UpdateRule
from .gaussian_noise import root_mean_square
from .stages import Stage

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


class LaplaceNoise(Component):
    """Laplace noise: like Gaussian noise, with more very small and very large numbers (Zhu et al., NeurIPS 2019, 5.1).

    Without clipping this bounds nothing, so it is not differential privacy. Of two attacks that know of it, the one
    that compares absolute differences (L1) does better.
    """

    name: Literal["laplace-noise"] = "laplace-noise"
    std: float = Field(1e-3, ge=0, allow_inf_nan=False)
    """How strong the noise is: its standard deviation, in the unit that "scale" names. The parameter b that some papers
    give is the standard deviation divided by the square root of 2."""
    scale: Literal["absolute", "relative"] = "absolute"
    """"absolute": in the units of the update, as papers report it. "relative": as a share of the update's root mean
    square, which compares across models."""
    stages: ClassVar[tuple[Stage, ...]] = ("noise",)

    def wrap(self, rule: UpdateRule, rng: torch.Generator) -> UpdateRule:
        """The rule with fresh noise on every update it makes."""

        def noisy(model: nn.Module, batch: Batch, *, differentiable: bool = False) -> Update:
            update = rule(model, batch, differentiable=differentiable)
            std = self.std * (root_mean_square(update) if self.scale == "relative" else 1.0)
            return tuple(u + std * laplace(u, rng) for u in update)

        return noisy if self.std else rule

    def expect(self, observed: Update) -> Callable[[Update], Update]:
        """Noise of mean zero: the update itself is the best guess."""
        return lambda update: update


def laplace(like: Tensor, rng: torch.Generator) -> Tensor:
    """Numbers of the Laplace distribution with mean 0 and variance 1, in the shape of ``like``."""
    import torch

    # The difference of two exponential variables has this distribution, and no logarithm of zero can come up.
    one, other = (torch.empty(like.shape).exponential_(generator=rng) for _ in range(2))
    return ((one - other) / math.sqrt(2)).to(like)
