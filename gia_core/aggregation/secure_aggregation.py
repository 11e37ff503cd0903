from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from .exchange import Simulation
from .fixed_point import FixedPointAggregation, Sum

if TYPE_CHECKING:
    import numpy as np

    from .randomness import Randomness


class SecureAggregation(FixedPointAggregation):
    """Secure aggregation: clients hide their updates under masks that cancel in the sum (Bonawitz et al., CCS 2017).

    The server learns the sum over those who stayed and nothing else, as long as it follows the protocol. The clients
    trust it to pass on their public keys unchanged.
    """

    name: Literal["secure-aggregation"] = "secure-aggregation"
    threshold: float = Field(2 / 3, ge=0.5, lt=1)
    """More than this share of all clients must stay to the end, and only that many together can unmask a client. Below
    two thirds, a server that tells different clients different stories could unmask one."""
    bind_model: bool = True
    """Clients mix a hash of the model they received into the masks, so a server that sends one of them another model
    gets noise instead of a sum that singles it out."""

    rounds: ClassVar[tuple[str, ...]] = ("advertise keys", "share secrets", "send updates", "unmask the sum")
    sending: ClassVar[int] = 2

    def modulus(self, clients: int) -> int:
        """2^32: sums are computed in 32-bit words."""
        return 1 << 32

    def needed(self, clients: int) -> int:
        """How many of so many clients have to stay; as many shares give a secret."""
        return min(clients, math.floor(self.threshold * clients + 1e-9) + 1)

    def opened_by(self, clients: int) -> int:
        """As many as it takes to put the secrets of another client together; fewer can take their own updates away."""
        return self.needed(clients)

    def add(
        self, words: Sequence[np.ndarray], simulation: Simulation, randomness: Randomness, models: Sequence[bytes]
    ) -> Sum:
        """The four rounds; every client takes part in a round only while it is present."""
        from .pairwise_masks import Client, Server

        needed = self.needed(len(words))
        hashes = models if self.bind_model else [b""] * len(words)
        server, clients = Server(needed, hashes), {}

        for u in simulation.present(0):
            with simulation.client(u):
                clients[u] = Client(u, needed, randomness.of(f"client {u}"), hashes[u])
                server.keys[u] = clients[u].advertise()
            simulation.up(u, server.keys[u])
        simulation.enough(server.keys, needed, 0)

        sealed = {}
        for u in simulation.present(1):
            simulation.down([u], server.keys)
            with simulation.client(u):
                sealed[u] = clients[u].share(server.keys)
            simulation.up(u, sealed[u])
        simulation.enough(sealed, needed, 1)
        server.sharers = tuple(sealed)

        for u in simulation.present(2):
            received = {v: messages[u] for v, messages in sealed.items() if v != u}
            simulation.down([u], received)
            with simulation.client(u):
                server.masked[u] = clients[u].masked(words[u], received)
            simulation.up(u, server.masked[u])
        simulation.enough(server.masked, needed, 2)

        replies = {}
        for u in simulation.present(3):
            simulation.down([u], tuple(server.masked))
            with simulation.client(u):
                replies[u] = clients[u].reveal(seeds_of=server.masked.keys(), keys_of=server.dropped)
            simulation.up(u, [share.to_bytes(66, "little") for share in replies[u].values()])
        simulation.enough(replies, needed, 3)
        with simulation.server():
            total = server.unmask(replies)
        return Sum(total, tuple(server.masked), server.masked)
