from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from ..component import Component
from .exchange import Exchange, Sees, Simulation, Vector, vectors

if TYPE_CHECKING:
    import numpy as np
    import torch

DEGREE = 4096
"""Of the polynomials; half as many numbers fit into one ciphertext."""
PRIMES = (54, 55)
"""Bits of the coefficient moduli: 109 together, the most that give 128 bits of security at this degree."""
SCALE_BITS = 40
"""Numbers are multiplied by 2 to the power of this before they are rounded."""
LIMIT = 2.0 ** (PRIMES[0] - SCALE_BITS - 1)
"""Sums have to stay below this."""


class CKKS(Component):
    """CKKS: clients encrypt their updates with one common key, and the server adds ciphertexts that it cannot read
    (Cheon et al., ASIACRYPT 2017).

    The sum comes out with an error of about 1e-8. All clients hold the secret key, made beforehand, which is not
    counted: one of them who colludes with the server opens every update.
    """

    name: Literal["ckks"] = "ckks"

    rounds: ClassVar[tuple[str, ...]] = ("send encrypted updates", "decrypt the sum")
    sending: ClassVar[int] = 0
    sees: ClassVar[Sees] = "ciphertexts"

    def objection(self, clients: int) -> str | None:
        """Why this cannot work with so many clients; None if it can."""
        return None if clients >= 1 else "There has to be a client."

    def opened_by(self, clients: int) -> int:
        """One client that colludes with the server gives it the key to all updates."""
        return 1

    def exchange(
        self,
        updates: Sequence[Vector],
        rng: torch.Generator,
        *,
        dropouts: Mapping[int, int] | None = None,
        models: Sequence[bytes] = (),
    ) -> Exchange:
        """The sum of the updates, one (m,) per client, that arrived, up to the error of the encryption.

        The encryption draws on the operating system's randomness, so the error differs from time to time. Which
        models the clients received makes no difference. Raises Aborted where no client is left, and ValueError for
        what cannot be added.
        """
        import numpy as np

        from .ckks_keys import ClientKey, ServerKey

        rows = vectors(updates)
        if max(float(np.abs(row).max()) for row in rows) * len(rows) >= LIMIT:
            raise ValueError(
                f"CKKS can add up to sums below {LIMIT:.0f}; the largest entry times {len(rows)} clients is more."
            )
        simulation = Simulation(len(rows), self.rounds, dropouts)
        senders, readers = simulation.present(0), simulation.present(1)
        simulation.enough(senders, 1, 0)
        simulation.enough(readers, 1, 1)
        key = ClientKey()
        server = ServerKey(key.public())
        uploads: dict[int, np.ndarray] = {}
        parts = []
        # Block by block, so that the ciphertexts of all clients never lie in memory at once.
        for first in range(0, len(rows[0]), DEGREE // 2):
            total = b""
            for u in senders:
                with simulation.client(u):
                    sealed = key.encrypt(rows[u][first : first + DEGREE // 2])
                simulation.up(u, sealed)
                uploads.setdefault(u, np.frombuffer(sealed, np.uint8))
                with simulation.server():
                    server.add(sealed)
            with simulation.server():
                total = server.total()
            simulation.down(readers, total)
            with simulation.client(*readers):
                parts.append(key.decrypt(total))
        return Exchange(
            total=np.concatenate(parts),
            included=tuple(senders),
            sees=self.sees,
            uploads=uploads,
            plausible=True,
            clipped=0.0,
            own=lambda client: rows[client],
            rounds=self.rounds,
            clients=simulation.client_costs(),
            server=simulation.server_cost(),
        )
