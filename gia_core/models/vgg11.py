from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ..component import Component
from ..types import Data
from .choices import Activation, Epochs, Mode, Normalization
from .sizes import too_small

if TYPE_CHECKING:
    import torch
    from torch import nn


class VGG11(Component):
    """VGG-11: eight convolutions and five max-poolings (Simonyan and Zisserman, ICLR 2015, configuration A).

    With BatchNorm and a single linear layer at the end, as is usual for small images; the paper has neither.
    """

    name: Literal["vgg11"] = "vgg11"
    width: int = Field(64, ge=8, le=128)
    """Channels of the first convolution, 64 in the paper; the last has eight times as many. Narrower is faster."""
    activation: Activation = "relu"
    normalization: Normalization = "batch"
    mode: Mode = "eval"
    training: Epochs = 0

    def objection(self, image_shape: tuple[int, int, int]) -> str | None:
        """Five poolings by two leave nothing of fewer than 32 pixels."""
        return too_small(self.name, image_shape, least=32)

    def build(self, data: Data, rng: torch.Generator) -> nn.Module:
        """Raises ValueError with the objection where the images are too small."""
        from torch import nn

        from .layers import ACTIVATIONS, Normalize, draw_he_normal, drawn_from, normalization

        if reason := self.objection(data.image_shape):
            raise ValueError(reason)
        inputs, height, width = data.image_shape
        with drawn_from(rng):
            model = nn.Sequential(Normalize(data))
            for stage in ((1,), (2,), (4, 4), (8, 8), (8, 8)):
                for multiple in stage:
                    outputs = multiple * self.width
                    model.append(nn.Conv2d(inputs, outputs, 3, padding=1))
                    model.extend([normalization(self.normalization, outputs), ACTIVATIONS[self.activation]()])
                    inputs = outputs
                model.append(nn.MaxPool2d(2))
            features = inputs * (height // 32) * (width // 32)
            model.extend([nn.Flatten(), nn.Linear(features, len(data.class_names))])
            draw_he_normal(model)
        return model.train(self.mode == "train")
