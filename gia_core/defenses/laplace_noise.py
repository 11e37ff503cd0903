from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from .noise import Noise

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class LaplaceNoise(Noise):
    """Laplace noise: like Gaussian noise, with more very small and very large numbers (Zhu et al., NeurIPS 2019, 5.1).

    Without clipping this bounds nothing, so it is not differential privacy. Of two attacks that know of it, the one
    that compares absolute differences (L1) does better. The parameter b that some papers give is the standard deviation
    divided by the square root of 2.
    """

    name: Literal["laplace-noise"] = "laplace-noise"

    def draw(self, like: Tensor, rng: torch.Generator) -> Tensor:
        """Numbers of the Laplace distribution with mean 0 and variance 1, in the shape of ``like``."""
        import torch

        # The difference of two exponential variables has this distribution, and no logarithm of zero can come up.
        one, other = (torch.empty(like.shape).exponential_(generator=rng) for _ in range(2))
        return ((one - other) / math.sqrt(2)).to(like)
