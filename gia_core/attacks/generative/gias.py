from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from ...types import Batch, Observation, Step
from ..inversion import InStages
from ..labels import ReadLabels
from .openings import opened, read_labels

if TYPE_CHECKING:
    import torch

    from ...priors.generator import Generator
    from ..matching.distances import Distance
    from .search import Search


class GIAS(InStages):
    """GIAS: searches the images a prior can draw, then lets the prior adapt to each image (Jeon et al., NeurIPS 2021).

    First the codes are searched that the generator draws the images from, then, from the best codes on, the weights of
    a generator of its own for every image. The paper takes 500 and 5,000 iterations at 32 × 32 pixels and the learning
    rates 0.03 and 0.001.
    """

    name: Literal["gias"] = "gias"
    prior: str = Field("auto", max_length=40)
    """Name of the prior; "auto" takes one that has learned from training images of the victims' data set."""
    latent_iterations: int = Field(300, ge=0, le=1_000_000)
    """Iterations in which the codes are searched; 0 leaves that stage out, so that the codes stay random."""
    weight_iterations: int = Field(700, ge=0, le=1_000_000)
    """Iterations in which the generator's weights are searched; 0 leaves that stage out."""
    latent_lr: float = Field(0.05, gt=0)
    """Adam's learning rate for the codes."""
    weight_lr: float = Field(1e-3, gt=0)
    """Adam's learning rate for the weights."""
    spread: float = Field(0.3, ge=0)
    """Standard deviation of the codes that the search begins with. Those of typical images have 1; less begins near the
    most typical one."""
    tv_weight: float = Field(1e-5, ge=0)
    """Weight of the total variation, the mean difference of neighboring pixels; the prior makes most of it needless."""
    code_weight: float = Field(1e-4, ge=0)
    """Weight of the mean square of the codes, which keeps them where the generator has learned to draw."""
    distance: Literal["cosine", "masked-cosine", "squared-l2", "layer-l2"] = "cosine"
    """How updates are compared: by direction ("cosine", as published), by direction where the update is not exactly
    zero ("masked-cosine", against pruning), entry by entry ("squared-l2"), or by the sum of the distances of their
    tensors ("layer-l2")."""
    labels: ReadLabels = "auto"
    restarts: int = Field(1, ge=1, le=100)
    """Random codes from which the latent search begins one after another; the weights are searched from the best."""

    @model_validator(mode="after")
    def searches_something(self) -> Self:
        """At least one of the stages takes place."""
        if not self.latent_iterations and not self.weight_iterations:
            raise ValueError("There is nothing to search without iterations; give the codes or the weights some.")
        return self

    @property
    def planned(self) -> int:
        return self.restarts * self.latent_iterations + self.weight_iterations

    def shared_out(self, iterations: int) -> dict[str, int]:
        share = self.latent_iterations / (self.latent_iterations + self.weight_iterations)
        latent = round(share * iterations)
        return {"latent_iterations": latent, "weight_iterations": iterations - latent, "restarts": 1}

    def run(self, seen: Observation, rng: torch.Generator) -> Iterator[Step]:
        """One step per iteration of either stage, holding the best images of both.

        Raises ValueError where there is no such prior, where it does not fit the images, or where the labels cannot be
        had.
        """
        from ..matching import Prior
        from ..matching.image_priors import total_variation
        from .search import Search

        generator = opened(seen, self.prior)
        restored = read_labels(seen, self.labels, rng)
        smooth = Prior("total variation", self.tv_weight, total_variation)
        search = Search(seen, restored.labels, self.measure(), (smooth,), restored.tables())
        return self.stages(search, generator, rng)

    def stages(self, search: Search, generator: Generator, rng: torch.Generator) -> Iterator[Step]:
        """First the codes, from several starts, then the weights from the best of them."""
        from functools import partial

        import torch

        from .drawings import by_codes, by_own_weights
        from .search import Stage

        seen = search.seen
        asked = search.labels if generator.num_classes == seen.num_classes else None
        adam = partial(torch.optim.Adam, fused=True)  # there are copies of the generator's weights for every image
        latent = Stage(self.latent_iterations, partial(adam, lr=self.latent_lr), pull=self.code_weight)
        adapting = Stage(self.weight_iterations, partial(adam, lr=self.weight_lr))
        iterations = self.restarts * latent.iterations + adapting.iterations
        found: list[tuple[float, torch.Tensor]] = []
        for start in range(self.restarts):
            codes = self.spread * torch.randn(seen.batch_size, *generator.latent_shape, generator=rng)
            drawing = by_codes(generator, codes.to(seen.device), asked)
            lowest = yield from search.run(drawing, latent, before=start * latent.iterations, iterations=iterations)
            found.append((lowest, drawing.unknowns[0].detach()))
        _, codes = min(found, key=lambda start: start[0])
        before = self.restarts * latent.iterations
        yield from search.run(by_own_weights(generator, codes, asked), adapting, before=before, iterations=iterations)

    def mismatch(self, seen: Observation, batch: Batch) -> float:
        """The distance that the search would see at ``batch``, without any prior."""
        from ..matching import mismatch

        return mismatch(seen, self.measure(), batch)

    def measure(self) -> Distance:
        """The distance that the fields describe."""
        from ..matching.distances import NAMED

        return NAMED[self.distance]
