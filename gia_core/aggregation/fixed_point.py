"""Updates as whole numbers, which protocols add without any rounding."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from pydantic import Field

from ..component import Component
from .exchange import Exchange, Sees, Simulation, Vector, vectors

if TYPE_CHECKING:
    import numpy as np
    import torch

    from .randomness import Randomness


class Sum(NamedTuple):
    """What a protocol on whole numbers comes to."""

    words: np.ndarray
    """(m,) unsigned integers: the sum modulo the protocol's modulus."""
    included: tuple[int, ...]
    uploads: Mapping[int, np.ndarray]


class FixedPointAggregation(Component, ABC):
    """Cuts every entry to [-c, c] and rounds it to one of 2^bits + 1 equally spaced values, by chance and without bias.

    The sum of n updates then is exact as long as n 2^bits stays below the protocol's modulus, which is checked.
    """

    clip: float = Field(8.0, gt=0, le=1e6)
    """Entries of an update beyond this magnitude are cut to it."""
    bits: int = Field(24, ge=8, le=28)
    """Precision: an entry is rounded to one of 2 to the power of this many steps between -clip and clip."""

    rounds: ClassVar[tuple[str, ...]]
    """What clients do in each round, in words that follow "to"."""
    sending: ClassVar[int]
    """The number of the round in which an update leaves its client."""
    sees: ClassVar[Sees] = "aggregate"

    @abstractmethod
    def modulus(self, clients: int) -> int:
        """Sums are exact below this."""

    @abstractmethod
    def opened_by(self, clients: int) -> int:
        """So many of the clients, if they collude with the server, open every single update."""

    @abstractmethod
    def add(
        self, words: Sequence[np.ndarray], simulation: Simulation, randomness: Randomness, models: Sequence[bytes]
    ) -> Sum:
        """Carry out the protocol on each client's (m,) uint32; ``models`` are hashes of what each client received."""

    def objection(self, clients: int) -> str | None:
        """Why this cannot work with so many clients; None if it can."""
        if clients < 2:
            return f"{self._title} needs at least two clients; with one, the sum is that client's update."
        most = (self.modulus(clients) - 1) >> self.bits
        if clients > most:
            return (
                f"The sum of {clients} updates with {self.bits} bits of precision does not fit; "
                f"take at most {most} clients, or fewer bits."
            )
        return None

    def exchange(
        self,
        updates: Sequence[Vector],
        rng: torch.Generator,
        *,
        dropouts: Mapping[int, int] | None = None,
        models: Sequence[bytes] = (),
    ) -> Exchange:
        """The sum of the updates, one (m,) per client, of those clients that stayed long enough.

        ``dropouts`` gives for a client the round from which on it is silent; ``models`` the hash of the model that each
        client received, where they may differ. Raises Aborted where too many dropped out, and ValueError for what
        cannot be added.
        """
        import numpy as np

        from .randomness import Randomness

        rows, randomness = vectors(updates), Randomness.drawn(rng)
        if reason := self.objection(len(rows)):
            raise ValueError(reason)
        if models and len(models) != len(rows):
            raise ValueError(f"There are {len(rows)} clients, but hashes of {len(models)} models.")
        simulation = Simulation(len(rows), self.rounds, dropouts)
        words = []
        for number, row in enumerate(rows):
            with simulation.client(number):
                words.append(self.encode(row, randomness.of(f"rounding {number}")))
        result = self.add(words, simulation, randomness, models or [b""] * len(rows))
        included = result.included
        return Exchange(
            total=self.decode(result.words, len(included)),
            included=included,
            sees=self.sees,
            uploads=result.uploads,
            plausible=bool(result.words.max() <= len(included) << self.bits),
            clipped=float(np.mean([np.mean(np.abs(rows[number]) > self.clip) for number in included])),
            own=lambda client: self.decode(words[client], 1),
            rounds=self.rounds,
            clients=simulation.client_costs(),
            server=simulation.server_cost(),
        )

    def encode(self, row: np.ndarray, randomness: Randomness) -> np.ndarray:
        """(m,) floats to (m,) uint32 in [0, 2^bits]; the expected value of the rounding is what was rounded."""
        import numpy as np

        steps = np.clip(row.astype(np.float64), -self.clip, self.clip)
        steps += self.clip
        steps *= (1 << self.bits) / (2 * self.clip)
        steps += randomness.fractions(len(row))
        words: np.ndarray = steps.astype(np.uint32)  # cuts off the fraction
        return words

    def decode(self, words: np.ndarray, count: int) -> np.ndarray:
        """(m,) float64: the sum of ``count`` updates."""
        total: np.ndarray = words * (2 * self.clip / (1 << self.bits)) - count * self.clip
        return total

    @property
    def _title(self) -> str:
        return str(type(self).model_fields["name"].default)
