from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from ..component import Component
from ..types import Data
from .choices import Activation, Epochs

if TYPE_CHECKING:
    import torch
    from torch import nn

CONVOLUTIONS = ((12, 4, 2, 2), (36, 3, 2, 1), (36, 3, 1, 1), (36, 3, 1, 1), (64, 3, 2, 1), (128, 3, 1, 1))
"""Filters, kernel, stride and padding, from the image on."""


class CNN6(Component):
    """CNN6: six convolutions without biases or pooling, on which R-GAP was shown (Zhu and Blaschko, ICLR 2021).

    Its layers have enough weights to be solved for their inputs one after the other. Where the paper has one output
    for two classes, here is one for each class, also without bias.
    """

    name: Literal["cnn6"] = "cnn6"
    activation: Activation = "leaky-relu"
    training: Epochs = 0

    def objection(self, image_shape: tuple[int, int, int]) -> str | None:
        """Takes images of any size."""
        return None

    def build(self, data: Data, rng: torch.Generator) -> nn.Module:
        from torch import nn

        from .layers import ACTIVATIONS, Normalize, drawn_from

        inputs, height, width = data.image_shape
        with drawn_from(rng):
            model = nn.Sequential(Normalize(data))
            for filters, kernel, stride, padding in CONVOLUTIONS:
                convolution = nn.Conv2d(inputs, filters, kernel, stride=stride, padding=padding, bias=False)
                model.extend([convolution, ACTIVATIONS[self.activation]()])
                inputs = filters
            # The first convolution gives side // 2 + 1 pixels, two later strides halve that, rounding up.
            features = inputs * math.ceil((height // 2 + 1) / 4) * math.ceil((width // 2 + 1) / 4)
            model.extend([nn.Flatten(), nn.Linear(features, len(data.class_names), bias=False)])
        return model.eval()
