"""The two kinds of key of a CKKS exchange, as TenSEAL has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import tenseal

from .ckks import DEGREE, PRIMES, SCALE_BITS


class ClientKey:
    """Encrypts and decrypts."""

    def __init__(self) -> None:
        self._context = tenseal.context(
            tenseal.SCHEME_TYPE.CKKS, poly_modulus_degree=DEGREE, coeff_mod_bit_sizes=list(PRIMES)
        )
        self._context.global_scale = 2**SCALE_BITS

    def public(self) -> bytes:
        """What the server gets: parameters and the public key."""
        shown: bytes = self._context.serialize(
            save_public_key=True, save_secret_key=False, save_galois_keys=False, save_relin_keys=False
        )
        return shown

    def encrypt(self, values: np.ndarray) -> bytes:
        """At most DEGREE / 2 floats."""
        sealed: bytes = tenseal.ckks_vector(self._context, values.astype(np.float64)).serialize()
        return sealed

    def decrypt(self, sealed: bytes) -> np.ndarray:
        return np.array(tenseal.ckks_vector_from(self._context, sealed).decrypt())


class ServerKey:
    """Adds ciphertexts; there is no secret key in it to read them with."""

    def __init__(self, public: bytes) -> None:
        self.context = tenseal.context_from(public)
        self._total: Any = None

    def add(self, sealed: bytes) -> None:
        """Add one client's ciphertext to the sum."""
        vector = tenseal.ckks_vector_from(self.context, sealed)
        self._total = vector if self._total is None else self._total + vector

    def total(self) -> bytes:
        """The sum so far; the next one begins anew."""
        if self._total is None:
            raise ValueError("There is nothing to add up.")
        sealed: bytes = self._total.serialize()
        self._total = None
        return sealed
