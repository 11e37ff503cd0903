from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ..component import Component
from ..types import Data
from .choices import Activation, Epochs

if TYPE_CHECKING:
    import torch
    from torch import nn


class ViT(Component):
    """ViT: a small vision transformer with learned positions (Dosovitskiy et al., ICLR 2021)."""

    name: Literal["vit"] = "vit"
    patch: Literal[2, 4, 8, 16] = 4
    """Side in pixels of the square patches into which the image is cut."""
    dim: Literal[32, 48, 64, 96, 128, 192, 384, 768] = 96
    """Numbers that describe one patch inside the network."""
    depth: int = Field(4, ge=1, le=12)
    """Number of transformer blocks."""
    heads: Literal[1, 2, 4, 8] = 4
    """Attention patterns computed side by side; each works on its share of the numbers."""
    first_block: Literal["standard", "bare"] = "standard"
    """"bare" gives the first attention the patches as they are, without normalization and without a path around it:
    the variant for which APRIL was published (Lu et al., CVPR 2022)."""
    position_scale: float = Field(0.02, gt=0, le=10)
    """Standard deviation of the learned positions before training: 0.02 as published, 1 in other common code. More
    makes the patches' gradients differ more, and APRIL's equations steadier."""
    activation: Activation = "gelu"
    training: Epochs = 0

    def objection(self, image_shape: tuple[int, int, int]) -> str | None:
        """Patches must cover the image without remainder."""
        _, height, width = image_shape
        if height % self.patch == 0 and width % self.patch == 0:
            return None
        return (
            f"vit cannot cut {height} x {width} pixels into patches of {self.patch} x {self.patch}; "
            "choose another patch or image size."
        )

    def build(self, data: Data, rng: torch.Generator) -> nn.Module:
        """Raises ValueError with the objection where the patches do not fit the images."""
        import torch
        from torch import nn

        from .attention import Block, VisionTransformer
        from .layers import Normalize, drawn_from

        if reason := self.objection(data.image_shape):
            raise ValueError(reason)
        channels, height, width = data.image_shape
        with drawn_from(rng):
            blocks = [
                Block(self.dim, self.heads, activation=self.activation, bare=self.first_block == "bare" and index == 0)
                for index in range(self.depth)
            ]
            patches = (height // self.patch) * (width // self.patch)
            network = VisionTransformer(
                channels, patches, blocks, patch=self.patch, dim=self.dim, classes=len(data.class_names)
            )
            with torch.no_grad():
                network.positions.mul_(self.position_scale)
        return nn.Sequential(Normalize(data), network).eval()
