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


class Clipping(Component):
    """Clipping: an update longer than a bound is shortened to it (as evaluated by Li et al., CVPR 2022).

    It keeps the update's direction, so an attack that compares directions does not notice it, and without noise it
    gives no differential privacy.
    """

    name: Literal["clipping"] = "clipping"
    bound: float = Field(4.0, gt=0, allow_inf_nan=False)
    """Largest Euclidean norm that is sent."""
    scope: Literal["global", "layer"] = "global"
    """Whether the bound holds for all tensors together ("global") or for each on its own ("layer"), which changes how
    they compare."""
    stages: ClassVar[tuple[Stage, ...]] = ("clip",)

    def wrap(self, rule: UpdateRule, rng: torch.Generator) -> UpdateRule:
        """The rule followed by the clipping."""

        def short(model: nn.Module, batch: Batch, *, differentiable: bool = False) -> Update:
            return self.shorten(rule(model, batch, differentiable=differentiable))

        return short

    def shorten(self, update: Update) -> Update:
        """``update`` within the bound; unchanged to the last bit where it is within already."""
        if self.scope == "global":
            return clipped(update, self.bound)
        return tuple(part for tensor in update for part in clipped((tensor,), self.bound))

    def expect(self, observed: Update) -> Callable[[Update], Update]:
        """An attacker who knows the bound clips what it simulates."""
        return self.shorten


def clipped(update: Update, bound: float) -> Update:
    """``update`` scaled down to a Euclidean norm of at most ``bound`` over all its tensors; differentiable."""
    factor = (bound / total_norm(update)).clamp(max=1.0)
    return tuple(u * factor.to(u) for u in update)


def total_norm(update: Update) -> Tensor:
    """() float64: Euclidean norm over all entries of all tensors, never quite zero; differentiable."""
    import torch

    squares = torch.stack([u.double().square().sum() for u in update]).sum()
    return squares.clamp_min(1e-60).sqrt()
