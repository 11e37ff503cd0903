"""Gradient matching, one iteration at a time: find the picture whose gradient is the one that was seen; pure.

The attacker has the network and the gradient, nothing else; the true picture is met by ``closeness`` alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .network import Array, Gradient, Layer, Part, gradient, pull

MOST = 400
"""Iterations after which a search ends."""
ALMOST = 1e-12
"""Keeps a step finite where the slope is zero."""


@dataclass(frozen=True)
class Observed:
    """All that the attacker has: the network, and the gradient of one picture."""

    layers: Sequence[Layer]
    gradient: Gradient

    @property
    def label(self) -> int:
        """The picture's class: the bias of the last layer has a negative gradient for it, and for no other."""
        return int(np.argmin(self.gradient[-1].bias))

    @property
    def size(self) -> float:
        """Squared Euclidean norm of the gradient."""
        return squared(self.gradient)


@dataclass(frozen=True)
class Moment:
    """One iteration: the dummy picture, what its gradient says, and the next dummy."""

    iteration: int
    dummy: Array
    gradient: Gradient
    distance: float
    """|g' - g|² / |g|², of the dummy's gradient g' and the observed one g."""
    slope: Array
    """Of the distance, by every pixel of the dummy."""
    following: Array
    """The next dummy."""


@dataclass
class Search:
    """Adam (Kingma and Ba, ICLR 2015) on the pixels, which are kept in [0, 1]; begins with colored noise."""

    observed: Observed
    seed: int = 0
    distances: list[float] = field(default_factory=list)
    """One for every dummy so far."""

    def __post_init__(self) -> None:
        first = self.observed.layers[0].inputs
        self._dummy = np.random.default_rng(self.seed).uniform(size=first)
        self._mean, self._spread = np.zeros(first), np.zeros(first)
        self.moment: Moment | None = None
        """The newest iteration; None before the first."""

    @property
    def iteration(self) -> int:
        return self.moment.iteration if self.moment else 0

    @property
    def is_over(self) -> bool:
        return self.iteration >= MOST

    def advance(self, rate: float) -> Moment:
        """One iteration with this learning rate."""
        dummy = self._dummy
        found = gradient(self.observed.layers, dummy, self.observed.label)
        gap = minus(found, self.observed.gradient)
        slope = pull(self.observed.layers, dummy, self.observed.label, gap) * 2 / self.observed.size
        distance = squared(gap) / self.observed.size
        self._dummy = np.clip(dummy - rate * self._direction(slope), 0, 1)
        self.moment = Moment(self.iteration + 1, dummy, found, distance, slope, self._dummy)
        self.distances.append(distance)
        return self.moment

    def _direction(self, slope: Array, *, memory: float = 0.9, long_memory: float = 0.999) -> Array:
        """The slope, averaged over the last iterations and divided by its usual size, pixel by pixel."""
        step = self.iteration + 1
        self._mean = memory * self._mean + (1 - memory) * slope
        self._spread = long_memory * self._spread + (1 - long_memory) * slope**2
        mean, spread = self._mean / (1 - memory**step), self._spread / (1 - long_memory**step)
        return mean / (np.sqrt(spread) + ALMOST)


def minus(one: Gradient, other: Gradient) -> Gradient:
    return [Part(a.weights - b.weights, a.bias - b.bias) for a, b in zip(one, other, strict=True)]


def squared(of: Gradient) -> float:
    """Squared Euclidean norm over all layers together."""
    return float(sum((part.weights**2).sum() + (part.bias**2).sum() for part in of))
