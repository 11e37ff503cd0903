from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from ..component import Component
from .exchange import Exchange, Sees, Simulation, Vector, vectors

if TYPE_CHECKING:
    import torch


class PlainSum(Component):
    """None: clients send their updates as they are, and the server adds them up."""

    name: Literal["none"] = "none"

    rounds: ClassVar[tuple[str, ...]] = ("send updates",)
    sending: ClassVar[int] = 0
    sees: ClassVar[Sees] = "updates"

    def objection(self, clients: int) -> str | None:
        """Why this cannot work with so many clients; None if it can."""
        return None if clients >= 1 else "There has to be a client."

    def opened_by(self, clients: int) -> int:
        """None has to collude: the server reads every single update."""
        return 0

    def exchange(
        self,
        updates: Sequence[Vector],
        rng: torch.Generator,
        *,
        dropouts: Mapping[int, int] | None = None,
        models: Sequence[bytes] = (),
    ) -> Exchange:
        """The sum of the updates, one (m,) per client, that arrived; each is sent as float32.

        Which models the clients received makes no difference. Raises Aborted where none arrived, and ValueError for
        what cannot be added.
        """
        import numpy as np

        rows = vectors(updates)
        simulation = Simulation(len(rows), self.rounds, dropouts)
        sent = {}
        for u in simulation.present(0):
            with simulation.client(u):
                sent[u] = rows[u].astype(np.float32)
            simulation.up(u, sent[u])
        simulation.enough(sent, 1, 0)
        with simulation.server():
            total = np.zeros(rows[0].shape)
            for row in sent.values():
                total += row
        return Exchange(
            total=total,
            included=tuple(sent),
            sees=self.sees,
            uploads=sent,
            plausible=True,
            clipped=0.0,
            own=lambda client: sent[client].astype(np.float64),
            rounds=self.rounds,
            clients=simulation.client_costs(),
            server=simulation.server_cost(),
        )
