from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from ...component import Condition, Needs
from ...types import Batch, Observation, Step
from ..inversion import Inversion
from ..labels import SearchedLabels

if TYPE_CHECKING:
    import torch

    from ..matching.candidate import ContextPrior, Prior
    from ..matching.distances import Distance


class GradInversion(Inversion):
    """GradInversion: several searches, held to the network's statistics and to each other (Yin et al., CVPR 2021).

    What the BatchNorm layers received tells much of a picture without any gradient: set the gradient weight to 0 to see
    how much. Of the paper's registration only shifts are done, which is what small pictures need. Gradients and
    statistics are compared as shares of the observed ones and pixels by means, so that one set of weights fits networks
    and pictures of any size; the paper's weights go with plain norms.
    """

    needs: ClassVar[Needs] = Needs(
        models=("convnet", "resnet20", "resnet18", "vgg11"),
        knowledge=("batch_norm",),
        conditions=(
            Condition(
                field="model.normalization",
                among=("batch",),
                because="gradinversion matches the statistics of BatchNorm layers; set the model's normalization to "
                "batch.",
            ),
        ),
    )

    name: Literal["gradinversion"] = "gradinversion"
    iterations: int = Field(600, ge=1, le=1_000_000)
    """Adam steps of every seed; the paper takes 20,000."""
    seeds: int = Field(2, ge=1, le=32)
    """Random starts that are searched at the same time, each at the cost of one search; 8 in the paper."""
    lr: float = Field(0.1, gt=0)
    """Adam's learning rate in pixel units; the published 0.1 in normalized units is about 0.025 here."""
    beta1: float = Field(0.9, ge=0, lt=1)
    """Adam's memory of the gradient."""
    beta2: float = Field(0.99, ge=0, lt=1)
    """Adam's memory of the squared gradient."""
    warmup: int = Field(30, ge=0)
    """Iterations over which the learning rate first rises, 50 in the paper; afterwards it falls smoothly to 0."""
    distance: Literal["layer-l2", "squared-l2", "cosine"] = "layer-l2"
    """How gradients are compared: by the sum of the distances of their tensors ("layer-l2", as published), entry by
    entry ("squared-l2"), or by direction ("cosine")."""
    gradient_weight: float = Field(1.0, ge=0)
    """Weight of the gradient's distance; 0.001 in the paper. At 0 you see what the prior alone gives: the statistics
    and the smoothness, without any gradient."""
    tv_weight: float = Field(1.0, ge=0)
    """Weight of the total variation, the mean difference of neighboring pixels: more makes the picture smoother. 0.0001
    in the paper."""
    norm_weight: float = Field(1e-6, ge=0)
    """Weight of the pixels' root mean square distance from mid-gray, against extreme pixels; 0.000001 in the paper."""
    batch_norm_weight: float = Field(0.3, ge=0)
    """Weight of the distance between what the BatchNorm layers receive and the statistics that the attacker was
    granted; 0.1 in the paper."""
    group_weight: float = Field(0.1, ge=0)
    """Weight of the root mean square distance between a seed and what all seeds agree on; 0.01 in the paper."""
    group: Literal["mean", "registered"] = "mean"
    """What the seeds agree on: their mean, pixel by pixel, or the mean after each picture was shifted by up to 3 pixels
    to where it fits best ("registered")."""
    group_start: float = Field(0.25, ge=0, le=1)
    """Share of the iterations after which the seeds first look at each other; a quarter in the paper."""
    group_every: int = Field(20, ge=1)
    """Iterations between two such looks; 100 in the paper."""
    noise: float = Field(0.01, ge=0)
    """Random noise added after every iteration, in learning rates, so that the search leaves poor minima; 0.2 in the
    paper."""
    start: Literal["centered", "gray", "uniform", "normal", "tiled"] = "centered"
    """Where the search begins: noise around mid-gray ("centered", as published), mid-gray, uniform noise, N(0, 1)
    noise, or one repeated random tile."""
    boxed: bool = True
    """Keep every pixel in [0, 1] after each iteration."""
    labels: SearchedLabels = "auto"

    def run(self, seen: Observation, rng: torch.Generator) -> Iterator[Step]:
        """One step per iteration of all seeds, holding the best of them.

        Raises ValueError where the model has no BatchNorm layers, or their statistics were not granted.
        """
        from functools import partial

        import torch

        from ..matching import Recipe, match_updates
        from ..matching.consensus import Agreement

        recipe = Recipe(
            distance=self.measure(),
            optimizer=partial(torch.optim.Adam, lr=self.lr, betas=(self.beta1, self.beta2)),
            iterations=self.iterations,
            labels=self.labels,
            gradient_weight=self.gradient_weight,
            priors=self.priors(seen),
            start=self.start,
            schedule="cosine",
            warmup=self.warmup,
            noise=self.noise,
            boxed=self.boxed,
            seeds=self.seeds,
            agreement=Agreement(self.group_start, self.group_every, registered=self.group == "registered"),
        )
        return match_updates(seen, recipe, rng)

    def priors(self, seen: Observation) -> tuple[Prior | ContextPrior, ...]:
        from ..matching import Prior
        from ..matching.context_priors import batch_norm_prior, group_prior
        from ..matching.image_priors import distance_from_gray, total_variation

        if seen.batch_norm is None:
            raise ValueError("gradinversion matches BatchNorm statistics; grant the attacker running or exact ones.")
        return (
            Prior("total variation", self.tv_weight, total_variation),
            Prior("distance from gray", self.norm_weight, distance_from_gray),
            batch_norm_prior(self.batch_norm_weight, seen.batch_norm),
            group_prior(self.group_weight),
        )

    def mismatch(self, seen: Observation, batch: Batch) -> float:
        """The distance of the gradient that the search would see at ``batch``, without any prior."""
        from ..matching import mismatch

        return mismatch(seen, self.measure(), batch)

    def measure(self) -> Distance:
        """The distance of the gradients that was chosen."""
        from ..matching.distances import NAMED

        return NAMED[self.distance]
