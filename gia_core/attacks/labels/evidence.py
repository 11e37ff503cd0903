"""What the rules work with: the classifier's gradient, and how the model answers pictures that mean nothing."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call

from ...models import classifier
from ...types import Observation, Round

DUMMIES = 64
"""Dummy images that are shown to the model."""
WAYPOINTS = 8
"""Models at most on the way from the one that was sent to the one that the client ended with."""


@dataclass(frozen=True)
class Evidence:
    """The mean gradient of the last linear layer, in double precision on the CPU."""

    seen: Observation
    weight: Tensor
    """(K, features)."""
    bias: Tensor | None
    """(K,); None where the layer has no bias."""

    @property
    def batch_size(self) -> int:
        return self.seen.batch_size

    def at_least(self) -> Tensor:
        """Images that each class has for certain, (K,): B times its bias gradient is Σ p minus their number.

        Nothing where the bias is missing, where local steps weigh images differently, or where noise claims more images
        than there are.
        """
        if self.bias is None or self.seen.rule.local_steps(self.batch_size) > 1:
            return self.weight.new_zeros(len(self.weight))
        certain = (-self.batch_size * self.bias - 0.01).ceil().clamp_min(0)  # rounding errors prove nothing
        return certain if certain.sum() <= self.batch_size else torch.zeros_like(certain)


def evidence(seen: Observation) -> Evidence:
    """Read the first update. Raises ValueError where it holds values that are not finite."""
    weight, bias = (part if part is None else part.detach().cpu().double() for part in classifier_gradient(seen))
    assert weight is not None  # a linear layer has weights
    if not weight.isfinite().all() or (bias is not None and not bias.isfinite().all()):
        raise ValueError("The classifier's update is not finite, so no label can be read off it; grant the labels.")
    return Evidence(seen, weight, bias)


def classifier_gradient(seen: Observation) -> tuple[Tensor, Tensor | None]:
    """The mean gradient of the last linear layer: (K, features) and (K,).

    The latter is None without a bias, and where it alone is zero throughout, which no images make it: then it was not
    observed.
    """
    first = seen.rounds[0]
    head = classifier(first.model)
    gradient = seen.rule.mean_gradient(first.update, seen.batch_size)
    by_parameter = {id(p): g for p, g in zip(first.model.parameters(), gradient, strict=True)}
    weight, bias = by_parameter[id(head.weight)], None if head.bias is None else by_parameter[id(head.bias)]
    return weight, None if bias is None or (weight.any() and not bias.any()) else bias


@dataclass(frozen=True)
class Answers:
    """What the model made of N dummy images, in double precision on the CPU."""

    features: Tensor
    """(N, features): what the classifier received."""
    probabilities: Tensor
    """(N, K)."""

    def spread(self) -> float:
        """How much the probabilities differ between images: from 0, the same for all, to 1, mean total variation."""
        mean = self.probabilities.mean(dim=0)
        return float((self.probabilities - mean).abs().sum(dim=1).mean() / 2)

    def caution(self) -> str:
        """What to tell of a rule that takes features for positive."""
        return "" if self.features.min() >= 0 else " Beware: the features of this model can be negative."


def answers(seen: Observation, rng: torch.Generator) -> Answers:
    """Show dummy images to the model; for a client of several local steps, to the models on the way through them."""
    first, images = seen.rounds[0], dummy_images(seen, rng)
    points = min(WAYPOINTS, seen.rule.local_steps(seen.batch_size))
    # The weights move fastest in the beginning; points that are evenly spread would stand for late steps too often.
    found = [answer(first, images, (point / points) ** 0.5) for point in range(points)]
    features, scores = (torch.cat(part).cpu().double() for part in zip(*found, strict=True))
    return Answers(features, scores.softmax(dim=1))


def answer(exchanged: Round, images: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """The classifier's input (N, features) and output (N, K), after this share of the client's change of the weights.

    The model stays as it was: a model in training mode changes copies of its buffers.
    """
    model, received = exchanged.model, []
    state = {name: buffer.clone() for name, buffer in model.named_buffers()}
    if share:
        parameters = zip(model.named_parameters(), exchanged.update, strict=True)
        state |= {name: parameter + share * change for (name, parameter), change in parameters}
    hook = classifier(model).register_forward_pre_hook(lambda _, inputs: received.append(inputs[0]))
    try:
        with torch.no_grad():
            scores = functional_call(model, state, (images,))
    finally:
        hook.remove()
    return received[-1], scores


def dummy_images(seen: Observation, rng: torch.Generator) -> Tensor:
    """(N, C, H, W) in [0, 1] on the model's device: public images where they are granted, else noise.

    Sums of coarse and fine noise, as in photographs: of white noise, networks make features that no photograph gives.
    """
    if seen.public is not None and len(seen.public) >= DUMMIES:
        return seen.public[torch.randperm(len(seen.public), generator=rng)[:DUMMIES].to(seen.public.device)]
    channels, height, width = seen.image_shape
    images = torch.full((DUMMIES, *seen.image_shape), 0.45)
    for cells, strength in ((1, 0.24), (2, 0.2), (4, 0.16), (8, 0.12), (16, 0.08)):
        coarse = torch.randn(DUMMIES, channels, cells, cells, generator=rng)
        images = images + strength * F.interpolate(coarse, size=(height, width), mode="bilinear")
    return images.clamp(0, 1).to(seen.device)
