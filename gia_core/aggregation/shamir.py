"""Shamir's secret sharing (Communications of the ACM, 1979): t shares give the secret, t - 1 say nothing about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .randomness import Randomness

PRIME = 2**521 - 1
"""A Mersenne prime with room for secrets of 32 bytes."""
SHARE_BYTES = 66


def split(secret: int, threshold: int, points: Iterable[int], randomness: Randomness) -> dict[int, int]:
    """A share for each of the points, which are not 0."""
    coefficients = [secret, *(randomness.integer(PRIME) for _ in range(threshold - 1))]
    return {point: evaluate(coefficients, point) for point in points}


def evaluate(coefficients: Sequence[int], point: int, prime: int = PRIME) -> int:
    """The polynomial's value, lowest coefficient first."""
    value = 0
    for coefficient in reversed(coefficients):
        value = (value * point + coefficient) % prime
    return value


def weights_at_zero(points: Sequence[int], prime: int = PRIME) -> dict[int, int]:
    """By Lagrange: the polynomial's value at 0 is the sum of its values at the points, each with its weight."""
    weights = {}
    for point in points:
        above, below = 1, 1
        for other in points:
            if other != point:
                above = above * other % prime
                below = below * (other - point) % prime
        weights[point] = above * pow(below, -1, prime) % prime
    return weights


def combine(shares: Mapping[int, int], weights: Mapping[int, int], prime: int = PRIME) -> int:
    """The secret, from the shares at exactly the points that have weights."""
    return sum(weight * shares[point] for point, weight in weights.items()) % prime
