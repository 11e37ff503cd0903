from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ...types import Batch, Observation, Step
from ..inversion import Inversion
from ..labels import ReadLabels
from .openings import read_labels

if TYPE_CHECKING:
    import torch


class DeepImagePrior(Inversion):
    """Deep image prior: searches the weights of an untrained network, which draws smooth pictures before noise (Ulyanov
    et al., CVPR 2018; against gradients in Jeon et al., NeurIPS 2021).

    An encoder and decoder with skip connections turns noise that stays the same into the images of the whole batch.
    Ending early is part of the method: the longer the search, the more noise the network can draw, too.
    """

    name: Literal["deep-image-prior"] = "deep-image-prior"
    iterations: int = Field(1000, ge=1, le=1_000_000)
    """Adam steps."""
    lr: float = Field(3e-3, gt=0)
    """Adam's learning rate; 0.001 to 0.01 are usual."""
    width: int = Field(32, ge=4, le=256, multiple_of=4)
    """Channels of every layer."""
    jitter: float = Field(0.03, ge=0)
    """Standard deviation of fresh noise on the input at every iteration, which keeps the network from drawing noise."""
    tv_weight: float = Field(1e-4, ge=0)
    """Weight of the total variation, the mean difference of neighboring pixels."""
    distance: Literal["cosine", "masked-cosine", "squared-l2", "layer-l2"] = "cosine"
    """How updates are compared: by direction ("cosine"), by direction where the update is not exactly zero
    ("masked-cosine", against pruning), entry by entry ("squared-l2"), or by the sum of the distances of their tensors
    ("layer-l2")."""
    labels: ReadLabels = "auto"

    def run(self, seen: Observation, rng: torch.Generator) -> Iterator[Step]:
        """One step per iteration. Raises ValueError where the labels cannot be had."""
        from functools import partial

        import torch

        from ...models.layers import drawn_from
        from ..matching import Prior
        from ..matching.distances import NAMED
        from ..matching.image_priors import total_variation
        from .drawings import by_shared_weights
        from .search import Search, Stage
        from .untrained import NOISE_CHANNELS, Hourglass

        restored = read_labels(seen, self.labels, rng)
        with drawn_from(rng):
            network = Hourglass(seen.image_shape, self.width).to(seen.device)
        noise = torch.rand(seen.batch_size, NOISE_CHANNELS, *seen.image_shape[1:], generator=rng)

        def jittered() -> torch.Tensor:
            return (noise + self.jitter * torch.randn(noise.shape, generator=rng)).to(seen.device)

        smooth = Prior("total variation", self.tv_weight, total_variation)
        search = Search(seen, restored.labels, NAMED[self.distance], (smooth,), restored.tables())
        stage = Stage(self.iterations, partial(torch.optim.Adam, lr=self.lr, fused=True))
        return search.run(by_shared_weights(network, jittered), stage, before=0, iterations=self.iterations)

    def mismatch(self, seen: Observation, batch: Batch) -> float:
        """The distance that the search would see at ``batch``, without any prior."""
        from ..matching import mismatch
        from ..matching.distances import NAMED

        return mismatch(seen, NAMED[self.distance], batch)
