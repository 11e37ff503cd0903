"""Sharing of whole vectors: some shares say nothing, some more bring everything back, and shares add up.

A code takes a vector as rows of blocks, adds rows of uniform residues, and makes one row of shares per client.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from .finite_field import inverse, powers, prime_with_roots, product, root_of_unity


class Code(Protocol):
    """Linear over the residues modulo ``prime``: the sum of shares is a share of the sum."""

    prime: int
    secrets: int
    """Rows of a vector that are shared together: a share is that many times shorter than the vector."""
    noise: int
    """Rows of uniform residues."""

    def spread(self, secrets: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """(secrets, w) and (noise, w) to the shares, (clients, w)."""
        ...

    def recover(self, shares: Mapping[int, np.ndarray]) -> np.ndarray | None:
        """The secrets, (secrets, w), from the shares of some clients; None where these do not suffice."""
        ...


class MatrixCode:
    """Shares are a matrix times the secrets and the noise; any ``secrets + noise`` of its rows must be invertible."""

    def __init__(self, matrix: np.ndarray, secrets: int, prime: int) -> None:
        """``matrix`` is (clients, secrets + noise)."""
        self.prime, self.secrets, self.noise = prime, secrets, matrix.shape[1] - secrets
        self._matrix = matrix

    def spread(self, secrets: np.ndarray, noise: np.ndarray) -> np.ndarray:
        return product(self._matrix, np.concatenate([secrets, noise]), self.prime)

    def recover(self, shares: Mapping[int, np.ndarray]) -> np.ndarray | None:
        holders = sorted(shares)[: self.secrets + self.noise]
        if len(holders) < self.secrets + self.noise:
            return None
        undo = inverse(self._matrix[holders], self.prime)[: self.secrets]
        return product(undo, np.stack([shares[holder] for holder in holders]), self.prime)


def lagrange_code(clients: int, secrets: int, noise: int, prime: int) -> MatrixCode:
    """Values, one point per client, of the polynomial that takes secrets and noise as values at other points."""
    size = secrets + noise
    at = powers(range(size + 1, size + clients + 1), size, prime)
    return MatrixCode(product(at, inverse(powers(range(1, size + 1), size, prime), prime), prime), secrets, prime)


def line_code(clients: int, secrets: int, noise: int) -> MatrixCode:
    """FastShare on a line: the discrete Fourier transform of secrets, noise and zeros; packed Shamir sharing.

    Any ``noise`` shares say nothing, any ``secrets + noise`` suffice.
    """
    prime = prime_with_roots(clients)
    roots = powers([root_of_unity(clients, prime)], clients, prime)[0]
    return MatrixCode(powers([int(root) for root in roots], secrets + noise, prime), secrets, prime)


class GridCode:
    """FastShare on a grid: a Fourier transform in two dimensions, with zeros in both (Kadhe et al., 2020).

    With n0 n1 clients and coprime n0 and n1 this is a transform in one dimension, in another order (Good and Thomas).
    Client k holds the value at row k mod n0 and column k mod n1. The first ``zeros`` rows and columns of coefficients
    are 0, so each column of values lacks no more than it can afford as long as at most ``zeros[0]`` are missing there,
    each row likewise with ``zeros[1]``; filling one can make another one possible. The next ``random`` rows and columns
    are noise: any (random[0] + 1) (random[1] + 1) - 1 shares say nothing.
    """

    def __init__(self, sides: tuple[int, int], zeros: tuple[int, int], random: tuple[int, int]) -> None:
        self.sides, self._zeros = sides, zeros
        self.prime = prime_with_roots(sides[0] * sides[1])
        self._transforms = [self._transform(side) for side in sides]
        rows, columns = np.indices(sides)
        used = (rows >= zeros[0]) & (columns >= zeros[1])
        secret = (rows >= zeros[0] + random[0]) & (columns >= zeros[1] + random[1])
        self._secret_places, self._noise_places = np.nonzero(secret), np.nonzero(used & ~secret)
        self.secrets, self.noise = int(secret.sum()), int((used & ~secret).sum())

    def spread(self, secrets: np.ndarray, noise: np.ndarray) -> np.ndarray:
        coefficients = np.zeros((*self.sides, secrets.shape[1]), np.uint32)
        coefficients[self._secret_places] = secrets
        coefficients[self._noise_places] = noise
        values: np.ndarray = coefficients
        for axis, transform in enumerate(self._transforms):
            values = self._along(axis, transform, values)
        clients = np.arange(self.sides[0] * self.sides[1])
        shares: np.ndarray = values[clients % self.sides[0], clients % self.sides[1]]
        return shares

    def recover(self, shares: Mapping[int, np.ndarray]) -> np.ndarray | None:
        width = len(next(iter(shares.values()))) if shares else 0
        values = np.zeros((*self.sides, width), np.uint32)
        known = np.zeros(self.sides, bool)
        for client, share in shares.items():
            place = client % self.sides[0], client % self.sides[1]
            values[place], known[place] = share, True
        if not self._fill(values, known):
            return None
        for axis, transform in enumerate(self._transforms):
            values = self._along(axis, inverse(transform, self.prime), values)
        secrets: np.ndarray = values[self._secret_places]
        return secrets

    def _fill(self, values: np.ndarray, known: np.ndarray) -> bool:
        """Complete rows and columns in turn, in place, as long as one can be; whether nothing is missing now."""
        progress = True
        while progress and not known.all():
            progress = False
            for axis in (0, 1):
                # Seen from here on, a line runs along the first axis.
                seen, marks = np.moveaxis(values, axis, 0), np.moveaxis(known, axis, 0)
                side, zeros = self.sides[axis], self._zeros[axis]
                for line in range(marks.shape[1]):
                    missing = side - int(marks[:, line].sum())
                    if 0 < missing <= zeros:
                        seen[:, line] = self._completed(axis, seen[:, line], marks[:, line])
                        marks[:, line] = progress = True
        return bool(known.all())

    def _completed(self, axis: int, line: np.ndarray, known: np.ndarray) -> np.ndarray:
        """All values of a line, from as many known ones as it has coefficients that are not 0 by design."""
        free = self._transforms[axis][:, self._zeros[axis] :]
        places = np.flatnonzero(known)[: free.shape[1]]
        return product(product(free, inverse(free[places], self.prime), self.prime), line[places], self.prime)

    def _along(self, axis: int, matrix: np.ndarray, values: np.ndarray) -> np.ndarray:
        moved = np.moveaxis(values, axis, 0)
        flat = product(matrix, moved.reshape(len(moved), -1), self.prime)
        return np.moveaxis(flat.reshape(moved.shape), 0, axis)

    def _transform(self, side: int) -> np.ndarray:
        roots = powers([root_of_unity(side, self.prime)], side, self.prime)[0]
        return powers([int(root) for root in roots], side, self.prime)
