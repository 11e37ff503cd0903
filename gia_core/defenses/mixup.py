from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from .encoding import Encoded, Encoding

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ..types import Batch


class MixUp(Encoding):
    """MixUp: the client trains on weighted averages of its own images and labels (Zhang et al., ICLR 2018).

    With the weights of Huang et al. (NeurIPS 2021). This is no encryption: whoever knows the weights, or
    guesses them from enough updates, solves for the images. It gives no differential privacy either.
    """

    name: Literal["mixup"] = "mixup"
    k: int = Field(4, ge=1, le=6)
    """Private images that are averaged into one; 1 mixes nothing. The batch needs at least as many."""
    max_weight: float = Field(0.65, ge=0.55, le=1)
    """Largest share that one image may have in an average of two or more."""

    @property
    def least_batch(self) -> int:
        """As many as are mixed."""
        return self.k

    def encode(self, batch: Batch, classes: int, rng: torch.Generator, public: Tensor | None = None) -> Encoded:
        """Every image of the batch is in k of the averages, and its first share comes from the heavier law."""
        from .mixing import Mixture, dirichlet, matrix, partners

        size = len(batch.images)
        chosen = partners(size, self.k, rng)
        weights = matrix(chosen, dirichlet(size, self.k, self.max_weight, rng), size).to(batch.images)
        key = Mixture(weights, classes)
        return Encoded(batch if self.k == 1 else key.mixed(batch), key)
