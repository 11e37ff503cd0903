from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from ..component import Component
from ..models import classifier
from ..types import Batch, Update, UpdateRule

if TYPE_CHECKING:
    import torch
    from torch import nn


class Precode(Component):
    """PRECODE: a layer of random features is put into the network, before its classifier (Scheliga et al., WACV 2022).

    This changes the network for everyone. All that comes after the random features has a random gradient; the layers
    before it leak as ever, so who knows the defense compares only those, and of a single image reads off what the
    random features did to them. It gives no differential privacy.
    """

    name: Literal["precode"] = "precode"
    size: int = Field(256, ge=1, le=1024)
    """Random features; each has a mean and a spread that the network computes."""
    beta: float = Field(1e-3, ge=0)
    """Weight of the loss that draws the random features to the standard normal law."""
    changes_network: ClassVar[bool] = True

    def remodel(self, model: nn.Module, rng: torch.Generator) -> nn.Module:
        """A copy of the model with the bottleneck before its classifier."""
        from ..models.layers import drawn_from
        from .bottleneck import Bottleneck, inserted

        with drawn_from(rng):
            bottleneck = Bottleneck(classifier(model).in_features, self.size, self.beta)
        return inserted(bottleneck, copy.deepcopy(model))

    def wrap(self, rule: UpdateRule, rng: torch.Generator) -> UpdateRule:
        """The rule with random features of the client's own, which nobody else learns; one draw per update."""

        def sampled(model: nn.Module, batch: Batch, *, differentiable: bool = False) -> Update:
            from .bottleneck import reseeded

            return rule(reseeded(model, rng), batch, differentiable=differentiable)

        return sampled

    def opened(self, model: nn.Module, gradient: Update) -> nn.Module:
        """The model as it is simulated by an attacker who knows the gradient of a single image.

        That of the encoder's bias stands in for everything behind it, which the noise decided (derived here; the known
        attack leaves the encoder out).
        """
        from .bottleneck import opened

        return opened(model, gradient)

    def expect(self, observed: Update) -> Callable[[Update], Update]:
        """Nothing is done to the update."""
        return lambda update: update

    def comparable(self, model: nn.Module, observed: Update) -> Callable[[Update], Update]:
        """Sets the bottleneck and the classifier to zero (Scheliga et al., 2022, arXiv:2208.04767).

        Of a model that was ``opened`` the encoder is compared, too.
        """
        from .bottleneck import behind_the_bottleneck

        ignored = behind_the_bottleneck(model)
        return lambda update: tuple(
            u.new_zeros(u.shape) if left_out else u for u, left_out in zip(update, ignored, strict=True)
        )
