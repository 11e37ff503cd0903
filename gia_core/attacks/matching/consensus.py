"""What several seeds agree on (Yin et al., CVPR 2021), and what several epochs do (Dimitrov et al., TMLR 2022)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

REACH = 3
"""Pixels by which a seed may be shifted at most."""


@dataclass(frozen=True)
class Agreement:
    """When and how the seeds' mean is taken, to which each of them is then drawn."""

    starts: float
    """Share of the iterations after which the seeds first look at each other."""
    every: int
    """Iterations between two such looks."""
    registered: bool = False
    """Shift every image onto the mean before the mean is taken anew."""

    def due(self, iteration: int, iterations: int) -> bool:
        """Whether the seeds look at each other before this iteration, counted from 1."""
        since = iteration - 1 - round(self.starts * iterations)
        return since >= 0 and since % self.every == 0

    def consensus(self, seeds: Tensor) -> Tensor:
        """(S, B, C, H, W) to (B, C, H, W)."""
        mean = seeds.mean(dim=0)
        if not self.registered:
            return mean
        shifted = [onto(image, target) for images in seeds for image, target in zip(images, mean, strict=True)]
        return torch.stack(shifted).reshape_as(seeds).mean(dim=0)


def onto(image: Tensor, reference: Tensor) -> Tensor:
    """``image`` (C, H, W), shifted to where it fits ``reference`` best; border pixels are repeated."""
    down, right = shift(image, reference)
    padded = F.pad(image[None], (REACH,) * 4, mode="replicate")[0]
    height, width = image.shape[1:]
    return padded[:, REACH - down : REACH - down + height, REACH - right : REACH - right + width]


def shift(image: Tensor, reference: Tensor) -> tuple[int, int]:
    """By how many pixels to move ``image`` down and right, each up to ``REACH``, so that it fits ``reference`` best.

    The peak of the phase correlation of the two, summed over the channels (Kuglin and Hines, 1975). Both are (C, H, W).
    """
    spectra = torch.fft.fft2(reference) * torch.fft.fft2(image).conj()
    product = spectra.sum(dim=0)
    correlation = torch.fft.ifft2(product / product.abs().clamp_min(1e-12)).real
    height, width = correlation.shape
    moves = range(-REACH, REACH + 1)
    window = correlation[[d % height for d in moves]][:, [r % width for r in moves]]
    best = int(window.argmax())
    return moves[best // len(moves)], moves[best % len(moves)]


def aligned_mean(epochs: Tensor) -> Tensor:
    """(E, B, C, H, W) to (B, C, H, W): each epoch in the order that fits the first one best, then the mean.

    (Hungarian method on squared errors, Kuhn 1955.)
    """
    from scipy.optimize import linear_sum_assignment

    first, aligned = epochs[0], [epochs[0]]
    for images in epochs[1:]:
        costs = torch.cdist(first.flatten(1), images.flatten(1)).square().nan_to_num(nan=1e6, posinf=1e6)
        order = linear_sum_assignment(costs.cpu().numpy())[1]
        aligned.append(images[torch.from_numpy(order).to(images.device)])
    return torch.stack(aligned).mean(dim=0)
