"""The catalog of models. To add one: write its file, add its name to the union."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from .cnn6 import CNN6
from .convnet import ConvNet
from .lenet import LeNet
from .mlp import MLP
from .quadrants import Quadrants
from .resnet18 import ResNet18
from .resnet20 import ResNet20
from .vgg11 import VGG11
from .vit import ViT

if TYPE_CHECKING:
    from torch import nn

Model = Annotated[
    MLP | LeNet | ConvNet | CNN6 | ResNet20 | ResNet18 | VGG11 | ViT | Quadrants,
    Field(discriminator="name"),
]


def classifier(model: nn.Module) -> nn.Linear:
    """The layer that scores the classes: the last linear one. Raises ValueError where there is none."""
    from torch import nn

    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise ValueError("The model has no linear layer that scores the classes; choose another model.")
    return linear[-1]
