from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from ...component import Condition
from ...types import UNKNOWN, Batch, Observation, Step
from ..inversion import Inversion
from ..labels import SearchedLabels

if TYPE_CHECKING:
    import torch

    from ..matching.distances import Distance
    from .search import Stage


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
    recipe: Literal["ci-net", "grnn"] = "ci-net"
    """Whose network and objective: CI-Net's, or those of GRNN (Ren et al., ACM TIST 2022): gated layers, the distance
    of the updates entry by entry plus its root, and RMSprop. GRNN also draws the labels: set them to joint."""
    iterations: int = Field(1000, ge=1, le=1_000_000)
    """Steps of the optimizer; CI-Net's paper takes 2,000 to 5,000, GRNN's 1,000."""
    lr: float | None = Field(None, gt=0)
    """Learning rate. Empty: 0.002 for CI-Net, whose paper takes 0.001, and the published 0.0001 for GRNN."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """How CI-Net's learning rate falls: smoothly, or not at all, as published; GRNN's never does."""
    sign: bool = True
    """Let CI-Net's Adam see only the signs of the gradient, as published; GRNN's RMSprop sees all of it."""
    tv_weight: float | None = Field(None, ge=0)
    """Weight of the total variation, the mean difference of neighboring pixels. Empty: as published, none for CI-Net
    and 0.001 for GRNN."""
    labels: SearchedLabels = "auto"

    def run(self, seen: Observation, rng: torch.Generator) -> Iterator[Step]:
        """One step per iteration. Raises ValueError where the labels cannot be had."""
        import torch
        from torch import nn

        from ...models.layers import drawn_from
        from ..labels.restore import restore_labels
        from ..matching import Prior
        from ..matching.image_priors import total_variation
        from .drawings import by_shared_weights, with_labels
        from .search import Search
        from .untrained import CODE, Gated, OverParameterized, over_parameterized

        restored = restore_labels(self.labels, seen, rng)
        kind = Gated if self.recipe == "grnn" else OverParameterized
        with drawn_from(rng):
            network = over_parameterized(kind, seen.image_shape, seen.batch_size).to(seen.device)
        codes = torch.randn(seen.batch_size, CODE, generator=rng).to(seen.device)
        drawing = by_shared_weights(network, codes)
        if restored is None:
            with drawn_from(rng):
                scores = nn.Linear(CODE, seen.num_classes).to(seen.device)
            drawing = with_labels(drawing, scores, codes)
        smooth = Prior("total variation", self.smoothness, total_variation)
        labels = torch.full((seen.batch_size,), UNKNOWN) if restored is None else restored.labels
        tables = () if restored is None else restored.tables()
        search = Search(seen, labels, self.measure(), (smooth,), tables)
        return search.run(drawing, self.stage(), before=0, iterations=self.iterations)

    def stage(self) -> Stage:
        """The optimizer of the recipe."""
        from functools import partial

        import torch

        from .search import Stage

        if self.recipe == "grnn":
            rmsprop = partial(torch.optim.RMSprop, lr=self.lr or 1e-4, momentum=0.99)
            return Stage(self.iterations, rmsprop, schedule="constant")
        adam = partial(torch.optim.Adam, lr=self.lr or 2e-3)
        return Stage(self.iterations, adam, schedule=self.schedule, sign=self.sign)

    @property
    def smoothness(self) -> float:
        """The weight of the total variation."""
        published = 1e-3 if self.recipe == "grnn" else 0.0
        return published if self.tv_weight is None else self.tv_weight

    def mismatch(self, seen: Observation, batch: Batch) -> float:
        """The distance that the search would see at ``batch``, without any prior."""
        from ..matching import mismatch

        return mismatch(seen, self.measure(), batch)

    def measure(self) -> Distance:
        """The distance of the recipe."""
        from ..matching.distances import cosine, squared_and_plain_l2

        return squared_and_plain_l2 if self.recipe == "grnn" else cosine
