"""The control of a run: the same attack against random numbers, in which no image is.

What it finds all the same comes from the attacker's prior and from the labels, not from the update (asked for by the
survey of gradient inversion attacks: a generator paints a plausible picture of a class whatever it is shown).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .spec import AuditSpec
from .types import Update

if TYPE_CHECKING:
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


def random_update(update: Update, rng: torch.Generator) -> Update:
    """Normal random numbers, every tensor as long (Euclidean norm) as that of ``update``."""
    import torch

    drawn = [torch.randn(tensor.shape, generator=rng).to(tensor) for tensor in update]
    return tuple(noise * (tensor.norm() / noise.norm()) for noise, tensor in zip(drawn, update, strict=True))
