"""One exchange between clients and a server: who falls silent when, what is sent, and what it costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

Vector: TypeAlias = "np.ndarray | Tensor"
"""A client's whole update as one row of numbers, (m,)."""

Sees = Literal["updates", "aggregate", "ciphertexts"]
"""What a protocol leaves for the server to read: every update, only their sum, or nothing without the key."""


class Aborted(ValueError):
    """The exchange ended without a sum; the message says why, in one sentence."""


class Mistrust(Aborted):
    """It ended because a client refused its part: the server did not treat all clients alike, or asked too much."""


class Refused(ValueError):
    """A client did not do what it was asked to, since that would give away its update; the message says why."""


@dataclass(frozen=True)
class Cost:
    """What an exchange took from one participant."""

    bytes_sent: int
    bytes_received: int
    seconds: float
    """Time that it computed, without waiting for anyone."""


@dataclass(frozen=True)
class Exchange:
    """What came of one exchange between N clients, numbered from 0, and a server."""

    total: np.ndarray
    """(m,) float64: the sum of the updates that arrived, as those decode it who can."""
    included: tuple[int, ...]
    """The clients whose updates are in the sum."""
    sees: Sees
    """What the server can read."""
    uploads: Mapping[int, np.ndarray]
    """What the server received from each client in place of its update, as far as it can read it: the update, masked
    integers, sums of shares, or the first ciphertext's bytes."""
    plausible: bool
    """Whether the sum lies where that many updates can reach; where not, masks did not cancel and it is noise."""
    clipped: float
    """Share of the sent entries that were cut to the range of the encoding."""
    own: Callable[[int], np.ndarray]
    """(m,) float64: a client's update as it went into the sum, which nobody but this client can tell."""
    rounds: tuple[str, ...]
    """What clients did in each round."""
    clients: tuple[Cost, ...]
    """(N,)."""
    server: Cost

    @property
    def visible(self) -> np.ndarray | None:
        """The sum as far as the server has it; None where it holds ciphertexts without the key."""
        return None if self.sees == "ciphertexts" else self.total


def vectors(updates: Sequence[Vector]) -> list[np.ndarray]:
    """Every client's update as (m,) floats; raises ValueError unless they are finite and equally long."""
    import numpy as np

    rows = [u if isinstance(u, np.ndarray) else u.detach().cpu().double().numpy() for u in updates]
    if not rows or any(row.ndim != 1 or row.shape != rows[0].shape or not row.size for row in rows):
        raise ValueError("Every client has to send one row of numbers, all of the same length.")
    if bad := [number for number, row in enumerate(rows) if not np.isfinite(row).all()]:
        raise ValueError(
            f"The update of client {bad[0]} has entries that are not finite numbers; it cannot be encoded."
        )
    return rows


def size(message: Any) -> int:
    """Bytes of a message: byte strings and arrays as they are, 4 for a client's number, collections part by part."""
    if isinstance(message, bytes):
        return len(message)
    if isinstance(message, int):
        return 4
    if isinstance(message, Mapping):
        return sum(size(key) + size(value) for key, value in message.items())
    if isinstance(message, Collection) and not hasattr(message, "nbytes"):
        return sum(size(part) for part in message)
    return int(message.nbytes)


class Simulation:
    """The clients, the server and the network between them, all in this process."""

    def __init__(
        self,
        clients: int,
        rounds: tuple[str, ...],
        dropouts: Mapping[int, int] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """``dropouts`` gives for a client the number of the round from which on it is silent; 0 is the first."""
        self.clients, self.rounds, self._clock = clients, rounds, clock
        self._silent = dict(dropouts or {})
        for client, number in self._silent.items():
            if not (0 <= client < clients and 0 <= number < len(rounds)):
                raise ValueError(
                    f"Client {client} cannot drop out in round {number}: there are clients 0 to {clients - 1} "
                    f"and rounds 0 to {len(rounds) - 1}."
                )
        self._sent, self._received, self._seconds = [0] * clients, [0] * clients, [0.0] * clients
        self._server_seconds = 0.0

    def present(self, number: int) -> list[int]:
        """The clients that still speak in this round."""
        return [client for client in range(self.clients) if self._silent.get(client, len(self.rounds)) > number]

    def enough(self, left: Collection[int], needed: int, number: int) -> None:
        """Raises Aborted where fewer than ``needed`` clients are left in this round."""
        if len(left) < needed:
            raise Aborted(
                f"Too many clients dropped out: {len(left)} of {self.clients} were left to {self.rounds[number]}, "
                f"and it takes at least {needed}."
            )

    @contextmanager
    def client(self, *numbers: int) -> Iterator[None]:
        """What happens inside is computed by this client, or by each of these, on its own."""
        begun = self._clock()
        yield
        elapsed = self._clock() - begun
        for number in numbers:
            self._seconds[number] += elapsed

    @contextmanager
    def server(self) -> Iterator[None]:
        """What happens inside is computed by the server."""
        begun = self._clock()
        yield
        self._server_seconds += self._clock() - begun

    def up(self, client: int, message: Any) -> None:
        """The client sends this to the server."""
        self._sent[client] += size(message)

    def down(self, clients: Iterable[int], message: Any) -> None:
        """The server sends this to each of the clients."""
        length = size(message)
        for client in clients:
            self._received[client] += length

    def client_costs(self) -> tuple[Cost, ...]:
        """(N,)."""
        return tuple(map(Cost, self._sent, self._received, self._seconds))

    def server_cost(self) -> Cost:
        return Cost(sum(self._received), sum(self._sent), self._server_seconds)
