"""One linear neuron, and what its gradient tells of the pictures that it was computed from; pure."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .network import Array

SMALL = 1e-12
"""A bias gradient below this cannot be divided by."""
EXACT = 100.0
"""dB; closer than this, two pictures are the same to a computer."""


class Seen(NamedTuple):
    """What the server sees of a neuron: the gradient of its weights and of its bias."""

    weights: Array
    """(pixels,)"""
    bias: float

    @property
    def divided(self) -> Array | None:
        """Weights' gradient divided by the bias's; None where that is zero."""
        return self.weights / self.bias if abs(self.bias) > SMALL else None


def pushes(pictures: Array, *, seed: int) -> Array:
    """(B,) how far the neuron's output w·x + b is above what it should be, which is 1: the derivative of the loss.

    ``pictures``: (B, pixels) in [0, 1]. The loss is half the squared error; w and b are small random numbers.
    """
    rng = np.random.default_rng(seed)
    bound = pictures.shape[1] ** -0.5
    weights, bias = rng.uniform(-bound, bound, pictures.shape[1]), rng.uniform(-bound, bound)
    return np.asarray(pictures @ weights + bias - 1.0)


def gradient(pictures: Array, pushed: Array) -> Seen:
    """Of the loss, averaged over the batch: each picture adds itself to the weights, as often as it adds 1 to the bias.

    For every picture dL/dw = δ x and dL/db = δ (Phong et al., IEEE TIFS 2018), with δ from ``pushes``.
    """
    return Seen(pushed @ pictures / len(pictures), float(pushed.mean()))


def noisy(seen: Seen, std: float, *, seed: int) -> Seen:
    """The same with normal noise of this standard deviation on every number."""
    rng = np.random.default_rng(seed)
    return Seen(seen.weights + std * rng.standard_normal(seen.weights.shape), seen.bias + std * rng.standard_normal())


def shares(pushed: Array) -> Array:
    """(B,) how much of the divided gradient is which picture; together 1."""
    found: Array = pushed / pushed.sum()
    return found


def closeness(found: Array, picture: Array) -> float:
    """PSNR in dB of a picture, clipped to [0, 1], beside the true one; at most ``EXACT``."""
    error = float(((np.clip(found, 0, 1) - picture) ** 2).mean())
    return EXACT if error <= 10 ** (-EXACT / 10) else float(-10 * np.log10(error))
