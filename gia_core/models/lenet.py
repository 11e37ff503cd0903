from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from ..component import Component
from ..types import Data
from .choices import Activation, Epochs

if TYPE_CHECKING:
    import torch
    from torch import nn


class LeNet(Component):
    """LeNet: the small convolutional network on which DLG was shown (Zhu et al., NeurIPS 2019, public code).

    Strides instead of pooling, sigmoids, and every weight and bias from U(-0.5, 0.5): easy to invert by design.
    As in the paper it takes the pixels as they are, without normalization.
    """

    name: Literal["lenet"] = "lenet"
    activation: Activation = "sigmoid"
    training: Epochs = 0

    def objection(self, image_shape: tuple[int, int, int]) -> str | None:
        """Takes images of any size."""
        return None

    def build(self, data: Data, rng: torch.Generator) -> nn.Module:
        from torch import nn

        from .layers import ACTIVATIONS, drawn_from

        channels, height, width = data.image_shape
        activation = ACTIVATIONS[self.activation]
        with drawn_from(rng):
            model = nn.Sequential(
                nn.Conv2d(channels, 12, 5, stride=2, padding=2),
                activation(),
                nn.Conv2d(12, 12, 5, stride=2, padding=2),
                activation(),
                nn.Conv2d(12, 12, 5, stride=1, padding=2),
                activation(),
                nn.Flatten(),
                nn.Linear(12 * math.ceil(height / 4) * math.ceil(width / 4), len(data.class_names)),
            )
            for parameter in model.parameters():
                nn.init.uniform_(parameter, -0.5, 0.5)
        return model.eval()
