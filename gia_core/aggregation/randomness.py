"""Secrets that a seed decides, so that an exchange can be repeated."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

if TYPE_CHECKING:
    import torch


class Randomness:
    """An endless stream of random bytes: AES-256 in counter mode.

    An audit has to give the same numbers again, so all secrets of a simulated exchange come from one seed. Outside of a
    simulation every client would ask its operating system.
    """

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._stream = Cipher(algorithms.AES(hashlib.sha256(seed).digest()), modes.CTR(bytes(16))).encryptor()

    @classmethod
    def drawn(cls, rng: torch.Generator) -> Randomness:
        """With a seed of 32 bytes from ``rng``."""
        import torch

        return cls(bytes(torch.randint(256, (32,), generator=rng, device=rng.device).tolist()))

    def of(self, owner: str) -> Randomness:
        """A stream of its own for one participant and purpose."""
        return Randomness(self._seed + owner.encode())

    def bytes(self, length: int) -> bytes:
        return self._stream.update(bytes(length))

    def words(self, length: int) -> np.ndarray:
        """(length,) uint32, uniform."""
        return np.frombuffer(self.bytes(4 * length), dtype="<u4")

    def fractions(self, length: int) -> np.ndarray:
        """(length,) float64 in [0, 1), multiples of 2^-24."""
        return (self.words(length) >> 8) * 2.0**-24

    def integer(self, bound: int) -> int:
        """Uniform in [0, bound)."""
        bits = (bound - 1).bit_length()
        while True:
            number = int.from_bytes(self.bytes(-(-bits // 8)), "little") & ((1 << bits) - 1)
            if number < bound:
                return number

    def residues(self, prime: int, shape: tuple[int, int]) -> np.ndarray:
        """``shape`` uint32, uniform in [0, prime) for a prime of 31 bits."""
        # Reducing larger words would favor small residues; drawing the few that are too large again does not.
        mask = np.uint32((1 << (prime - 1).bit_length()) - 1)
        numbers = self.words(shape[0] * shape[1]) & mask
        while (outside := np.flatnonzero(numbers >= prime)).size:
            numbers[outside] = self.words(outside.size) & mask
        return numbers.reshape(shape)
