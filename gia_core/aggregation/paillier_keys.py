"""The two kinds of key of a Paillier exchange (Paillier, EUROCRYPT 1999), and how numbers become plaintexts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from phe import paillier


class ClientKey:
    """Encrypts and decrypts rows of whole numbers."""

    def __init__(self, bits: int, slot_bytes: int) -> None:
        """``slot_bytes`` is the room for one number, at most 8."""
        self.public, self._private = paillier.generate_paillier_keypair(n_length=bits)
        self._slot_bytes = slot_bytes
        self._slots = (bits // 8 - 1) // slot_bytes  # a plaintext has to stay below the key

    def encrypt(self, words: np.ndarray) -> list[bytes]:
        """(m,) unsigned integers as ciphertexts."""
        length = self.public.nsquare.bit_length() // 8 + 1
        return [self.public.raw_encrypt(block).to_bytes(length, "little") for block in self._packed(words)]

    def decrypt(self, sealed: Sequence[bytes]) -> np.ndarray:
        """(m,) uint64, and zeros that fill up the last plaintext."""
        plain = [self._private.raw_decrypt(int.from_bytes(block, "little")) for block in sealed]
        width = self._slots * self._slot_bytes
        packed = np.frombuffer(b"".join(block.to_bytes(width, "little") for block in plain), np.uint8)
        slots = np.zeros((len(plain) * self._slots, 8), np.uint8)
        slots[:, : self._slot_bytes] = packed.reshape(-1, self._slot_bytes)
        return slots.view("<u8").ravel()

    def _packed(self, words: np.ndarray) -> Iterator[int]:
        slots = words.astype("<u8").view(np.uint8).reshape(-1, 8)
        if slots[:, self._slot_bytes :].any():
            raise ValueError(f"There are numbers that do not fit into a slot of {self._slot_bytes} bytes.")
        packed = slots[:, : self._slot_bytes].tobytes()
        width = self._slots * self._slot_bytes
        for first in range(0, len(packed), width):
            yield int.from_bytes(packed[first : first + width], "little")


class ServerKey:
    """Adds ciphertexts; all that it knows is the public key."""

    def __init__(self, public: paillier.PaillierPublicKey) -> None:
        self.public = public
        self._total: list[int] = []

    def add(self, sealed: Sequence[bytes]) -> None:
        """Add one client's row to the sum: the product of ciphertexts is a ciphertext of the sum."""
        numbers = [int.from_bytes(block, "little") for block in sealed]
        self._total = [
            total * number % self.public.nsquare
            for total, number in zip(self._total or [1] * len(numbers), numbers, strict=True)
        ]

    def total(self) -> list[bytes]:
        length = self.public.nsquare.bit_length() // 8 + 1
        return [number.to_bytes(length, "little") for number in self._total]
