"""Where the search begins: dummy images drawn from the attack's generator."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Start = Literal["normal", "centered", "uniform", "gray", "tiled"]


def dummy_images(start: Start, shape: tuple[int, ...], rng: torch.Generator) -> Tensor:
    """(B, C, H, W) on the CPU, so that a seed gives the same start on every device.

    "normal" is N(0, 1) in pixel units, as in DLG's public code, mostly outside [0, 1]. "centered" is N(0.5, 0.25²),
    which is N(0, 1) in the normalized units that other papers use. "gray" carries a trace of noise, since images that
    are exactly equal get equal gradients and would never part. "tiled" repeats one random 4 × 4 tile.
    """
    if start == "tiled":
        tile = torch.randn(*shape[:2], 4, 4, generator=rng)
        repeats = [-(-side // 4) for side in shape[2:]]
        return 0.5 + 0.25 * tile.repeat(1, 1, *repeats)[..., : shape[2], : shape[3]]
    noise = torch.rand(shape, generator=rng) if start == "uniform" else torch.randn(shape, generator=rng)
    match start:
        case "normal" | "uniform":
            return noise
        case "centered":
            return 0.5 + 0.25 * noise
        case _:
            return 0.5 + 0.01 * noise
