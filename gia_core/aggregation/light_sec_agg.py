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


class LightSecAgg(FixedPointAggregation):
    """LightSecAgg: each client hides its update under one mask and shares out the mask; the server gets the sum of the
    masks in one step, however many dropped out (So et al., MLSys 2022).

    The server learns only the sum of the updates, as long as it follows the protocol.
    """

    name: Literal["light-sec-agg"] = "light-sec-agg"
    privacy: float = Field(0.3, ge=0, le=0.9)
    """Share of the clients that may put what they hold together and still learn nothing; at least one client."""
    tolerance: float = Field(0.25, ge=0, lt=0.5)
    """Share of the clients that may drop out. The more privacy and tolerance together, the longer the shares."""
    bind_model: bool = True
    """Clients mix a hash of the model they received into their channels, so those with different models cannot read
    each other's shares, and the exchange ends without a sum."""

    rounds: ClassVar[tuple[str, ...]] = ("advertise keys", "share masks", "send updates", "send sums of shares")
    sending: ClassVar[int] = 2

    def objection(self, clients: int) -> str | None:
        """Why this cannot work with so many clients; None if it can."""
        if self.needed(clients) <= self.colluders(clients):
            return f"With {clients} clients there is no room for so much privacy and tolerance; lower one of them."
        return super().objection(clients)

    def modulus(self, clients: int) -> int:
        """The prime 2^31 - 1."""
        return (1 << 31) - 1

    def needed(self, clients: int) -> int:
        """How many of so many clients have to stay."""
        return max(2, clients - math.floor(self.tolerance * clients + 1e-9))

    def colluders(self, clients: int) -> int:
        """So many clients together learn nothing."""
        return max(1, math.floor(self.privacy * clients + 1e-9))

    def opened_by(self, clients: int) -> int:
        """As many as it takes to put the mask of another client together; fewer can take their own updates away."""
        return self.needed(clients)

    def add(
        self, words: Sequence[np.ndarray], simulation: Simulation, randomness: Randomness, models: Sequence[bytes]
    ) -> Sum:
        """The four rounds; the first two need no update yet and can be carried out ahead of time."""
        import numpy as np

        from .codes import lagrange_code
        from .shares import ShareHolder, advertise, collect, share_out, spread

        clients, length = len(words), len(words[0])
        needed, prime = self.needed(clients), self.modulus(clients)
        noise = self.colluders(clients)
        code = lagrange_code(clients, needed - noise, noise, prime)
        channels = advertise(simulation, randomness, models if self.bind_model else [b""] * clients, needed)
        masks: dict[int, np.ndarray] = {}

        def shared_mask(u: int) -> np.ndarray:
            own = randomness.of(f"mask {u}")
            masks[u] = own.residues(prime, (1, length))[0]
            return spread(code, masks[u], own)

        sealed = share_out(simulation, channels, shared_mask, needed)
        masked = {}
        for u in simulation.present(2):
            with simulation.client(u):
                masked[u] = (words[u] + masks[u]) % np.uint32(prime)
            simulation.up(u, masked[u])
        simulation.enough(masked, needed, 2)

        holders = {}
        for v in simulation.present(3):
            received = {u: messages[v] for u, messages in sealed.items()}
            simulation.down([v], {u: message for u, message in received.items() if u != v})
            holders[v] = ShareHolder(channels[v], received, needed, prime)
        sums = collect(simulation, 3, holders, tuple(masked))
        simulation.enough(sums, needed, 3)
        with simulation.server():
            mask = code.recover(sums)
            assert mask is not None  # as many shares as the code needs
            total = np.full(length, len(masked) * prime, np.uint64)
            total -= mask.ravel()[:length]
            for upload in masked.values():
                total += upload
            total %= prime
        return Sum(total, tuple(masked), masked)
