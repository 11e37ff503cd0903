from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from .noise import Noise, gaussian

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class GaussianNoise(Noise):
    """Gaussian noise: random numbers are added to every entry of the update (Zhu et al., NeurIPS 2019, section 5.1).

    Without clipping this bounds nothing, so it is not differential privacy.
    """

    name: Literal["gaussian-noise"] = "gaussian-noise"

    def draw(self, like: Tensor, rng: torch.Generator) -> Tensor:
        """Standard normal numbers in the shape of ``like``."""
        return gaussian(like, rng)
