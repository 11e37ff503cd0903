"""How far a prior's samples are from real images, by features of a small network trained on the same data."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..component import Component
from ..models import LeNet
from ..models.training import Training, generator, prepare
from ..types import Data

GRID = 2
"""Features are averaged over this many places down and across."""
EPOCHS = 5


def feature_network(dataset: Component, data: Data, *, home: Path, device: str) -> Generator[Training, None, nn.Module]:
    """A LeNet that tells the classes apart, without its classifier: (B, C, H, W) to (B, 12, H', W').

    It is trained once per data set; the seed is always the same, so that figures can be compared.
    """
    network = yield from prepare(
        LeNet(activation="relu", training=EPOCHS), dataset, data, seed=0, home=home, device=device
    )
    assert isinstance(network, nn.Sequential)
    return network[:-2].requires_grad_(False)


def features(network: nn.Module, images: Tensor) -> Tensor:
    """(N, C, H, W) to (N, 48)."""
    with torch.no_grad():
        return torch.cat([F.adaptive_avg_pool2d(network(part), GRID).flatten(1) for part in images.split(256)]).double()


def floor(real: Tensor, count: int, seed: int) -> float:
    """Distance between two halves of the real images' features (N, 48), one of them as large as ``count`` samples where
    there are enough: what is as good as it gets."""
    order = torch.randperm(len(real), generator=generator(seed, "halves"))
    half = min(count, len(order) // 2)
    return frechet_distance(real[order[:half]], real[order[half:]])


def frechet_distance(one: Tensor, other: Tensor) -> float:
    """Between two clouds of features, (N, D) and (M, D), taken for Gaussian: ‖μ − μ'‖² + tr(Σ + Σ' − 2 (Σ Σ')^½).

    (Dowson and Landau, 1982; Heusel et al., NeurIPS 2017, equation 6.) The trace of the root is the sum of the roots
    of the eigenvalues of Σ Σ', which are real and not negative.
    """
    apart = (one.mean(dim=0) - other.mean(dim=0)).square().sum()
    ours, theirs = one.T.cov(), other.T.cov()
    roots = torch.linalg.eigvals(ours @ theirs).real.clamp_min(0).sqrt()
    return float((apart + ours.trace() + theirs.trace() - 2 * roots.sum()).clamp_min(0))
