"""Key agreement, encrypted channels between clients, and masks: X25519, HKDF, AES-GCM and AES in counter mode."""

from __future__ import annotations

import struct
from collections.abc import Mapping

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .exchange import Refused
from .randomness import Randomness

KEY_BYTES = 32
CHUNK = 1 << 15
"""Words of key stream made at a time: what fits into the fast memory of a core."""
ZEROS = bytes(4 * CHUNK)


class KeyPair:
    """An X25519 key pair."""

    def __init__(self, private: bytes) -> None:
        self.private = private
        self._key = X25519PrivateKey.from_private_bytes(private)
        self.public = self._key.public_key().public_bytes_raw()

    def agree(self, public: bytes, purpose: bytes) -> bytes:
        """A key that the owner of the other key pair derives too, and nobody else; another one for every purpose."""
        shared = self._key.exchange(X25519PublicKey.from_public_bytes(public))
        return HKDF(SHA256(), KEY_BYTES, None, purpose).derive(shared)


class Channels:
    """One client's encrypted channels to the others; what the server passes on, it cannot read."""

    def __init__(self, owner: int, randomness: Randomness, context: bytes = b"") -> None:
        """Clients with different contexts cannot read each other."""
        self.owner = owner
        self._context = context
        self._keys = KeyPair(randomness.bytes(KEY_BYTES))
        self.public = self._keys.public
        self._others: Mapping[int, bytes] = {}

    def meet(self, publics: Mapping[int, bytes]) -> None:
        """Learn the public keys of the others."""
        self._others = publics

    def seal(self, receiver: int, message: bytes) -> bytes:
        """For one message per receiver, so a nonce that never changes is never used twice with the same key."""
        return self._cipher(self.owner, receiver, receiver).encrypt(bytes(12), message, None)

    def open(self, sender: int, sealed: bytes) -> bytes:
        """Raises Refused where it was not meant for this client, was changed, or comes from another context."""
        try:
            return self._cipher(sender, self.owner, sender).decrypt(bytes(12), sealed, None)
        except InvalidTag:
            raise Refused(
                f"Client {self.owner} cannot read what client {sender} sent: it was changed on its way, or the two did "
                "not receive the same model."
            ) from None

    def _cipher(self, sender: int, receiver: int, other: int) -> AESGCM:
        direction = struct.pack("<2I", sender, receiver)
        return AESGCM(self._keys.agree(self._others[other], b"channel" + direction + self._context))


def mask(words: np.ndarray, key: bytes, *, subtract: bool = False) -> None:
    """Add the key's stream to (m,) uint32 words modulo 2^32, or take it away again; in place."""
    stream = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()
    buffer = bytearray(4 * CHUNK + 16)  # update_into asks for room for one more block
    combine = np.subtract if subtract else np.add
    for first in range(0, len(words), CHUNK):
        part = words[first : first + CHUNK]
        stream.update_into(ZEROS[: 4 * len(part)], buffer)
        combine(part, np.frombuffer(buffer, dtype="<u4", count=len(part)), out=part)
