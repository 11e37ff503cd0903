from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from .exchange import Aborted, Simulation
from .fixed_point import FixedPointAggregation, Sum

if TYPE_CHECKING:
    import numpy as np

    from .codes import Code
    from .randomness import Randomness


class FastSecAgg(FixedPointAggregation):
    """FastSecAgg: clients share out their updates among each other, and the server gets sums of shares (Kadhe et al.,
    2020).

    The shares are Fourier transforms of the update beside random numbers and zeros, and the sum of all shares is a
    share of the sum of all updates. The server learns only that sum, as long as it follows the protocol.
    """

    name: Literal["fast-sec-agg"] = "fast-sec-agg"
    layout: Literal["line", "grid"] = "line"
    """How the transform is arranged. "line" works with any number of clients. "grid" is the paper's and needs a number
    that is a product of two without a common divisor, both above 2: 12, 15, 20, 21, 24, 28, 30 and so on."""
    privacy: float = Field(0.1, ge=0, le=0.9)
    """Share of the clients that may put their shares together and still learn nothing; at least one client. On a grid
    it holds for rows and columns."""
    tolerance: float = Field(0.25, ge=0, lt=0.5)
    """Share of the clients that may drop out. On a grid it holds for rows and columns, at least one in each."""
    bind_model: bool = True
    """Clients mix a hash of the model they received into their channels, so those with different models cannot read
    each other's shares, and the exchange ends without a sum."""

    rounds: ClassVar[tuple[str, ...]] = ("advertise keys", "share updates", "send sums of shares")
    sending: ClassVar[int] = 1

    def objection(self, clients: int) -> str | None:
        """Why this cannot work with so many clients; None if it can."""
        if self.layout == "grid" and not sides(clients):
            return self._no_grid(clients)
        if self._secrets(clients) < 1:
            return f"With {clients} clients there is no room for so much privacy and tolerance; lower one of them."
        return super().objection(clients)

    def modulus(self, clients: int) -> int:
        """A prime just below 2^31 that the transform of so many values needs."""
        from .finite_field import prime_with_roots

        return prime_with_roots(clients)

    def code(self, clients: int) -> Code:
        """How an update becomes shares."""
        from .codes import GridCode, line_code

        if self.layout == "line":
            return line_code(clients, self._secrets(clients), self._colluders(clients))
        grid = self._grid(clients)
        return GridCode(grid, self._zeros(grid), (self._colluders(grid[0]), self._colluders(grid[1])))

    def needed(self, clients: int) -> int:
        """Fewest clients whose updates are added up and whose shares can be enough."""
        if self.layout == "line":
            return max(2, clients - math.floor(self.tolerance * clients + 1e-9))
        return clients // 2 + 1

    def opened_by(self, clients: int) -> int:
        """As many as hold enough shares of another client's update; fewer can take their own updates away.

        On a grid it depends on where they are, so that only all others are certain to be enough.
        """
        return self.needed(clients) if self.layout == "line" else clients - 1

    def add(
        self, words: Sequence[np.ndarray], simulation: Simulation, randomness: Randomness, models: Sequence[bytes]
    ) -> Sum:
        """The three rounds; updates that were shared count, even where their client is silent in the last round."""
        from .shares import ShareHolder, advertise, collect, share_out, spread

        needed, code = self.needed(len(words)), self.code(len(words))
        channels = advertise(simulation, randomness, models if self.bind_model else [b""] * len(words), needed)
        sealed = share_out(simulation, channels, lambda u: spread(code, words[u], randomness.of(f"shares {u}")), needed)
        holders = {}
        for v in simulation.present(2):
            received = {u: messages[v] for u, messages in sealed.items()}
            simulation.down([v], {u: message for u, message in received.items() if u != v})
            holders[v] = ShareHolder(channels[v], received, needed, code.prime)
        sums = collect(simulation, 2, holders, tuple(sealed))
        simulation.enough(sums, needed, 2)
        with simulation.server():
            total = code.recover(sums)
        if total is None:
            raise Aborted(
                f"Too many clients dropped out of the same rows and columns of the grid: {len(sums)} of {len(words)} "
                "sent sums of shares."
            )
        return Sum(total.ravel()[: len(words[0])], tuple(sealed), sums)

    def _secrets(self, clients: int) -> int:
        """Rows of an update that are shared together."""
        if self.layout == "line":
            return clients - math.floor(self.tolerance * clients + 1e-9) - self._colluders(clients)
        grid = self._grid(clients)
        left = [side - zeros - self._colluders(side) for side, zeros in zip(grid, self._zeros(grid), strict=True)]
        return max(0, left[0]) * max(0, left[1])

    def _grid(self, clients: int) -> tuple[int, int]:
        if found := sides(clients):
            return found
        raise ValueError(self._no_grid(clients))

    def _no_grid(self, clients: int) -> str:
        return (
            f"A grid of {clients} clients is not possible: take a number that is a product of two without a common "
            'divisor, both above 2, such as 12, 15 or 20, or the layout "line".'
        )

    def _colluders(self, clients: int) -> int:
        return max(1, math.floor(self.privacy * clients + 1e-9))

    def _zeros(self, grid: tuple[int, int]) -> tuple[int, int]:
        first, second = (max(1, math.floor(self.tolerance * side + 1e-9)) for side in grid)
        return first, second


def sides(clients: int) -> tuple[int, int] | None:
    """Two coprime numbers above 2 whose product this is, as close to each other as possible; None without such."""
    for first in range(math.isqrt(clients), 2, -1):
        if clients % first == 0 and math.gcd(first, clients // first) == 1:
            return first, clients // first
    return None
