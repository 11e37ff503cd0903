from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ...types import Batch, Observation, Step
from ..inversion import Inversion

if TYPE_CHECKING:
    import torch

    from ..matching.distances import Distance


class InvertingGradients(Inversion):
    """Inverting Gradients: matches the gradient's direction, prefers smooth pictures (Geiping et al., NeurIPS 2020).

    Against FedAvg the client's local steps are simulated and differentiated through (section 6 of the paper). The
    published search is sign "hard", schedule "step", beta1 0.9 and 4,800 to 24,000 iterations; the defaults recover
    more within 1,000 (measured in benchmarks/attacks.py).
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
    distance: Literal["cosine", "squared-l2"] = "cosine"
    """How updates are compared: by direction ("cosine", as published) or entry by entry ("squared-l2")."""
    layers: Literal["all", "first", "largest"] = "all"
    """Which tensors of the update are compared: all, the first ones after the input, or those of largest norm."""
    layer_count: int = Field(10, ge=1)
    """How many tensors "first" and "largest" mean."""
    labels: Literal["auto", "known", "idlg", "joint"] = "auto"
    """How the labels are found: granted ("known"), read off the gradient of one image ("idlg"), searched with the
    images ("joint"), or the first of these that applies ("auto")."""
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

    def run(self, seen: Observation, rng: torch.Generator) -> Iterator[Step]:
        from functools import partial

        import torch

        from ..matching import Prior, Recipe, match_updates
        from ..matching.image_priors import total_variation

        recipe = Recipe(
            distance=self.measure(),
            optimizer=partial(torch.optim.Adam, lr=self.lr, betas=(self.beta1, self.beta2)),
            iterations=self.iterations,
            labels=self.labels,
            priors=(Prior("total variation", self.tv_weight, total_variation),),
            start=self.start,
            schedule=self.schedule,
            warmup=self.warmup,
            sign=self.sign,
            boxed=self.boxed,
            median_filter_every=self.median_filter_every,
            trials=self.restarts,
            ranked_by=self.ranked_by,
        )
        return match_updates(seen, recipe, rng)

    def mismatch(self, seen: Observation, batch: Batch) -> float:
        """The distance that the search would see at ``batch``, without the prior."""
        from ..matching import mismatch

        return mismatch(seen, self.measure(), batch)

    def measure(self) -> Distance:
        from ..matching.distances import cosine, on_layers, squared_l2

        distance = cosine if self.distance == "cosine" else squared_l2
        return on_layers(distance, self.layers, self.layer_count)
