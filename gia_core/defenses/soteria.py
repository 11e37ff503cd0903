from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from ..component import Component
from ..models import classifier
from ..types import Batch, Update, UpdateRule
from .stages import Stage

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


class Soteria(Component):
    """Soteria: hides the features that tell the most about the images from the last layer's gradient.

    (Sun et al., CVPR 2021.) Whole columns of one weight gradient become zero, and all other layers are sent as they
    are: who sees the empty columns leaves them out of the comparison. It gives no differential privacy, and takes one
    backward pass for every feature, which is slow on wide networks.
    """

    name: Literal["soteria"] = "soteria"
    ratio: float = Field(0.7, ge=0, lt=1)
    """Share of the features that are hidden."""
    stages: ClassVar[tuple[Stage, ...]] = ("model",)

    def wrap(self, rule: UpdateRule, rng: torch.Generator) -> UpdateRule:
        """The rule with columns of the classifier's weight set to zero."""

        def hidden(model: nn.Module, batch: Batch, *, differentiable: bool = False) -> Update:
            update = rule(model, batch, differentiable=differentiable)
            mask = self.mask(model, batch.images)
            position = weight_position(model)
            return tuple(u * mask if i == position else u for i, u in enumerate(update))

        return hidden if self.ratio else rule

    def mask(self, model: nn.Module, images: Tensor) -> Tensor:
        """(F,) 0 for the features to hide, else 1: those below the quantile ``ratio`` of ``input_shifts``."""
        from .representation import input_shifts

        shifts = input_shifts(model, images)
        return (shifts >= shifts.quantile(self.ratio)).to(shifts)

    def expect(self, observed: Update) -> Callable[[Update], Update]:
        """Nothing but the hidden columns is changed, and those are not compared."""
        return lambda update: update

    def comparable(self, model: nn.Module, observed: Update) -> Callable[[Update], Update]:
        """Sets the columns to zero that are empty in ``observed``, for both sides of a comparison."""
        position = weight_position(model)
        arrived = (observed[position] != 0).any(dim=0).to(observed[position])
        return lambda update: tuple(u * arrived if i == position else u for i, u in enumerate(update))


def weight_position(model: nn.Module) -> int:
    """Index of the classifier's weight among the model's parameters."""
    weight = classifier(model).weight
    return next(i for i, parameter in enumerate(model.parameters()) if parameter is weight)
