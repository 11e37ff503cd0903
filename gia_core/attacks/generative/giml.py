from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ...component import Needs
from ...types import Batch, Observation, Step
from ..inversion import InStages
from ..labels import ReadLabels
from .openings import read_labels

if TYPE_CHECKING:
    import torch


class GIML(InStages):
    """GIML: learns a prior from nothing but the gradients of other clients' images (Jeon et al., NeurIPS 2021).

    In every round some other clients send an update of one image each. The codes of these images are searched, then
    a copy of the prior adapts to all of them, and the prior moves towards its copy (Reptile, Nichol et al., 2018). So
    it comes to draw what such images have in common, and serves GIAS afterwards: it is kept, and listed under Priors.
    The private images are searched with it too, but never learned from. The paper takes 200 rounds of 4 images, 1,000
    and 500 iterations, and Adam in place of the last move.
    """

    name: Literal["giml"] = "giml"
    rounds: int = Field(20, ge=0, le=10_000)
    """Rounds of updates that are learned from; 0 leaves the prior untrained."""
    together: int = Field(4, ge=1, le=64)
    """Other clients that send an update in each of them."""
    clients: int = Field(80, ge=1, le=100_000)
    """Other clients that there are, each with an image of its own; they take turns, and whose turn comes again is known
    by the codes of its image."""
    latent_iterations: int = Field(100, ge=1, le=100_000)
    """Iterations of a round in which the codes of its images are searched."""
    weight_iterations: int = Field(50, ge=1, le=100_000)
    """Iterations of a round in which the copy of the prior adapts."""
    private_iterations: int = Field(25, ge=1, le=100_000)
    """Iterations after every round in which the codes of the private images are searched on, with the prior as it is by
    then."""
    latent_lr: float = Field(0.05, gt=0)
    """Adam's learning rate for the codes."""
    weight_lr: float = Field(1e-3, gt=0)
    """Adam's learning rate for the weights."""
    pace: float = Field(1.0, gt=0, le=1)
    """Share of the way to its copy that the prior moves after every round."""
    final_iterations: int = Field(500, ge=0, le=1_000_000)
    """Iterations after the last round in which the prior adapts to each private image, as in GIAS."""
    latent: int = Field(64, ge=2, le=512)
    """Numbers in the code of an image."""
    width: int = Field(16, ge=4, le=64, multiple_of=4)
    """Channels of the prior's layer at full size; coarser ones have up to eight times as many."""
    tv_weight: float = Field(1e-4, ge=0)
    """Weight of the total variation, the mean difference of neighboring pixels."""
    code_weight: float = Field(1e-3, ge=0)
    """Weight of the mean square of the codes, which keeps them where the prior learns to draw."""
    labels: ReadLabels = "auto"
    needs: ClassVar[Needs] = Needs(knowledge=("single_updates",))

    @model_validator(mode="after")
    def does_something(self) -> Self:
        """At least one round or iteration takes place."""
        if not self.planned:
            raise ValueError("There is nothing to learn or search; give the attack rounds, or iterations at the end.")
        return self

    @property
    def planned(self) -> int:
        return self.rounds * self.each_round + self.final_iterations

    @property
    def each_round(self) -> int:
        """Iterations."""
        return self.latent_iterations + self.weight_iterations + self.private_iterations

    def shared_out(self, iterations: int) -> dict[str, int]:
        rounds = min(self.rounds, iterations // self.each_round)
        return {"rounds": rounds, "final_iterations": iterations - rounds * self.each_round}

    def run(self, seen: Observation, rng: torch.Generator) -> Iterator[Step]:
        """One step per iteration of every stage, holding the best private images so far.

        Raises ValueError where there are no other clients, or where the labels cannot be had.
        """
        from .meta_learning import MetaLearner

        if seen.others is None:
            raise ValueError("giml learns from updates of single images of other clients; grant it some.")
        return MetaLearner(self, seen, read_labels(seen, self.labels, rng), rng).steps()

    def mismatch(self, seen: Observation, batch: Batch) -> float:
        """The distance that the search would see at ``batch``, without any prior."""
        from ..matching import mismatch
        from ..matching.distances import cosine

        return mismatch(seen, cosine, batch)
