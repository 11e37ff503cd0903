"""Which images each of several clients holds: no image is dealt twice, and the first client has what it has alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..types import Batch, LabeledImages
from .sampling import Choice, drawn, impossible, read
from .source import Source

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class AnyImages:
    """No choice at all."""

    labels: Literal["any", "different", "equal"] = "any"
    label: int | None = None
    indices: tuple[int, ...] = ()


def deal(victims: LabeledImages, clients: int, batch_size: int, victim: Choice, rng: torch.Generator) -> list[Batch]:
    """One private batch per client, the audited one's first. Raises ValueError where there are not enough images.

    Every batch fits the choice on its own: all-different labels differ within one client. Chosen image numbers are
    those of the first client; the others get any images.
    """
    import numpy as np

    if reason := too_few(np.bincount(victims.labels).tolist(), clients, batch_size, victim):
        raise ValueError(reason)
    others = AnyImages() if victim.indices else victim
    hands: list[list[int]] = [list(victim.indices) or drawn(victims.labels, batch_size, victim, rng)]
    while len(hands) < clients:
        left = np.setdiff1d(np.arange(len(victims)), np.concatenate(hands))
        hands.append(left[drawn(victims.labels[left], batch_size, others, rng)].tolist())
    return [read(victims, hand) for hand in hands]


def objection(dataset: Source, clients: int, batch_size: int, victim: Choice, home: Path) -> str | None:
    """Why this many clients cannot get such batches, or None; known before the data set is opened, without torch."""
    try:
        return dataset.absent(home) or too_few(dataset.class_sizes(home), clients, batch_size, victim)
    except ValueError as damage:
        return str(damage)


def too_few(sizes: Sequence[int], clients: int, batch_size: int, victim: Choice) -> str | None:
    """Why a data set with ``sizes`` images per class does not suffice, or None."""
    if reason := impossible(sizes, batch_size, victim):
        return reason
    wanted, there = clients * batch_size, sum(sizes)
    if victim.indices or (victim.label is None and victim.labels == "any"):
        which, most = "", there // batch_size
    elif victim.label is not None:
        which, most = f" of class {victim.label}", sizes[victim.label] // batch_size
    elif victim.labels == "equal":
        which, most = " of one class each", sum(size // batch_size for size in sizes)
    else:  # each client takes one image of a class at most, so these classes last for all of them
        which, most = " of all-different classes each", sorted(sizes, reverse=True)[batch_size - 1]
    if clients <= most:
        return None
    return (
        f"{clients} clients with {batch_size} images{which} need {wanted} different ones, and this data set allows at "
        f"most {most} such clients; take fewer clients or smaller batches."
    )
