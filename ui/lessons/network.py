"""A small network whose gradients are written out by hand, so that a lesson can search through it within milliseconds.

Pure, with numpy alone. A picture is a flat array of H * W * C numbers in [0, 1], row by row, pixel by pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Places: TypeAlias = NDArray[np.intp]

KERNEL, STRIDE = 5, 2
"""Height and width of what a filter of the convolution looks at, and how far apart it looks."""


class Layer(NamedTuple):
    """The same weights at several places; fully connected where there is one place that reads all inputs."""

    reads: Places
    """(places, K) which inputs each place reads; the number of inputs stands for a zero beyond the edge."""
    inputs: int
    weights: Array
    """(filters, K)"""
    bias: Array
    """(filters,)"""


class Part(NamedTuple):
    """One layer's share of a gradient, or of anything else that has the gradient's shape."""

    weights: Array
    bias: Array


Gradient: TypeAlias = list[Part]


class Pass(NamedTuple):
    """What a picture becomes on its way through the network."""

    inputs: list[Array]
    """Of each layer; of the first one the picture."""
    sums: list[Array]
    """What each layer gives before its activation; of the last one the scores of the classes."""
    chances: Array
    """(classes,) softmax of the scores."""


def network(height: int, width: int, channels: int, *, filters: int, classes: int, seed: int) -> list[Layer]:
    """A convolution, the sigmoid, and a fully connected layer; random weights as PyTorch draws them."""
    rng = np.random.default_rng(seed)
    looking = places(height, width, channels)
    hidden = len(looking) * filters
    convolution = drawn(rng, looking, height * width * channels, filters)
    return [convolution, drawn(rng, np.arange(hidden)[None], hidden, classes)]


def drawn(rng: np.random.Generator, reads: Places, inputs: int, filters: int) -> Layer:
    """Uniform weights within one divided by the root of what a filter reads."""
    bound = reads.shape[1] ** -0.5
    weights = rng.uniform(-bound, bound, (filters, reads.shape[1]))
    return Layer(reads, inputs, weights, rng.uniform(-bound, bound, filters))


def places(height: int, width: int, channels: int) -> Places:
    """Which pixels each place of the convolution reads; it may look over the edge by half a kernel."""
    edge = KERNEL // 2
    framed = np.full((height + 2 * edge, width + 2 * edge, channels), height * width * channels)
    framed[edge : edge + height, edge : edge + width] = np.arange(height * width * channels).reshape(
        height, width, channels
    )
    windows = np.lib.stride_tricks.sliding_window_view(framed, (KERNEL, KERNEL), axis=(0, 1))[::STRIDE, ::STRIDE]
    return np.moveaxis(windows, 2, -1).reshape(-1, KERNEL * KERNEL * channels)


def gradient(layers: Sequence[Layer], picture: Array, label: int) -> Gradient:
    """Of the cross-entropy of one picture by every weight and bias; back-propagation."""
    there = forward(layers, picture)
    error = surprise(there, label)
    found = []
    for place in reversed(range(len(layers))):
        layer = layers[place]
        at_places = error.reshape(len(layer.reads), -1)
        found.append(Part(at_places.T @ read(layer, there.inputs[place]), at_places.sum(axis=0)))
        if place:
            error = back(layer, layer.weights, error) * slope(there.inputs[place])
    return found[::-1]


def pull(layers: Sequence[Layer], picture: Array, label: int, direction: Gradient) -> Array:
    """How the inner product of a picture's gradient with a fixed ``direction`` changes with every pixel.

    That product is the speed at which the loss changes while the weights move along ``direction``. So one pass forward
    carries values and speeds together, and one pass back differentiates it by the picture (Pearlmutter, Neural
    Computation 1994): second derivatives at the price of two gradients.
    """
    there = forward(layers, picture)
    speeds = speeds_of_sums(layers, there, direction)
    moving = speeds[-1]
    by_speed = surprise(there, label)
    by_value = there.chances * (moving - there.chances @ moving)
    for place in reversed(range(len(layers))):
        layer, inputs = layers[place], there.inputs[place]
        onto_values = back(layer, layer.weights, by_value) + back(layer, direction[place].weights, by_speed)
        if not place:
            return onto_values
        onto_speeds = back(layer, layer.weights, by_speed)
        by_value = slope(inputs) * onto_values + bend(inputs) * speeds[place - 1] * onto_speeds
        by_speed = slope(inputs) * onto_speeds
    raise ValueError("A network has at least one layer.")


def speeds_of_sums(layers: Sequence[Layer], there: Pass, direction: Gradient) -> list[Array]:
    """How fast each layer's sums change while the weights move along ``direction`` and the picture stays."""
    found: list[Array] = []
    moving = np.zeros_like(there.inputs[0])
    for place, (layer, part) in enumerate(zip(layers, direction, strict=True)):
        own = read(layer, there.inputs[place]) @ part.weights.T + part.bias
        found.append((own + read(layer, moving) @ layer.weights.T).ravel())
        if place + 1 < len(layers):
            moving = slope(there.inputs[place + 1]) * found[-1]
    return found


def forward(layers: Sequence[Layer], picture: Array) -> Pass:
    inputs, sums = [picture], []
    for layer in layers:
        sums.append((read(layer, inputs[-1]) @ layer.weights.T + layer.bias).ravel())
        inputs.append(1 / (1 + np.exp(-sums[-1])))
    odds = np.exp(sums[-1] - sums[-1].max())
    return Pass(inputs[:-1], sums, odds / odds.sum())


def surprise(there: Pass, label: int) -> Array:
    """The derivative of the cross-entropy by the scores: negative for the right class alone."""
    error = there.chances.copy()
    error[label] -= 1
    return error


def read(layer: Layer, values: Array) -> Array:
    """(places, K) what each place of a layer sees."""
    seen: Array = np.append(values, 0.0)[layer.reads]
    return seen


def back(layer: Layer, weights: Array, error: Array) -> Array:
    """What the layer's outputs feel, passed to its inputs through ``weights``: the transpose of reading them."""
    felt = error.reshape(len(layer.reads), -1) @ weights
    gathered = np.zeros(layer.inputs + 1)
    np.add.at(gathered, layer.reads, felt)
    return gathered[: layer.inputs]


def slope(output: Array) -> Array:
    """First derivative of the sigmoid, from what it gave."""
    return output * (1 - output)


def bend(output: Array) -> Array:
    """Its second derivative."""
    return slope(output) * (1 - 2 * output)
