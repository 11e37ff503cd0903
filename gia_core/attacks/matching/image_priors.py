"""What natural images look like. Each maps (B, C, H, W) to a scalar, lower for likelier images."""

from __future__ import annotations

import math

from torch import Tensor


def total_variation(images: Tensor) -> Tensor:
    """Mean absolute difference of neighboring pixels, across plus down, inside the image only (Rudin et al., 1992)."""
    across = (images[..., :, 1:] - images[..., :, :-1]).abs().mean()
    down = (images[..., 1:, :] - images[..., :-1, :]).abs().mean()
    return across + down


def distance_from_gray(images: Tensor) -> Tensor:
    """Root mean square of the pixels around mid-gray, the middle of what is possible (Yin et al., CVPR 2021, eq. 9)."""
    return root_mean_square(images - 0.5)


def root_mean_square(difference: Tensor) -> Tensor:
    """Of all entries, a scalar; its slope at zero is zero, not infinite."""
    import torch

    norm: Tensor = torch.linalg.vector_norm(difference)
    return norm / math.sqrt(difference.numel())


def median_filtered(images: Tensor) -> Tensor:
    """(B, C, H, W) with each pixel replaced by the median of its 3 × 3 neighborhood, borders repeated."""
    import torch.nn.functional as F

    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    windows = padded.unfold(2, 3, 1).unfold(3, 3, 1)
    return windows.flatten(-2).median(dim=-1).values
