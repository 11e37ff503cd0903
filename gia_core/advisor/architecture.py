"""What the rules ask of a network, counted from its fields alone: building it would take torch; pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple, assert_never

from ..models import CNN6, MLP, VGG11, ConvNet, LeNet, Model, Quadrants, ResNet18, ResNet20, ViT
from ..models.cnn6 import CONVOLUTIONS
from ..models.quadrants import EMBEDDING

Shape = tuple[int, int, int]
"""(C, H, W) of an image."""
CONVNET = (1, 2, 2, 4, 4, 4, 4, 4)
VGG = (1, 2, 4, 4, 8, 8, 8, 8)
"""Channels of each convolution, as multiples of the width."""


class FirstLayer(NamedTuple):
    """The first layer with parameters."""

    is_linear: bool
    """Whether it is fully connected, with a bias; else it is a convolution."""
    weights: int
    inputs: int
    """Numbers that it receives of one image."""


def first_layer(model: Model, image_shape: Shape) -> FirstLayer:
    seen = quadrant(image_shape) if isinstance(model, Quadrants) else image_shape
    return FirstLayer(isinstance(model, MLP), next(weights(model, image_shape)), math.prod(seen))


def hidden_weights(model: Model, image_shape: Shape) -> int:
    """Weights of all convolutions and linear layers but the classifier; biases and normalizations left out."""
    return sum(weights(model, image_shape))


def weights(model: Model, image_shape: Shape) -> Iterator[int]:
    """How many weights each convolution and linear layer has, from the image on, without the classifier."""
    channels = image_shape[0]
    match model:
        case MLP():
            sizes = [math.prod(image_shape), *[model.width] * model.depth]
            yield from (inputs * outputs for inputs, outputs in pairwise(sizes))
        case LeNet():
            yield from convolutions(channels, (12, 12, 12), kernel=5)
        case ConvNet():
            yield from convolutions(channels, [multiple * model.width for multiple in CONVNET])
        case VGG11():
            yield from convolutions(channels, [multiple * model.width for multiple in VGG])
        case CNN6():
            for filters, kernel, _, _ in CONVOLUTIONS:
                yield channels * filters * kernel**2
                channels = filters
        case ResNet20():
            yield from residual(channels, 16 * model.width, (3, 3, 3), stem=3)
        case ResNet18():
            yield from residual(channels, model.width, (2, 2, 2, 2), stem=3 if max(image_shape[1:]) <= 64 else 7)
        case ViT():
            yield channels * model.patch**2 * model.dim
            yield from (12 * model.dim**2 for _ in range(model.depth))
        case Quadrants():
            yield from parties(model, image_shape)
        case _:
            assert_never(model)


def convolutions(inputs: int, channels: Sequence[int], kernel: int = 3) -> Iterator[int]:
    """One after the other, all with the same kernel."""
    yield from (a * b * kernel**2 for a, b in pairwise([inputs, *channels]))


def residual(channels: int, width: int, blocks: Sequence[int], *, stem: int) -> Iterator[int]:
    """A stem, then stages of blocks of two convolutions; the first block of a stage that widens has a projection."""
    yield channels * width * stem**2
    inputs = width
    for stage, count in enumerate(blocks):
        outputs = width * 2**stage
        for _ in range(count):
            yield from convolutions(inputs, (outputs, outputs))
            if inputs != outputs:
                yield inputs * outputs
            inputs = outputs


def parties(model: Quadrants, image_shape: Shape) -> Iterator[int]:
    """Two convolutions and two linear layers for each quarter of the image."""
    channels, height, width = image_shape
    for high in halves(height):
        for wide in halves(width):
            yield from convolutions(channels, (model.channels, model.channels), kernel=5)
            yield model.channels * math.ceil(high / 2) * math.ceil(wide / 2) * model.hidden
            yield model.hidden * EMBEDDING


def quadrant(image_shape: Shape) -> Shape:
    """What the first party holds of an image."""
    channels, height, width = image_shape
    return channels, halves(height)[0], halves(width)[0]


def halves(side: int) -> tuple[int, int]:
    """The longer one first."""
    return math.ceil(side / 2), side // 2
