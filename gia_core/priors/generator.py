"""What a prior is once it is loaded: a network that draws images from random codes."""

from __future__ import annotations

from torch import Tensor, nn


class Generator(nn.Module):
    """Codes in, images out; what the generative attacks search in, whoever trained it.

    A code of standard normal numbers gives a typical image. The generator judges every image on its own, so that its
    weights may differ from image to image, and it behaves the same in training and evaluation mode.
    """

    image_shape: tuple[int, int, int]
    """(C, H, W)."""
    latent_shape: tuple[int, ...]
    """Of the code of one image."""
    num_classes: int
    """Classes it can be asked for; 0 for an unconditional one."""

    def forward(self, codes: Tensor, labels: Tensor | None = None) -> Tensor:
        """(B, *latent_shape) to (B, C, H, W) in [0, 1], twice differentiable.

        ``labels`` (B,) are class indices; None, or UNKNOWN in a place, asks for no class in particular. An
        unconditional generator takes no notice of them.
        """
        raise NotImplementedError
