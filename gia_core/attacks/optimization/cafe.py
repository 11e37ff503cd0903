from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from ...component import Bound, Component, Needs, at
from ...types import Batch, Observation, Step
from ..inversion import Inversion

if TYPE_CHECKING:
    import torch


def enough_rounds(spec: Component, classes: int | None) -> int | None:
    """Twice as many rounds as images, where there are fewer than images; else None."""
    images = at(spec, "batch_size")
    return None if at(spec, "rounds") >= images else 2 * images


def smaller_rounds(spec: Component, classes: int | None) -> int | None:
    """Half of the images, where all of several take part in every round; else None."""
    images, taking_part = at(spec, "batch_size"), at(spec, "client.round_batch_size")
    return images // 2 if images > 1 and taking_part is not None and taking_part >= images else None


class CAFE(Inversion):
    """CAFE: many rounds of known, overlapping batches tell the images of a large one apart (Jin et al., NeurIPS 2021).

    From all rounds together it computes what each image alone sent back through the parties' first fully connected
    layers, then what it put into them, and last it searches for the pixels. It takes at least as many rounds as there
    are private images, better twice as many; the further the server moves the model in between, the less comes back,
    so set the server's learning rate to 0 for the clearest pictures. The first two steps are solved directly, where the
    paper descends. The public code takes the softmax twice, corrects Adam's moments twice, and
    switches the smoothness on and off; here the softmax is taken once, every image has moments of its own, corrected
    once for the rounds that it took part in, and the smoothness sets in gradually.
    """

    needs: ClassVar[Needs] = Needs(
        clients=("vertical",),
        models=("quadrants",),
        conditions=(
            Bound(
                "rounds",
                enough_rounds,
                "cafe tells images apart by the rounds that they take part in, so it takes at least as many rounds as "
                "there are private images; set the rounds to twice the batch size.",
            ),
            Bound(
                "client.round_batch_size",
                smaller_rounds,
                "cafe tells images apart by the rounds that they take part in, and here all take part in every round; "
                "set the client's round batch size to half the batch size.",
            ),
        ),
    )

    name: Literal["cafe"] = "cafe"
    iterations: int = Field(4000, ge=1, le=1_000_000)
    """Adam steps, each on the images of one round, the rounds in turn; the paper takes 20,000."""
    lr: float = Field(0.05, gt=0)
    """Adam's learning rate in pixel units; published is 0.01."""
    matching_weight: float = Field(1.0, ge=0)
    """Weight of the squared distance between a round's gradient and the one simulated, as a share of the former's
    squared norm."""
    feature_weight: float = Field(1.0, ge=0)
    """Weight of the squared distance between what an image puts into the first fully connected layers and what was
    solved for, as a share of a mid-gray image's distance."""
    tv_weight: float = Field(1e-3, ge=0)
    """Weight of the total variation, the mean difference of neighboring pixels, above its threshold."""
    tv_threshold: float = Field(0.1, ge=0)
    """Total variation up to which an image counts as smooth enough."""
    labels: Literal["auto", "known", "joint"] = "auto"
    """How the labels are found: granted ("known"), searched with the images ("joint", as published), or the first of
    these that applies ("auto")."""
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    """How the learning rate falls: smoothly ("cosine"), to a tenth at 3/8, 5/8 and 7/8 of the iterations ("step"), or
    not at all ("constant", as published)."""
    start: Literal["gray", "uniform", "centered"] = "gray"
    """Where the search begins: mid-gray, uniform noise (as published), or noise around mid-gray."""

    def run(self, seen: Observation, rng: torch.Generator) -> Iterator[Step]:
        """Raises ValueError where the model has no parties, labels are to be known and are not, or an update is not
        finite.
        """
        from .cafe_search import Search

        return Search(seen, self, rng).steps()

    def mismatch(self, seen: Observation, batch: Batch) -> float:
        """The squared distance of the gradients that the search would see at ``batch``, mean over the rounds."""
        from .cafe_search import mean_distance

        return mean_distance(seen, batch)
