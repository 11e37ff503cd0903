"""How far gradient descent on a strongly convex objective stays from its minimum when its gradients are off; pure.

What the survey prints as Theorem 1 (Guo et al., arXiv 2503.11514, Theorem 1), and what can be derived. Neither holds
for a real attack: matching updates is not convex in the images, and Adam is not gradient descent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """What the bounds need to know. Raises ValueError where no function is like that."""

    convexity: float
    """μ > 0 of a μ-strongly convex objective."""
    smoothness: float
    """L ≥ μ: its gradient is L-Lipschitz."""
    unknowns: int
    """N = B·C·H·W."""
    largest_error: float
    """κ_∞ ≥ |e_j| for every coordinate j of what the gradient is off by."""
    start: float
    """‖x̂₀ − x*‖₂."""

    def __post_init__(self) -> None:
        if not 0 < self.convexity <= self.smoothness:
            raise ValueError("A function has 0 < μ ≤ L; take another μ or L.")

    @property
    def largest_step(self) -> float:
        """2 / (μ + L): up to here gradient descent contracts by 1 − ημ."""
        return 2 / (self.convexity + self.smoothness)

    @property
    def smallest_printed_step(self) -> float:
        """1 / (μ + L): the survey asks for no least step, but below this one its rate is wrong.

        Its own inequality shows the rate from 1 / L on.
        """
        return 1 / (self.convexity + self.smoothness)


def printed(problem: Problem, steps: int) -> float:
    """Theorem 1 as printed, for which any step up to 2 / (μ + L) is said to do:
    (1 − μ/(μ+L))^I ‖x̂₀ − x*‖ + 2 √N κ (μ+L)/μ.
    """
    together = problem.convexity + problem.smoothness
    left = (1 - problem.convexity / together) ** steps * problem.start
    return left + 2 * math.sqrt(problem.unknowns) * problem.largest_error * together / problem.convexity


def derived(problem: Problem, step: float, steps: int) -> float:
    """What follows for a step η of at most 2 / (μ + L), since x − η∇f(x) contracts by 1 − ημ (Ryu and Boyd, 2016):
    (1 − ημ)^I ‖x̂₀ − x*‖ + (1 − (1 − ημ)^I) √N κ_∞ / μ.

    Per pixel, that is divided by √N, the second term is at most κ_∞ / μ: neither batch size nor resolution is in it.
    Raises ValueError for larger steps.
    """
    if not 0 < step <= problem.largest_step:
        raise ValueError(f"The step has to lie above 0 and be at most 2 / (μ + L) = {problem.largest_step:g}.")
    left = (1 - step * problem.convexity) ** steps
    limit = math.sqrt(problem.unknowns) * problem.largest_error / problem.convexity
    return left * problem.start + (1 - left) * limit


def printed_contraction(problem: Problem) -> float:
    """By how much a step shrinks the distance at least, as printed."""
    return 1 - problem.convexity / (problem.convexity + problem.smoothness)


def descent(
    curvatures: Array, start: Array, step: float, error: Callable[[int], Array] | None = None
) -> Iterator[Array]:
    """Gradient descent on ½ Σ λ_j x_j², whose minimum is 0: the iterate after each step.

    ``error`` is what the gradient of a step is off by.
    """
    x, number = start, 0
    while True:
        off = np.zeros_like(x) if error is None else error(number)
        x, number = x - step * (curvatures * x + off), number + 1
        yield x
