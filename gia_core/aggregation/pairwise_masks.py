"""The two sides of secure aggregation, for a server that follows the protocol (Bonawitz et al., CCS 2017, figure 4).

Client u sends its update under a mask of its own and one mask with every other client v, which u adds and v takes away
or the other way round. In the sum the pairs cancel; what is left of those who dropped out, and everyone's own mask, the
server removes with secrets that at least t clients together can reveal.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from . import shamir
from .channels import KEY_BYTES, Channels, KeyPair, mask
from .exchange import Aborted, Refused
from .randomness import Randomness


class PublicKeys(NamedTuple):
    """What a client makes known in the first round."""

    channel: bytes
    pairs: bytes


class Shares(NamedTuple):
    """What one client holds of another's two secrets; both together would open that client's update."""

    key: int
    seed: int

    def pack(self, sender: int, receiver: int) -> bytes:
        parts = (share.to_bytes(shamir.SHARE_BYTES, "little") for share in self)
        return struct.pack("<2I", sender, receiver) + b"".join(parts)

    @classmethod
    def unpack(cls, message: bytes, sender: int, receiver: int) -> Shares:
        if message[:8] != struct.pack("<2I", sender, receiver):
            raise Refused(f"Client {receiver} got a message that names another sender or receiver.")
        middle = 8 + shamir.SHARE_BYTES
        return cls(int.from_bytes(message[8:middle], "little"), int.from_bytes(message[middle:], "little"))


def pair_purpose(model: bytes) -> bytes:
    """Masks are made for one model: two clients that received different ones derive masks that do not cancel."""
    return b"pair mask" + model


class Client:
    """One client with its secrets."""

    def __init__(self, number: int, threshold: int, randomness: Randomness, model: bytes) -> None:
        self.number, self._threshold = number, threshold
        self._purpose, self._randomness = pair_purpose(model), randomness
        self._channels = Channels(number, randomness)
        self._pairs = KeyPair(randomness.bytes(KEY_BYTES))
        self._seed = randomness.bytes(KEY_BYTES)
        self._keys: Mapping[int, PublicKeys] = {}
        self._held: dict[int, Shares] = {}
        self._revealed: dict[int, str] = {}

    def advertise(self) -> PublicKeys:
        """First round."""
        return PublicKeys(self._channels.public, self._pairs.public)

    def share(self, keys: Mapping[int, PublicKeys]) -> dict[int, bytes]:
        """Second round: for every other client, encrypted shares of this one's two secrets."""
        self._insist(keys, "share its secrets")
        if len({key for pair in keys.values() for key in pair}) < 2 * len(keys):
            raise Refused(f"Client {self.number} does not go on: two clients have the same key.")
        self._keys = keys
        self._channels.meet({other: pair.channel for other, pair in keys.items()})
        points = [other + 1 for other in keys]
        of_key, of_seed = (
            shamir.split(int.from_bytes(secret, "little"), self._threshold, points, self._randomness)
            for secret in (self._pairs.private, self._seed)
        )
        shares = {other: Shares(of_key[other + 1], of_seed[other + 1]) for other in keys}
        self._held = {self.number: shares.pop(self.number)}
        return {other: self._channels.seal(other, share.pack(self.number, other)) for other, share in shares.items()}

    def masked(self, words: np.ndarray, sealed: Mapping[int, bytes]) -> np.ndarray:
        """Third round: (m,) uint32, uniform for whoever lacks the masks; ``sealed`` came from those still there."""
        self._insist([*sealed, self.number], "send its update")
        result = words.copy()
        mask(result, self._seed)
        for other, message in sealed.items():
            self._held[other] = Shares.unpack(self._channels.open(other, message), other, self.number)
            key = self._pairs.agree(self._keys[other].pairs, self._purpose)
            mask(result, key, subtract=other > self.number)
        return result

    def reveal(self, *, seeds_of: Collection[int], keys_of: Collection[int]) -> dict[int, int]:
        """Last round: shares of the own masks of those whose update arrived, and of the keys of those who dropped out.

        Raises Refused for requests that would open an update: both for the same client, now or over two requests, or a
        sum of too few.
        """
        self._insist(seeds_of, "unmask the sum")
        asked = dict.fromkeys(keys_of, "key")
        for other in seeds_of:
            if asked.setdefault(other, "seed") == "key":
                raise Refused(f"Client {self.number} does not reveal both secrets of client {other}.")
        for other, kind in asked.items():
            if other not in self._held:
                raise Refused(f"Client {self.number} holds no shares of client {other}.")
            if self._revealed.get(other, kind) != kind:
                raise Refused(f"Client {self.number} does not reveal both secrets of client {other}.")
        self._revealed |= asked
        return {other: getattr(self._held[other], kind) for other, kind in asked.items()}

    def _insist(self, others: Collection[int], purpose: str) -> None:
        if len(others) < self._threshold:
            raise Refused(
                f"Client {self.number} does not {purpose} among {len(others)} clients; "
                f"it takes at least {self._threshold}."
            )


class Server:
    """What the server holds: public keys, masked updates and, in the end, the secrets that were revealed."""

    def __init__(self, threshold: int, models: Sequence[bytes]) -> None:
        """``models`` are the hashes of what it sent to each client."""
        self._threshold, self._models = threshold, models
        self.keys: dict[int, PublicKeys] = {}
        self.sharers: tuple[int, ...] = ()
        self.masked: dict[int, np.ndarray] = {}

    @property
    def dropped(self) -> list[int]:
        """Who shared secrets but sent no update, so that its masks are left in the sum."""
        return [client for client in self.sharers if client not in self.masked]

    def unmask(self, replies: Mapping[int, Mapping[int, int]]) -> np.ndarray:
        """(m,) uint32, the sum modulo 2^32; ``replies`` are the shares by who sent them, at least t."""
        helpers = list(replies)[: self._threshold]
        weights = shamir.weights_at_zero([helper + 1 for helper in helpers])

        def secret(of: int) -> bytes:
            number = shamir.combine({helper + 1: replies[helper][of] for helper in helpers}, weights)
            if number.bit_length() > 8 * KEY_BYTES:
                raise Aborted(f"The shares of client {of}'s secret do not fit together.")
            return number.to_bytes(KEY_BYTES, "little")

        total = np.zeros_like(next(iter(self.masked.values())))
        for client, words in self.masked.items():
            total += words
            mask(total, secret(client), subtract=True)
        for client in self.dropped:
            pair = KeyPair(secret(client))
            if pair.public != self.keys[client].pairs:
                raise Aborted(f"The shares of client {client}'s key do not fit together.")
            self._remove_pair_masks(total, client, pair, self.masked)
        return total

    def _remove_pair_masks(self, total: np.ndarray, dropped: int, pair: KeyPair, left: Iterable[int]) -> None:
        for client in left:
            key = pair.agree(self.keys[client].pairs, pair_purpose(self._models[client]))
            mask(total, key, subtract=dropped < client)  # what the client had added
