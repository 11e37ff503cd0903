from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from ...component import Needs
from ...types import Batch, Observation, Step
from ..inversion import Inversion
from ..labels import ReadLabels
from .openings import opened, read_labels

if TYPE_CHECKING:
    import torch


class GGL(Inversion):
    """GGL: searches the pictures that a prior can draw, and no others, without slopes (Li et al., CVPR 2022).

    CMA-ES draws a population of codes in every generation, and keeps what comes closest to the update, which takes
    no second derivatives. Where the attacker knows the defense, the simulated updates get the same treatment before
    they are compared. What it finds is always a plausible picture: hold it against the run of its control, which shows
    what the prior paints without the update. The paper takes 500 generations of 50.
    """

    name: Literal["ggl"] = "ggl"
    prior: str = Field("auto", max_length=40)
    """Name of the prior; "auto" takes one that has learned from training images of the victims' data set."""
    iterations: int = Field(500, ge=1, le=1_000_000)
    """Generations."""
    population: int = Field(50, ge=4, le=10_000)
    """Candidates in a generation, the better half of which decides where the next ones are drawn."""
    step_size: float = Field(0.5, gt=0)
    """Standard deviation of the first generation's codes, which are drawn around zero."""
    squash: bool = False
    """Put codes through a hyperbolic tangent first, as published, which keeps them where the prior draws typical
    pictures; priors that were trained on normal codes draw more without."""
    code_weight: float = Field(1e-4, ge=0)
    """Weight of the mean square of the codes, which keeps them where the generator has learned to draw."""
    labels: ReadLabels = "auto"
    needs: ClassVar[Needs] = Needs(batch_size=1)

    def run(self, seen: Observation, rng: torch.Generator) -> Iterator[Step]:
        """One step per generation, holding the best picture of all.

        Raises ValueError where there is no such prior, where it does not fit the images, or where the label cannot be
        had.
        """
        from .latent_evolution import evolved

        generator = opened(seen, self.prior)
        restored = read_labels(seen, self.labels, rng)
        return evolved(self, seen, generator, restored, rng)

    def mismatch(self, seen: Observation, batch: Batch) -> float:
        """The distance that the search would see at ``batch``, without any prior."""
        from ..matching import mismatch
        from ..matching.distances import squared_l2

        return mismatch(seen, squared_l2, batch)
