"""The controls of a run: the same attack where no image is to be found, and where the images are of an unknown kind.

Against random numbers in place of the update, what an attack finds all the same comes from its prior and from the
labels (asked for by the survey of gradient inversion attacks: a generator paints a plausible picture of a class
whatever it is shown). Against the negatives of the same images, which have as much detail but lie outside of what any
prior has learned, it has to do without that knowledge.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .spec import AuditSpec
from .types import Data, LabeledImages, Update

if TYPE_CHECKING:
    import numpy as np
    import torch


def control_of(spec: AuditSpec) -> AuditSpec:
    """The same run with random numbers in place of every update.

    The attacker is told the labels, which it could not read any more: what the runs differ by is then what the update
    tells beyond the classes, and not how wrong a class the control has painted.
    """
    attack = spec.attack
    if "labels" in type(attack).model_fields:
        attack = type(attack).model_validate(dict(attack) | {"labels": "auto"})
    knowledge = spec.knowledge.model_copy(update={"labels": True})
    return spec.model_copy(update={"control": "random-update", "attack": attack, "knowledge": knowledge})


def out_of_domain(spec: AuditSpec) -> AuditSpec:
    """The same run on the negatives of the same images."""
    return spec.model_copy(update={"control": "negatives"})


def held_by_clients(spec: AuditSpec, data: Data) -> Data:
    """The data set as this run's clients have it; training images, and what priors learned from, stay as they are."""
    return replace(data, victims=negatives(data.victims)) if spec.control == "negatives" else data


def negatives(images: LabeledImages) -> LabeledImages:
    """White for black, and every color for its complement."""

    def image(index: int) -> np.ndarray:
        return 255 - images.image(index)

    return LabeledImages(images.labels, image)


def random_update(update: Update, rng: torch.Generator) -> Update:
    """Normal random numbers, every tensor as long (Euclidean norm) as that of ``update``."""
    import torch

    drawn = [torch.randn(tensor.shape, generator=rng).to(tensor) for tensor in update]
    return tuple(noise * (tensor.norm() / noise.norm()) for noise, tensor in zip(drawn, update, strict=True))
