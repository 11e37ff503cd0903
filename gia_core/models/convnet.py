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


class ConvNet(Component):
    """ConvNet: eight convolutions with BatchNorm and two max-poolings (Geiping et al., NeurIPS 2020, public code).

    Width 64 is the paper's ConvNet64.
    """

    name: Literal["convnet"] = "convnet"
    width: int = Field(64, ge=8, le=128)
    """Channels of the first convolution; later ones have up to four times as many. Narrower is faster."""
    activation: Activation = "relu"
    normalization: Normalization = "batch"
    mode: Mode = "eval"
    training: Epochs = 0

    def objection(self, image_shape: tuple[int, int, int]) -> str | None:
        """Two poolings by three leave nothing of fewer than nine pixels."""
        return too_small(self.name, image_shape, least=9)

    def build(self, data: Data, rng: torch.Generator) -> nn.Module:
        """Raises ValueError with the objection where the images are too small."""
        from torch import nn

        from .layers import ACTIVATIONS, Normalize, drawn_from, normalization

        if reason := self.objection(data.image_shape):
            raise ValueError(reason)
        inputs, height, width = data.image_shape
        with drawn_from(rng):
            model = nn.Sequential(Normalize(data))
            for stage in ((1, 2, 2, 4, 4, 4), (4, 4)):
                for multiple in stage:
                    outputs = multiple * self.width
                    model.append(nn.Conv2d(inputs, outputs, 3, padding=1))
                    model.extend([normalization(self.normalization, outputs), ACTIVATIONS[self.activation]()])
                    inputs = outputs
                model.append(nn.MaxPool2d(3))
            features = inputs * (height // 9) * (width // 9)
            model.extend([nn.Flatten(), nn.Linear(features, len(data.class_names))])
        return model.train(self.mode == "train")
