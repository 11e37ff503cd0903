"""Priors that see more than the images: what layers receive, what other seeds found, what other epochs hold."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ...types import BatchNormStatistics, Observation
from ..labels.evidence import classifier_gradient
from .candidate import Candidate, ContextPrior
from .image_priors import root_mean_square

FILTERS = 96
"""Random convolution filters through which epochs are compared, as in Dimitrov et al.'s CIFAR-100 experiments."""


def batch_norm_prior(weight: float, granted: tuple[BatchNormStatistics, ...]) -> ContextPrior:
    """Distance of what the BatchNorm layers receive from the statistics ``granted``.

    The mean over the layers of ‖mean − its mean‖₂ / ‖its deviation‖₂ + ‖variance − its variance‖₂ / ‖its variance‖₂,
    with the biased variance and norms that are not squared. In Yin et al. (CVPR 2021, equation 10) these are not shares
    but the norms themselves; then the layers with the largest features decide alone. Raises ValueError where there is
    no such layer.
    """
    if not granted:
        raise ValueError("The model has no BatchNorm layers; choose a model with normalization batch.")
    sizes = [(its.var.sum().sqrt().clamp_min(1e-12), its.var.norm().clamp_min(1e-12)) for its in granted]

    def distance(candidate: Candidate) -> Tensor:
        heard = candidate.heard.batch_norm
        means = [
            (ours.mean - its.mean).norm() / size for ours, its, (size, _) in zip(heard, granted, sizes, strict=True)
        ]
        spreads = [
            (ours.var - its.var).norm() / size for ours, its, (_, size) in zip(heard, granted, sizes, strict=True)
        ]
        return torch.stack(means + spreads).sum() / len(granted)

    return ContextPrior("batch norm", weight, distance)


def group_prior(weight: float) -> ContextPrior:
    """Root mean square distance from what the seeds agree on; zero while nothing is agreed.

    (Yin et al., CVPR 2021, equation 11, where the norm is not divided by the root of the number of pixels.)
    """

    def distance(candidate: Candidate) -> Tensor:
        if candidate.consensus is None:
            return candidate.images.new_zeros(())
        return root_mean_square(candidate.images - candidate.consensus)

    return ContextPrior("group consistency", weight, distance, comparable=False)


def epoch_prior(weight: float, compared_by: str, channels: int, rng: torch.Generator) -> ContextPrior:
    """How much the images of the local epochs differ as sets, whatever their order (Dimitrov et al., TMLR 2022).

    Mean over the pairs of epochs of the mean squared difference between the mean of their images ("mean"), or between
    the largest response of any image to random 3 × 3 filters, place by place ("features").
    """
    filters = torch.randn(FILTERS, channels, 3, 3, generator=rng) / (9 * channels) ** 0.5

    def summary(images: Tensor) -> Tensor:
        if compared_by == "mean":
            return images.mean(dim=0)
        return F.conv2d(images, filters.to(images)).amax(dim=0)

    def distance(candidate: Candidate) -> Tensor:
        seen = torch.stack([summary(images) for images in candidate.epochs])
        # Over the pairs of a set, the mean squared difference is twice the unbiased variance.
        return 2 * seen.var(dim=0).mean() if len(seen) > 1 else seen.new_zeros(())

    return ContextPrior("epoch consistency", weight, distance)


def feature_prior(weight: float, seen: Observation) -> ContextPrior:
    """Distance of what the classifier receives from what its gradient says it received (Geiping et al.'s "modern").

    The row of a class in the gradient of the classifier's weight, divided by the entry of its bias, is the feature
    vector of that class's image, exactly for one image and nearly for different labels; classes that occur more than
    once are left out. The squared distance, as a share of the squared size. Raises ValueError without a bias.
    """
    rows, entries = classifier_gradient(seen)
    if entries is None:
        raise ValueError("The feature match needs a classifier with a bias; set its weight to 0.")
    told = entries.abs() > 1e-12
    by_class = rows / torch.where(told, entries, torch.ones_like(entries))[:, None]

    def distance(candidate: Candidate) -> Tensor:
        labels = candidate.labels if candidate.labels.dim() == 1 else candidate.labels.detach().argmax(dim=1)
        alone = (labels[:, None] == labels).sum(dim=1) == 1
        usable = (alone & told[labels]).to(rows)[:, None]
        target = usable * by_class[labels]
        features = candidate.heard.features.reshape(-1, *target.shape)
        difference: Tensor = usable * features - target
        return difference.square().sum(dim=(1, 2)).mean() / target.square().sum().clamp_min(1e-12)

    return ContextPrior("feature match", weight, distance)
