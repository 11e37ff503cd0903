"""Whose updates the server is left with after an exchange, with the help of those who collude with it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from . import Aggregation
    from .exchange import Exchange

AUDITED = 0
"""The number of the client whose privacy is in question. It never drops out and never colludes."""


@dataclass(frozen=True)
class Coalition:
    """The server, and what it does beside its part in the protocol."""

    colluding: int = 0
    """Clients that tell it all they know; those with the highest numbers."""
    dead_models: bool = False
    """Whether it sent a dead model to all clients but the audited one (Pasquini et al., CCS 2022)."""

    def left(self, kind: Aggregation, clients: int, included: Collection[int]) -> tuple[int, ...]:
        """The clients whose sum it is left with, the audited one first; none where it can read nothing.

        ``included`` are those in the sum of the protocol. A single update is opened by whoever holds the key or enough
        shares; from a sum, those who collude take away their own.
        """
        if self.colluding >= kind.opened_by(clients):
            return (AUDITED,)
        if kind.sees == "ciphertexts":
            return ()
        if self.dead_models:
            return () if is_bound(kind) else (AUDITED,)
        return tuple(client for client in included if client < clients - self.colluding)

    def hides_noise(self, kind: Aggregation) -> bool:
        """Whether all that anyone can read holds the noise of every client that sent: nobody takes any away."""
        return kind.sees != "updates" and not self.colluding

    def holds(self, kind: Aggregation, seen: Exchange) -> tuple[np.ndarray | None, tuple[int, ...]]:
        """The mean of the updates that it is left with, (m,), and whose they are; None where it can read nothing."""
        clients = len(seen.clients)
        left = self.left(kind, clients, seen.included)
        if not left:
            return None, ()
        if self.colluding >= kind.opened_by(clients):
            return seen.own(AUDITED), left
        if self.dead_models:  # all others added zeros
            return seen.total, left
        known = [client for client in seen.included if client not in left]
        return (seen.total - sum(map(seen.own, known))) / len(left), left


def silent(clients: int, dropouts: int, kind: Aggregation) -> dict[int, int]:
    """By client, the round from which on it is silent: those next to the audited one, before they send their update."""
    return dict.fromkeys(range(AUDITED + 1, min(clients, AUDITED + 1 + dropouts)), kind.sending)


def is_bound(kind: Aggregation) -> bool:
    """Whether clients that received different models notice, because they mix its hash into what they exchange."""
    return bool(getattr(kind, "bind_model", False))
