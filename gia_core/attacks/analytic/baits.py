"""Classifiers that a malicious server changes so that few images of a batch answer. Imports torch: only inside ``run``.

K classes, d features that the classifier receives, t the class that is fished for. The gradient that reaches the
features of an image is (p_t − 1[label = t]) times row t, since all other rows are zero.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...models import classifier
from ...types import Update
from ..matching.candidate import Candidate

DROWNED = 1000.0
"""Bias of the other classes beside which class t has no probability: exp(−1000) is 0 in any precision."""


@dataclass(frozen=True)
class Bait:
    """What the classifier is set to: row t and the biases; all other rows are zero."""

    target: int
    row: Tensor
    """(d,)."""
    bias: float | None
    """Of class t; None leaves it as it is, or zero where the classifier has none."""
    others: float
    """Bias of every other class."""

    def on(self, model: nn.Module) -> nn.Module:
        """A copy of ``model`` with this classifier, which gets a bias where it had none."""
        baited = copy.deepcopy(model)
        head = classifier(baited)
        with torch.no_grad():
            if "bias" not in dict(head.named_parameters()):
                head.bias = nn.Parameter(head.weight.new_zeros(len(head.weight)))
            own = float(head.bias[self.target]) if self.bias is None else self.bias
            head.weight.zero_()
            head.weight[self.target] = self.row
            head.bias.fill_(self.others)
            head.bias[self.target] = own
        return baited


def equal_scores(no_row: Tensor) -> Bait:
    """All classes equally likely whatever the image: the answer tells how often each class occurs."""
    return Bait(0, no_row, 0.0, 0.0)


def one_class(target: int, row: Tensor) -> Bait:
    """Only images of class t answer, each with p_t − 1 = −1 (Wen et al., ICML 2022, section 3.1)."""
    return Bait(target, row, None, DROWNED)


def one_side(target: int, direction: Tensor, size: float, threshold: float, classes: int) -> Bait:
    """Class t is certain on one side of a step, and impossible on the other (Wen et al., section 3.2).

    The step lies where the features along ``direction`` (d,) reach ``threshold``; the class is certain above it where
    ``size`` is positive, and below it where it is negative. Images of class t no longer answer where it is certain. The
    other K − 1 classes shift the step by ln(K − 1), which is taken back here; with their biases at 1000, as in the
    public code's default, it would lie far above all features.
    """
    return Bait(target, size * direction, math.log(max(1, classes - 1)) - size * threshold, 0.0)


@dataclass(frozen=True)
class Answer:
    """The gradient of the mean loss over the batch that came back for a baited model."""

    gradient: Update
    weight: Tensor
    """(K, d), the classifier's part."""
    bias: Tensor
    """(K,)."""
    target: int
    batch_size: int

    @property
    def count(self) -> float:
        """Images that answered, each with p_t − 1 = −1; not whole where one lies at the step, or noise was added."""
        return -self.batch_size * float(self.bias[self.target].nan_to_num(0, 0, 0))

    def mean_along(self, direction: Tensor) -> float:
        """Mean, over the images that answered, of their features along ``direction`` (d,)."""
        bias = float(self.bias[self.target])
        return float(self.weight[self.target] @ direction) / bias if bias else 0.0

    def without(self, other: Answer) -> Answer:
        """The images that answered here but not there."""
        rest = tuple(a - b for a, b in zip(self.gradient, other.gradient, strict=True))
        return Answer(rest, self.weight - other.weight, self.bias - other.bias, self.target, self.batch_size)

    def of_few(self, model: nn.Module, size: float) -> Update:
        """The mean gradient of ``model`` over the images that answered, as if row t were divided by ``size``.

        The classifier's own gradient does not depend on its rows; that of all layers before grows with them.
        """
        share = self.batch_size / max(1, round(self.count))
        head = {id(p) for p in classifier(model).parameters()}
        scales = [share if id(p) in head else share / size for p in model.parameters()]
        return tuple(scale * g for scale, g in zip(scales, self.gradient, strict=True))


def answer(bait: Bait, model: nn.Module, gradient: Update, batch_size: int) -> Answer:
    """``gradient`` as what the baited ``model`` brought back."""
    sent = {id(parameter): g for parameter, g in zip(model.parameters(), gradient, strict=True)}
    head = classifier(model)
    return Answer(gradient, sent[id(head.weight)], sent[id(head.bias)], bait.target, batch_size)


def class_counts(found: Answer) -> Tensor:
    """(K,) images of each class, from the answer to ``equal_scores``: exact, since p is 1 / K for all."""
    counts: Tensor = (found.batch_size * (1 / len(found.bias) - found.bias)).round().clamp_min(0).long()
    return counts


def random_directions(features: Tensor, rng: torch.Generator) -> Iterator[Tensor]:
    """Directions (d,) along which ``features`` (N, d) have standard deviation 1; none where they are all alike."""
    while True:
        direction = torch.randn(features.shape[1], generator=rng).to(features)
        spread = float((features @ direction).std())
        if not spread > 0:
            return
        yield direction / spread


def single_features(features: Tensor) -> Iterator[Tensor]:
    """Directions (d,) of one feature each, first the one that differs most between pictures, scaled as above."""
    spreads = features.std(dim=0)
    for number in spreads.argsort(descending=True).tolist():
        if not spreads[number] > 0:
            return
        direction = torch.zeros_like(spreads)
        direction[number] = 1 / spreads[number]
        yield direction


def features_of(model: nn.Module, images: Tensor) -> Tensor:
    """(N, d) what the classifier receives of ``images`` (N, C, H, W); the model is left as it was."""
    labels = torch.zeros(len(images), dtype=torch.long, device=images.device)
    with torch.no_grad():
        return Candidate(images, labels, model).heard.features


def smooth_pictures(count: int, image_shape: tuple[int, int, int], rng: torch.Generator) -> Tensor:
    """Random color patches, (N, C, H, W) in [0, 1], for a server that holds no pictures."""
    channels, height, width = image_shape
    coarse = torch.rand(count, channels, 4, 4, generator=rng)
    return F.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=True)
