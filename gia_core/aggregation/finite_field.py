"""Matrices over the integers modulo a prime of up to 31 bits, by exact floating-point products."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MERSENNE = 2**31 - 1
COLUMNS = 1 << 14
"""Columns multiplied at a time: what fits into the fast memory of a core."""
TERMS = 64
"""Products of 16 and 31 bits that float64 adds up without rounding: 2^6 2^16 2^31 = 2^53."""


def product(left: np.ndarray, right: np.ndarray, prime: int) -> np.ndarray:
    """(r, k) times (k, m), both of residues, as (r, m) uint32."""
    result = np.zeros((left.shape[0], right.shape[1]), np.uint32)
    halves = [(left & 0xFFFF).astype(np.float64), (left >> 16).astype(np.float64)]
    for column in range(0, right.shape[1], COLUMNS):
        columns = slice(column, column + COLUMNS)
        total = np.zeros_like(result[:, columns], dtype=np.uint64)
        for term in range(0, left.shape[1], TERMS):
            terms = slice(term, term + TERMS)
            factor = right[terms, columns].astype(np.float64)
            low, high = ((half[:, terms] @ factor).astype(np.uint64) for half in halves)
            total += ((high % prime) << np.uint64(16)) + low
            total %= prime
        result[:, columns] = total
    return result


def inverse(matrix: np.ndarray, prime: int) -> np.ndarray:
    """Of a (k, k) matrix, by elimination; raises ValueError where there is none."""
    k = len(matrix)
    work = np.concatenate([matrix.astype(np.uint64), np.eye(k, dtype=np.uint64)], axis=1)
    for column in range(k):
        candidates = np.flatnonzero(work[column:, column])
        if not candidates.size:
            raise ValueError("The matrix has no inverse.")
        pivot = column + int(candidates[0])
        work[[column, pivot]] = work[[pivot, column]]
        work[column] = work[column] * pow(int(work[column, column]), -1, prime) % prime
        factors = (prime - work[:, column]) % prime
        factors[column] = 0
        work = (work + factors[:, None] * work[column] % prime) % prime
    return work[:, k:].astype(np.uint32)


def powers(points: Sequence[int], count: int, prime: int) -> np.ndarray:
    """(points, count) uint32: each point to the powers 0 to count - 1."""
    return np.array([[pow(point, exponent, prime) for exponent in range(count)] for point in points], np.uint32)


def prime_with_roots(order: int) -> int:
    """The largest prime below 2^31 modulo which there are ``order`` different roots of unity of that order."""
    candidate = (MERSENNE - 1) // order * order + 1
    while not is_prime(candidate):
        candidate -= order
    return candidate


def root_of_unity(order: int, prime: int) -> int:
    """A residue whose powers 0 to order - 1 are all different and whose power ``order`` is 1."""
    factors = [p for p in range(2, order + 1) if order % p == 0 and is_prime(p)]
    for base in range(2, prime):
        root = pow(base, (prime - 1) // order, prime)
        if all(pow(root, order // factor, prime) != 1 for factor in factors):
            return root
    raise ValueError(f"There is no root of unity of order {order} modulo {prime}.")


def is_prime(number: int) -> bool:
    """For numbers below 3.2e9: Miller and Rabin's test with bases that leave no doubt there."""
    if number < 2 or any(number % p == 0 for p in (2, 3, 5, 7)):
        return number in (2, 3, 5, 7)
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    return all(
        (power := pow(base, odd, number)) == 1 or any(pow(power, 1 << n, number) == number - 1 for n in range(twos))
        for base in (2, 3, 5, 7)
    )
