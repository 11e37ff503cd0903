from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ..types import Batch
from .encoding import Encoded, Encoding

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from .mixing import Mixture


class InstaHide(Encoding):
    """InstaHide: images are averaged, then the sign of random pixels is flipped (Huang et al., ICML 2020).

    Pixels are measured from mid-gray, so a flipped pixel is its own negative. Carlini et al. (IEEE S&P 2021) broke it:
    the magnitudes of a few encodings of the same images give the images away. It gives no differential privacy.
    """

    name: Literal["instahide"] = "instahide"
    partners: Literal["inside", "cross"] = "inside"
    """What is averaged. "inside": private images only. "cross": two private images, or the only one of the batch, with
    public ones, which are taken from the training part of the data set."""
    k: int = Field(4, ge=1, le=6)
    """Images that are averaged into one, public ones included."""
    max_weight: float = Field(0.65, ge=0.55, le=1)
    """Largest share that one image may have in an average of two or more."""
    min_private: float = Field(0.3, ge=0, le=0.5)
    """For "cross": the least that the shares of the private images add up to."""
    flips: float = Field(0.5, ge=0, le=0.5)
    """Share of the pixels whose sign is flipped: 0.5 as published, 0 for none."""

    @property
    def needs_public(self) -> bool:
        """To mix with."""
        return self.partners == "cross"

    @property
    def least_batch(self) -> int:
        """As many as are mixed of the private images, where no public one can take their place."""
        return 1 if self.partners == "cross" else self.k

    def encode(self, batch: Batch, classes: int, rng: torch.Generator, public: Tensor | None = None) -> Encoded:
        """Raises ValueError where "cross" is asked for without public images."""
        import torch

        key = self.cross(batch, classes, rng, public) if self.partners == "cross" else self.inside(batch, classes, rng)
        mixed = batch if self.k == 1 else key.mixed(batch)
        if self.flips:
            flipped = torch.rand(mixed.images.shape, generator=rng).to(mixed.images) < self.flips
            mixed = Batch(torch.where(flipped, 1 - mixed.images, mixed.images), mixed.labels)
        return Encoded(mixed, key)

    def inside(self, batch: Batch, classes: int, rng: torch.Generator) -> Mixture:
        """Weights over the private images, drawn as for MixUp."""
        from .mixing import Mixture, dirichlet, matrix, partners

        size = len(batch.images)
        chosen = partners(size, self.k, rng)
        weights = matrix(chosen, dirichlet(size, self.k, self.max_weight, rng), size)
        dark = bool(batch.images.mean() < 0.5)
        return Mixture(weights.to(batch.images), classes, signs_hidden=self.flips > 0, dark=dark)

    def cross(self, batch: Batch, classes: int, rng: torch.Generator, public: Tensor | None) -> Mixture:
        """Weights |N(0, 1)|, scaled to sum to 1 and bounded, over private and public images."""
        import torch

        from .mixing import Mixture, accepted, matrix, partners

        if public is None or not len(public):
            raise ValueError("Cross-dataset InstaHide needs public images; choose another data set or mix inside it.")
        size = len(batch.images)
        private = min(2, size, self.k)

        def draw(rows: int) -> Tensor:
            found = torch.randn(rows, self.k, generator=rng).abs()
            return found / found.sum(dim=1, keepdim=True)

        def accept(found: Tensor) -> Tensor:
            return (found.amax(dim=1) <= self.max_weight) & (found[:, :private].sum(dim=1) >= self.min_private)

        weights = torch.ones(size, 1) if self.k == 1 else accepted(draw, accept, size)
        ours = matrix(partners(size, private, rng), weights[:, :private], size).to(batch.images)
        if self.k == private:
            return Mixture(ours, classes, signs_hidden=self.flips > 0, dark=bool(batch.images.mean() < 0.5))
        others = torch.randint(len(public), (size, self.k - private), generator=rng)
        added = torch.einsum("ij,ijchw->ichw", weights[:, private:], public.cpu()[others] - 0.5).to(batch.images)
        return Mixture(ours, classes, added, signs_hidden=self.flips > 0)
