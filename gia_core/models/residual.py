"""Residual networks of basic blocks (He et al., CVPR 2016). Imports torch: only for use inside ``build``."""

from __future__ import annotations

from torch import Tensor, nn

from .choices import Activation, Normalization
from .layers import ACTIVATIONS, draw_he_normal, normalization


def convolution(inputs: int, outputs: int, kernel: int, *, stride: int = 1, norm: Normalization) -> nn.Sequential:
    """A convolution that keeps the size but for its stride, and its normalization; only without that, a bias."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=norm == "none"),
        normalization(norm, outputs),
    )


class BasicBlock(nn.Module):
    """Two convolutions around which the input is carried; projected where the shape changes (option B)."""

    def __init__(self, inputs: int, outputs: int, *, stride: int, activation: Activation, norm: Normalization) -> None:
        super().__init__()
        self.body = nn.Sequential(
            convolution(inputs, outputs, 3, stride=stride, norm=norm),
            ACTIVATIONS[activation](),
            convolution(outputs, outputs, 3, norm=norm),
        )
        changes = stride > 1 or inputs != outputs
        self.shortcut = convolution(inputs, outputs, 1, stride=stride, norm=norm) if changes else nn.Identity()
        self.activation = ACTIVATIONS[activation]()

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = self.activation(self.body(features) + self.shortcut(features))
        return result


def residual_network(
    stem: nn.Module, blocks: tuple[int, ...], *, width: int, classes: int, activation: Activation, norm: Normalization
) -> nn.Sequential:
    """``stem`` gives ``width`` channels; each further stage of ``blocks`` halves the size and doubles the channels."""
    network, inputs = nn.Sequential(stem), width
    for stage, count in enumerate(blocks):
        outputs = width * 2**stage
        for block in range(count):
            stride = 2 if stage > 0 and block == 0 else 1
            network.append(BasicBlock(inputs, outputs, stride=stride, activation=activation, norm=norm))
            inputs = outputs
    network.extend([nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes)])
    draw_he_normal(network)
    return network
