"""What DLG and iDLG share: L-BFGS on the squared distance of the updates, begun again where it fails."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ...types import Batch, Observation, Step
from ..inversion import Inversion

if TYPE_CHECKING:
    import torch

    from ..labels import LabelStrategy


class LBFGSSearch(Inversion):
    iterations: int = Field(300, ge=1, le=100_000)
    """Calls of the optimizer in one trial, each up to "inner iterations" steps long."""
    lr: float = Field(1.0, gt=0)
    """Step size of L-BFGS; with a line search, the first one tried."""
    inner_iterations: int = Field(20, ge=1, le=100)
    """Steps of L-BFGS in one iteration."""
    history: int = Field(100, ge=1)
    """Earlier steps from which L-BFGS estimates the curvature."""
    line_search: Literal["strong-wolfe", "none"] = "strong-wolfe"
    """"strong-wolfe" looks for a good step length each time; without it ("none", as published) many trials diverge."""
    start: Literal["uniform", "centered", "normal", "gray", "tiled"] = "uniform"
    """Where the search begins: uniform noise, noise around mid-gray, N(0, 1) noise as published (mostly outside the
    range of pixels, so slower and less sure), mid-gray, or one repeated random tile."""
    one_at_a_time: bool = False
    """Search for one image of the batch per iteration, in turn, which breaks the symmetry between them (DLG paper)."""
    restarts: int = Field(3, ge=1, le=100)
    """Trials at most, each from another random start; the best is kept."""
    tolerance: float = Field(1e-9, ge=0)
    """The attack is done when the squared distance between the updates, as a share of the observed one's squared norm,
    falls below this."""
    divergence: float = Field(10.0, gt=1)
    """A trial is given up when its distance exceeds its first one this many times."""
    patience: int = Field(20, ge=0)
    """Iterations without progress after which a trial is given up; 0 for never."""

    def search(self, seen: Observation, rng: torch.Generator, labels: LabelStrategy) -> Iterator[Step]:
        from functools import partial

        import torch

        from ..matching import Recipe, match_updates
        from ..matching.distances import squared_l2

        optimizer = partial(
            torch.optim.LBFGS,
            lr=self.lr,
            max_iter=self.inner_iterations,
            history_size=self.history,
            tolerance_grad=0,
            tolerance_change=0,
            line_search_fn=None if self.line_search == "none" else "strong_wolfe",
        )
        recipe = Recipe(
            distance=squared_l2,
            optimizer=optimizer,
            iterations=self.iterations,
            labels=labels,
            scale=1e6,  # torch's L-BFGS learns nothing from steps that change the objective by less than 1e-10
            start=self.start,
            one_at_a_time=self.one_at_a_time,
            tolerance=self.tolerance,
            divergence=self.divergence,
            patience=self.patience,
            trials=self.restarts,
        )
        return match_updates(seen, recipe, rng)

    def mismatch(self, seen: Observation, batch: Batch) -> float:
        """The squared distance that the search would see at ``batch``."""
        from ..matching import mismatch
        from ..matching.distances import squared_l2

        return mismatch(seen, squared_l2, batch)
