from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from ...component import Condition
from ...types import Batch, Observation, Step
from ..inversion import Inversion
from ..labels import ReadLabels
from .openings import read_labels

if TYPE_CHECKING:
    import torch


class CINet(Inversion):
    """CI-Net: searches the weights of an untrained network with more weights than pixels (Zhang et al., IJCAI 2023).

    The codes stay the random numbers that they are, and one network draws the whole batch. Adam sees only the signs of
    the gradient. The paper takes 2,000 iterations for up to 16 images at 32 × 32 pixels, 5,000 for up to 64.
    """

    fails_unless: ClassVar[tuple[Condition, ...]] = (
        Condition(
            "model.activation",
            ("sigmoid",),
            "CI-Net is known to work against networks with sigmoids only; with this activation, expect it to fail.",
        ),
    )

    name: Literal["ci-net"] = "ci-net"
    iterations: int = Field(1000, ge=1, le=1_000_000)
    """Adam steps; the paper takes 2,000 to 5,000."""
    lr: float = Field(1e-3, gt=0)
    """Adam's learning rate."""
    sign: bool = True
    """Let Adam see only the signs of the gradient, as published."""
    tv_weight: float = Field(0.0, ge=0)
    """Weight of the total variation, the mean difference of neighboring pixels; none as published."""
    labels: ReadLabels = "auto"

    def run(self, seen: Observation, rng: torch.Generator) -> Iterator[Step]:
        """One step per iteration. Raises ValueError where the labels cannot be had."""
        from functools import partial

        import torch

        from ...models.layers import drawn_from
        from ..matching import Prior
        from ..matching.distances import cosine
        from ..matching.image_priors import total_variation
        from .drawings import by_shared_weights
        from .search import Search, Stage
        from .untrained import CODE, over_parameterized

        restored = read_labels(seen, self.labels, rng)
        with drawn_from(rng):
            network = over_parameterized(seen.image_shape, seen.batch_size).to(seen.device)
        codes = torch.randn(seen.batch_size, CODE, generator=rng).to(seen.device)
        smooth = Prior("total variation", self.tv_weight, total_variation)
        search = Search(seen, restored.labels, cosine, (smooth,), restored.tables())
        optimizer = partial(torch.optim.Adam, lr=self.lr)
        stage = Stage(self.iterations, optimizer, schedule="constant", sign=self.sign)
        return search.run(by_shared_weights(network, codes), stage, before=0, iterations=self.iterations)

    def mismatch(self, seen: Observation, batch: Batch) -> float:
        """The distance that the search would see at ``batch``, without any prior."""
        from ..matching import mismatch
        from ..matching.distances import cosine

        return mismatch(seen, cosine, batch)
