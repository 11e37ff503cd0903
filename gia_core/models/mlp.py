from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ..component import Component
from ..types import Data
from .choices import Activation, Epochs

if TYPE_CHECKING:
    import torch
    from torch import nn


class MLP(Component):
    """MLP: fully connected layers only.

    The first one has a bias, so that the image of a single-image batch can be read off its gradient exactly
    (Phong et al., IEEE TIFS 2018).
    """

    name: Literal["mlp"] = "mlp"
    width: int = Field(256, ge=1, le=4096)
    """Units in each hidden layer."""
    depth: int = Field(1, ge=1, le=8)
    """Number of hidden layers."""
    activation: Activation = "relu"
    training: Epochs = 0

    def objection(self, image_shape: tuple[int, int, int]) -> str | None:
        """Takes images of any size."""
        return None

    def build(self, data: Data, rng: torch.Generator) -> nn.Module:
        from torch import nn

        from .layers import ACTIVATIONS, Normalize, drawn_from

        sizes = [math.prod(data.image_shape), *[self.width] * self.depth]
        with drawn_from(rng):
            model = nn.Sequential(Normalize(data), nn.Flatten())
            for inputs, outputs in pairwise(sizes):
                model.extend([nn.Linear(inputs, outputs), ACTIVATIONS[self.activation]()])
            model.append(nn.Linear(self.width, len(data.class_names)))
        return model.eval()
