from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ...types import Batch, Observation, Step
from ..inversion import Inversion
from ..labels import SearchedLabels

if TYPE_CHECKING:
    import torch

    from ..matching.candidate import ContextPrior, Prior
    from ..matching.distances import Distance


class InvertingGradients(Inversion):
    """Inverting Gradients: matches the gradient's direction, prefers smooth pictures (Geiping et al., NeurIPS 2020).

    Against FedAvg the client's local steps, as far as the attacker knows them, are simulated and differentiated through
    (section 6 of the paper); several rounds of the same batch are matched together. The published search is sign
    "hard", schedule "step", beta1 0.9 and 4,800 to 24,000 iterations; the defaults recover more within 1,000 (measured
    in benchmarks/attacks.py).
    """

    name: Literal["inverting-gradients"] = "inverting-gradients"
    iterations: int = Field(1000, ge=1, le=1_000_000)
    """Adam steps in one trial; papers take up to 24,000."""
    lr: float = Field(0.1, gt=0)
    """Adam's learning rate in pixel units; the published 0.1 in normalized units is about 0.025 here."""
    beta1: float = Field(0.95, ge=0, lt=1)
    """Adam's memory of the gradient."""
    beta2: float = Field(0.999, ge=0, lt=1)
    """Adam's memory of the squared gradient."""
    tv_weight: float = Field(3e-3, ge=0)
    """Weight of the total variation, the mean difference of neighboring pixels: more makes the picture smoother."""
    feature_weight: float = Field(0.0, ge=0)
    """Weight of the feature match: the classifier should receive what its gradient says it received. Exact for one
    image, good for images of different classes; 0.1 in Geiping's "modern" settings. 0 leaves it out."""
    distance: Literal["cosine", "masked-cosine", "squared-l2", "layer-l2"] = "cosine"
    """How updates are compared: by direction ("cosine", as published), by direction where the update is not exactly
    zero ("masked-cosine", against pruning), entry by entry ("squared-l2"), or by the sum of the distances of their
    tensors ("layer-l2")."""
    layers: Literal["all", "first", "largest"] = "all"
    """Which tensors of the update are compared: all, the first ones after the input, or those of largest norm."""
    layer_count: int = Field(10, ge=1)
    """How many tensors "first" and "largest" mean."""
    layer_weights: Literal["equal", "linear", "exponential"] = "equal"
    """How much the tensors count, from the input to the output: all the same, less and less in even steps ("linear"),
    or each about a third of the one before ("exponential")."""
    labels: SearchedLabels = "auto"
    sign: Literal["none", "hard", "soft"] = "none"
    """What Adam sees of the image gradient: all of it ("none"), only its sign ("hard", as published), or a smooth sign
    ("soft")."""
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    """How the learning rate falls: smoothly ("cosine"), to a tenth at 3/8, 5/8 and 7/8 of the iterations ("step", as
    published), or not at all."""
    warmup: int = Field(0, ge=0)
    """Iterations over which the learning rate first rises."""
    boxed: bool = True
    """Keep every pixel in [0, 1] after each iteration."""
    median_filter_every: int = Field(0, ge=0)
    """Iterations between two 3 × 3 median filters, which remove specks at high resolution; 0 for never."""
    start: Literal["gray", "centered", "normal", "uniform", "tiled"] = "gray"
    """Where the search begins: mid-gray, noise around it ("centered", as published), N(0, 1) noise, uniform noise, or
    one repeated random tile."""
    restarts: int = Field(1, ge=1, le=100)
    """Trials, each from another random start; the best is kept."""
    ranked_by: Literal["matching", "total variation"] = "matching"
    """What decides which trial is best: how well its update matches, or how smooth it is."""
    epoch_images: Literal["shared", "mean", "features"] = "shared"
    """Against FedAvg with several local epochs: whether all epochs share the images, or each searches its own, which
    fits a client that shuffles (Dimitrov et al., TMLR 2022). Their sets are then kept alike, by the mean of the images
    ("mean") or by the largest responses to random filters ("features"), and averaged at the end."""
    epoch_weight: float = Field(1.0, ge=0)
    """Weight of the mean squared difference between the epochs, where each has images of its own. The paper's 1000
    ("mean") and 6.075 ("features") go with a distance that is not a share, so compare the curves, not the numbers."""

    def run(self, seen: Observation, rng: torch.Generator) -> Iterator[Step]:
        """One step per iteration of every trial, holding the best of all so far.

        Raises ValueError where the labels or the features cannot be had, or where epochs shall have images of their own
        but the client goes through its batch once, as far as the attacker knows.
        """
        from functools import partial

        import torch

        from ..matching import Recipe, match_updates

        recipe = Recipe(
            distance=self.measure(),
            optimizer=partial(torch.optim.Adam, lr=self.lr, betas=(self.beta1, self.beta2)),
            iterations=self.iterations,
            labels=self.labels,
            priors=self.priors(seen, rng),
            start=self.start,
            schedule=self.schedule,
            warmup=self.warmup,
            sign=self.sign,
            boxed=self.boxed,
            median_filter_every=self.median_filter_every,
            epoch_copies=self.epoch_images != "shared",
            trials=self.restarts,
            ranked_by=self.ranked_by,
        )
        return match_updates(seen, recipe, rng)

    def priors(self, seen: Observation, rng: torch.Generator) -> tuple[Prior | ContextPrior, ...]:
        """The total variation, and what else is switched on."""
        from ..matching import Prior
        from ..matching.context_priors import epoch_prior, feature_prior
        from ..matching.image_priors import total_variation

        found: list[Prior | ContextPrior] = [Prior("total variation", self.tv_weight, total_variation)]
        if self.feature_weight:
            found.append(feature_prior(self.feature_weight, seen))
        if self.epoch_images != "shared":
            found.append(epoch_prior(self.epoch_weight, self.epoch_images, seen.image_shape[0], rng))
        return tuple(found)

    def mismatch(self, seen: Observation, batch: Batch) -> float:
        """The distance that the search would see at ``batch``, without any prior."""
        from ..matching import mismatch

        return mismatch(seen, self.measure(), batch)

    def measure(self) -> Distance:
        """The distance that the fields describe."""
        from ..matching.distances import NAMED, depth_weighted, on_layers

        return on_layers(depth_weighted(NAMED[self.distance], self.layer_weights), self.layers, self.layer_count)
