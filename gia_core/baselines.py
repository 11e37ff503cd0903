"""Guesses that use no gradient at all: an attack that does not beat them found nothing."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from .metrics import Scores, mse, score
from .types import Data, LabeledImages

AVERAGED = 500
"""Training images, at most, whose mean is the data set's average image."""


def baselines(
    truth: Tensor, data: Data, rng: torch.Generator, *, weights: Path, drawn: Tensor | None = None
) -> dict[str, Scores]:
    """Scores of each blind guess against ``truth`` (B, C, H, W), by name; a guess that cannot be made is left out.

    ``gray`` is mid-gray, ``mean-color`` the true image's mean color, ``dataset-mean`` the mean training image and
    ``another-image`` a random image of the same data set. Where the attacker has a prior, ``drawn`` (N, C, H, W) are
    images that it draws without looking at any update, and ``closest-sample`` is the one of them that is closest to
    the truth: better than anything that an attacker could choose without an update.
    """
    guesses = {
        "gray": torch.full_like(truth, 0.5),
        "mean-color": truth.mean(dim=(2, 3), keepdim=True).expand_as(truth),
    }
    if len(data.training):
        guesses["dataset-mean"] = average(data.training).to(truth).expand_as(truth)
    if (others := other_images(truth, data, rng)) is not None:
        guesses["another-image"] = others
    if drawn is not None:
        guesses["closest-sample"] = closest(drawn.to(truth), truth)
    return {name: score(guess, truth, weights=weights) for name, guess in guesses.items()}


def average(images: LabeledImages) -> Tensor:
    """The mean of evenly spread images, (C, H, W)."""
    chosen = torch.linspace(0, len(images) - 1, min(len(images), AVERAGED)).long().tolist()
    return torch.stack([pixels(images, index) for index in chosen]).mean(dim=0)


def other_images(truth: Tensor, data: Data, rng: torch.Generator) -> Tensor | None:
    """For each true image a random one that is not among them, (B, C, H, W); None if the data set has no other."""
    source = data.training if len(data.training) else data.victims
    found: list[Tensor] = []
    for index in torch.randperm(len(source), generator=rng).tolist():
        image = pixels(source, index).to(truth)
        if float(mse(image.expand_as(truth), truth).min()) > 0:
            found.append(image)
        if len(found) == len(truth):
            return torch.stack(found)
    return torch.stack([found[i % len(found)] for i in range(len(truth))]) if found else None


def closest(images: Tensor, truth: Tensor) -> Tensor:
    """Of ``images`` (N, C, H, W) the one with the least squared error for each of ``truth`` (B, C, H, W)."""
    return images[torch.cdist(truth.flatten(1), images.flatten(1)).argmin(dim=1)]


def pixels(images: LabeledImages, index: int) -> Tensor:
    """One image as (C, H, W) in [0, 1]."""
    return torch.from_numpy(images.image(index)).permute(2, 0, 1).float() / 255
