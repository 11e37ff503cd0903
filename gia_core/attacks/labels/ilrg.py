from __future__ import annotations

import torch
from torch import Tensor

from ...models import classifier
from .evidence import Evidence
from .restored import RestoredLabels, from_estimate

NOTE = (
    "weight over bias gradient gives a class's mean features, these its probabilities, and a linear system then the "
    "numbers of images."
)
LEAST_SINGULAR = 0.03
"""Directions of the system that are weaker than this share of its strongest one tell nothing."""
BALANCED = 1.0
"""Images by which a class has to differ from what the model expects, for its own features to outweigh the mean's."""


def restore(evidence: Evidence, rng: torch.Generator) -> RestoredLabels:
    """Counts that explain the bias gradient (Ma et al., ICLR 2023, section 3.2)."""
    assert evidence.bias is not None  # refused before
    head = classifier(evidence.seen.rounds[0].model)
    weight, bias = (p.detach().cpu().double() for p in (head.weight, head.bias))
    features = mean_features(evidence.weight, evidence.bias, evidence.batch_size)
    probabilities = (features @ weight.T + bias).softmax(dim=1)
    estimate = solved(probabilities, evidence.bias, evidence.batch_size)
    return from_estimate("ilrg", estimate, evidence.batch_size, NOTE, at_least=evidence.at_least())


def mean_features(weight: Tensor, bias: Tensor, batch_size: int) -> Tensor:
    """(K, features): each class's weight gradient over its bias gradient, as far as the latter is not near zero.

    It is where a class has about as many images as the model expects: all of them then cancel, and the ratio, which the
    paper takes as it is, can be anything. Ours is the least-squares solution that such a class draws to the features of
    all classes, by as much as ``BALANCED`` images weigh; zeros where no class tells anything.
    """
    weighted, size = bias[:, None] * weight, bias.square()[:, None]
    mean = weighted.sum(dim=0) / size.sum().clamp_min(1e-24)
    draw = (BALANCED / batch_size) ** 2
    return (weighted + draw * mean) / (size + draw)


def solved(probabilities: Tensor, bias: Tensor, batch_size: int) -> Tensor:
    """Least-squares counts k (K,), by pseudo-inverse: Σ_j k_j = B, and Σ_j k_j p_ji − k_i = B b_i for every class i.

    ``probabilities`` (K, K) holds in row j what the model thinks of class j's mean features. A model that is sure of
    itself makes the system nearly singular, hence weak directions are left out; negative counts become zero.
    """
    classes = len(bias)
    system = torch.cat([probabilities.new_ones(1, classes), probabilities.T - torch.eye(classes).to(probabilities)])
    right = torch.cat([bias.new_full((1,), batch_size), batch_size * bias])
    counts: Tensor = torch.linalg.pinv(system, rtol=LEAST_SINGULAR) @ right
    return counts.clamp_min(0)
