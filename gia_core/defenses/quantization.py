from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from ..component import Component
from ..types import Batch, Update, UpdateRule
from .stages import Stage

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

INT8 = 127
"""Steps of int8 on each side of zero."""
LARGEST_HALF = 65504.0
"""Largest number of 16 bits."""
STEEPNESS = 20.0
"""How sharply an attacker's stand-in for the sign turns at zero, for a tensor whose mean magnitude is 1."""


class Quantization(Component):
    """Quantization: every number of the update is sent with fewer bits.

    It saves bytes; it is no privacy mechanism. Sources: int8 and fp16 as in Zhu et al. (NeurIPS 2019, section 5),
    QSGD by Alistarh et al. (NeurIPS 2017, section 3.1), the scaled sign after Bernstein et al. (ICML 2018).
    """

    name: Literal["quantization"] = "quantization"
    scheme: Literal["fp32", "fp16", "int8", "qsgd", "sign"] = "int8"
    """What is sent. "fp32": the update as it is, to compare with. "fp16": 16-bit floating point numbers. "int8": whole
    numbers up to 127, times the largest entry of a tensor divided by 127. "qsgd": steps of a tensor's norm divided by
    the number of levels, drawn so that the mean is right. "sign": the signs, times one magnitude per tensor."""
    rounding: Literal["nearest", "stochastic"] = "nearest"
    """How int8 rounds: to the nearest step, or to one of the two next to it by a chance that makes the mean right."""
    levels: int = Field(15, ge=1, le=255)
    """Steps between zero and the tensor's norm, for qsgd."""
    stages: ClassVar[tuple[Stage, ...]] = ("compression",)

    def wrap(self, rule: UpdateRule, rng: torch.Generator) -> UpdateRule:
        """The rule followed by rounding; a derivative passes through as if nothing had been rounded."""

        def coarse(model: nn.Module, batch: Batch, *, differentiable: bool = False) -> Update:
            update = rule(model, batch, differentiable=differentiable)
            return tuple(passing(u, self.rounded(u.detach(), rng)) for u in update)

        return rule if self.scheme == "fp32" else coarse

    def rounded(self, tensor: Tensor, rng: torch.Generator) -> Tensor:
        """What arrives of ``tensor`` at the server, in the type and shape that it had."""
        match self.scheme:
            case "fp16":
                return half(tensor)
            case "int8":
                up = 0.5 if self.rounding == "nearest" else chance(tensor, rng)
                return in_steps(tensor, int8_step(tensor), up, most=INT8)
            case "qsgd":
                return in_steps(tensor, tensor.norm() / self.levels, chance(tensor, rng), most=self.levels)
            case "sign":
                return tensor.sign() * mean_magnitude(tensor)
        return tensor

    def expect(self, observed: Update) -> Callable[[Update], Update]:
        """An attacker who knows the rounding rounds what it simulates, and lets derivatives pass.

        Of signs it compares a smooth stand-in. What was rounded by chance is right on average: the update is compared
        as it is.
        """
        return lambda update: tuple(self.simulated(u, o) for u, o in zip(update, observed, strict=True))

    def simulated(self, tensor: Tensor, observed: Tensor) -> Tensor:
        """``tensor`` as it would have arrived where ``observed`` did; differentiable."""
        if self.scheme == "sign":
            return smooth_sign(tensor) * mean_magnitude(observed)
        if self.scheme == "fp16":
            return passing(tensor, half(tensor.detach()))
        if self.scheme == "int8" and self.rounding == "nearest":
            return passing(tensor, in_steps(tensor.detach(), int8_step(observed), 0.5, most=INT8))
        return tensor


def passing(tensor: Tensor, value: Tensor) -> Tensor:
    """``value``, with the derivative of ``tensor`` (Bengio et al., arXiv 1308.3432: straight-through)."""
    return value + (tensor - tensor.detach())


def half(tensor: Tensor) -> Tensor:
    """Rounded to 16 bits; what is too large for them becomes the largest number they have."""
    return tensor.clamp(-LARGEST_HALF, LARGEST_HALF).half().to(tensor)


def int8_step(tensor: Tensor) -> Tensor:
    """() How far apart two neighbors are that arrive; what arrives has the same."""
    return tensor.abs().max() / INT8


def in_steps(tensor: Tensor, step: Tensor, up: Tensor | float, *, most: int) -> Tensor:
    """Each magnitude as whole steps, where what is left over counts as one more from 1 - ``up`` of a step on."""
    import torch

    steps = tensor.abs() / step.clamp_min(torch.finfo(tensor.dtype).tiny)
    return tensor.sign() * (steps + up).floor().clamp(max=most) * step


def chance(like: Tensor, rng: torch.Generator) -> Tensor:
    """Uniform numbers from 0 up to, but not including, 1, in the shape of ``like``."""
    import torch

    return torch.rand(like.shape, generator=rng).to(like)


def mean_magnitude(tensor: Tensor) -> Tensor:
    """() Mean magnitude of the entries that are not zero: the factor with which signs come closest to ``tensor``."""
    return tensor.abs().sum() / (tensor != 0).sum().clamp(min=1)


def smooth_sign(tensor: Tensor) -> Tensor:
    """Close to the sign of all entries but the smallest, and differentiable."""
    return (STEEPNESS * tensor / mean_magnitude(tensor).clamp_min(1e-30)).tanh()
