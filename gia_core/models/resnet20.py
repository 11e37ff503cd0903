from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ..component import Component
from ..types import Data
from .choices import Activation, Epochs, Mode, Normalization

if TYPE_CHECKING:
    import torch
    from torch import nn


class ResNet20(Component):
    """ResNet-20: the residual network for small images (He et al., CVPR 2016, section 4.2).

    Shortcuts that change the shape are projections (option B), as in the attack literature.
    """

    name: Literal["resnet20"] = "resnet20"
    width: int = Field(1, ge=1, le=10)
    """Multiplies the 16, 32 and 64 channels of the three stages; 4 is ResNet20-4 (Geiping et al., NeurIPS 2020)."""
    activation: Activation = "relu"
    normalization: Normalization = "batch"
    mode: Mode = "eval"
    training: Epochs = 0

    def objection(self, image_shape: tuple[int, int, int]) -> str | None:
        """Takes images of any size."""
        return None

    def build(self, data: Data, rng: torch.Generator) -> nn.Module:
        from torch import nn

        from .layers import ACTIVATIONS, Normalize, drawn_from
        from .residual import convolution, residual_network

        width = 16 * self.width
        with drawn_from(rng):
            network = residual_network(
                nn.Sequential(
                    convolution(data.image_shape[0], width, 3, norm=self.normalization), ACTIVATIONS[self.activation]()
                ),
                (3, 3, 3),
                width=width,
                classes=len(data.class_names),
                activation=self.activation,
                norm=self.normalization,
            )
        return nn.Sequential(Normalize(data), *network).train(self.mode == "train")
