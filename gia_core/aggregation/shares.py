"""Vectors that clients share out among each other over encrypted channels, and add up share by share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from .channels import Channels
from .codes import Code
from .exchange import Mistrust, Refused, Simulation
from .randomness import Randomness


def advertise(
    simulation: Simulation, randomness: Randomness, contexts: Sequence[bytes], needed: int
) -> dict[int, Channels]:
    """The first round: every client makes a key pair and learns the public keys of the others."""
    channels = {}
    for u in simulation.present(0):
        with simulation.client(u):
            channels[u] = Channels(u, randomness.of(f"channels {u}"), contexts[u])
        simulation.up(u, channels[u].public)
    simulation.enough(channels, needed, 0)
    publics = {u: channel.public for u, channel in channels.items()}
    for channel in channels.values():
        channel.meet(publics)
    return channels


def share_out(
    simulation: Simulation, channels: Mapping[int, Channels], split: Callable[[int], np.ndarray], needed: int
) -> dict[int, dict[int, bytes]]:
    """The second round: client u encrypts row v of ``split(u)`` for client v; returned by sender, then receiver."""
    sealed: dict[int, dict[int, bytes]] = {}
    for u in simulation.present(1):
        simulation.down([u], {v: channel.public for v, channel in channels.items()})
        with simulation.client(u):
            shares = split(u)
            sealed[u] = {v: channels[u].seal(v, shares[v].tobytes()) for v in channels}
        simulation.up(u, {v: message for v, message in sealed[u].items() if v != u})
    simulation.enough(sealed, needed, 1)
    return sealed


class ShareHolder:
    """A client that holds shares of others, and says one sum of them, once."""

    def __init__(self, channels: Channels, sealed: Mapping[int, bytes], needed: int, prime: int) -> None:
        """``sealed`` are encrypted shares by sender; ``needed`` is the fewest that it adds up."""
        self._channels, self._sealed, self._needed, self._prime = channels, sealed, needed, prime
        self._answered: frozenset[int] | None = None

    def sum_of(self, clients: Collection[int]) -> np.ndarray:
        """(w,) uint32. Raises Refused where the sum would be of too few, or the difference of two would be."""
        number, asked = self._channels.owner, frozenset(clients)
        if len(asked) < self._needed:
            raise Refused(
                f"Client {number} does not add up the shares of {len(asked)} clients; it takes at least {self._needed}."
            )
        if self._answered not in (None, asked):
            raise Refused(f"Client {number} does not add up the shares of a second set of clients.")
        if strangers := asked - self._sealed.keys():
            raise Refused(f"Client {number} holds no share of client {min(strangers)}.")
        self._answered = asked
        total: np.ndarray | int = 0
        for sender in sorted(asked):
            share = np.frombuffer(self._channels.open(sender, self._sealed[sender]), dtype="<u4")
            total = total + share.astype(np.uint64)
        return (total % self._prime).astype(np.uint32)  # type: ignore[union-attr]


def collect(
    simulation: Simulation,
    number: int,
    holders: Mapping[int, ShareHolder],
    included: Sequence[int],
) -> dict[int, np.ndarray]:
    """The last round: the server names whose shares to add, and those still there answer."""
    answers = {}
    for u in simulation.present(number):
        simulation.down([u], tuple(included))
        with simulation.client(u):
            try:
                answers[u] = holders[u].sum_of(included)
            except Refused as refused:
                raise Mistrust(str(refused)) from refused
        simulation.up(u, answers[u])
    return answers


def spread(code: Code, words: np.ndarray, randomness: Randomness) -> np.ndarray:
    """(m,) residues to shares, (clients, w), where w is m / code.secrets, rounded up."""
    width = -(-len(words) // code.secrets)
    padded = np.zeros(code.secrets * width, np.uint32)
    padded[: len(words)] = words
    return code.spread(padded.reshape(code.secrets, width), randomness.residues(code.prime, (code.noise, width)))
