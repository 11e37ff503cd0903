from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ..types import Batch
from .encoding import Encoded, Encoding

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class ATS(Encoding):
    """ATS: every image is altered by one of two transformation policies (Gao et al., CVPR 2021).

    The policies are those that the authors' search found; the search itself is not part of this. The attacker gets the
    altered images, and who knows the policies can undo most of what they do. It gives no differential privacy.
    """

    name: Literal["ats"] = "ats"
    policy: Literal["3-1-7+43-18-18", "21-13-3+7-4-15"] = "3-1-7+43-18-18"
    """Two policies of three steps each, by their numbers in the authors' list: the pair found for a ResNet-20, or that
    for a ConvNet. The steps are shifts and changes of contrast, brightness or sharpness."""
    strength: float = Field(1, ge=0, le=1)
    """Share of the published magnitudes; 0 leaves the images as they are."""

    def encode(self, batch: Batch, classes: int, rng: torch.Generator, public: Tensor | None = None) -> Encoded:
        """One policy per image, each step in a direction of its own, by chance; the labels stay."""
        from .transformations import Altered, draw

        key = Altered(tuple(draw(self.policy, self.strength, rng) for _ in batch.images))
        return Encoded(Batch(key.apply(batch.images), batch.labels) if self.strength else batch, key)
