from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ..component import Component
from ..types import Data
from .choices import Activation, Epochs

if TYPE_CHECKING:
    import torch
    from torch import nn

PARTIES = 4
EMBEDDING = 32
"""Numbers that a party sends to the server for each image."""


class Quadrants(Component):
    """Quadrants: four parties hold a quarter of each image and half of a network each, a server has the rest.

    This is vertical federated learning as in CAFE's experiments (Jin et al., NeurIPS 2021), with smaller networks, and
    strides instead of poolings: two convolutions and two fully connected layers per party.
    """

    name: Literal["quadrants"] = "quadrants"
    channels: int = Field(16, ge=1, le=128)
    """Channels of a party's convolutions."""
    hidden: int = Field(64, ge=1, le=1024)
    """Units of a party's first fully connected layer."""
    activation: Activation = "sigmoid"
    training: Epochs = 0

    def objection(self, image_shape: tuple[int, int, int]) -> str | None:
        """Takes images of any size."""
        return None

    def build(self, data: Data, rng: torch.Generator) -> nn.Module:
        from torch import nn

        from .layers import ACTIVATIONS, Normalize, drawn_from
        from .parties import Party, SplitNetwork, quadrants

        activation = ACTIVATIONS[self.activation]
        normalize = Normalize(data)
        parts = quadrants(normalize.mean.new_empty(1, *data.image_shape))
        with drawn_from(rng):
            parties = [
                Party(part.shape, activation, channels=self.channels, hidden=self.hidden, embedding=EMBEDDING)
                for part in parts
            ]
            server = nn.Sequential(activation(), nn.Linear(EMBEDDING * len(parties), len(data.class_names)))
        return SplitNetwork(normalize, parties, server).eval()
