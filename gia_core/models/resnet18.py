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


class ResNet18(Component):
    """ResNet-18: the residual network for ImageNet (He et al., CVPR 2016, table 1).

    Images of up to 64 pixels enter through a 3 x 3 convolution at full size, as is usual for them; larger ones through
    the original 7 x 7 convolution with stride and max-pooling.
    """

    name: Literal["resnet18"] = "resnet18"
    width: int = Field(64, ge=8, le=128)
    """Channels of the first stage, 64 in the paper; the last has eight times as many. Narrower is faster."""
    activation: Activation = "relu"
    normalization: Normalization = "batch"
    mode: Mode = "eval"
    training: Epochs = 0

    def objection(self, image_shape: tuple[int, int, int]) -> str | None:
        """Smaller images shrink to single pixels, over which BatchNorm cannot train with one image."""
        return too_small(self.name, image_shape, least=16)

    def build(self, data: Data, rng: torch.Generator) -> nn.Module:
        """Raises ValueError with the objection where the images are too small."""
        from torch import nn

        from .layers import Normalize, drawn_from
        from .residual import residual_network

        if reason := self.objection(data.image_shape):
            raise ValueError(reason)
        with drawn_from(rng):
            network = residual_network(
                self.stem(data.image_shape),
                (2, 2, 2, 2),
                width=self.width,
                classes=len(data.class_names),
                activation=self.activation,
                norm=self.normalization,
            )
        return nn.Sequential(Normalize(data), *network).train(self.mode == "train")

    def stem(self, image_shape: tuple[int, int, int]) -> nn.Sequential:
        """From the image to the first stage."""
        from torch import nn

        from .layers import ACTIVATIONS
        from .residual import convolution

        channels, height, width = image_shape
        activation = ACTIVATIONS[self.activation]()
        if max(height, width) <= 64:
            return nn.Sequential(convolution(channels, self.width, 3, norm=self.normalization), activation)
        large = convolution(channels, self.width, 7, stride=2, norm=self.normalization)
        return nn.Sequential(large, activation, nn.MaxPool2d(3, stride=2, padding=1))
