"""The part of the objective that every attack of this kind has: the update."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ...types import Batch, Observation
from .distances import Distance


def objective(seen: Observation, distance: Distance) -> Callable[[Batch, bool], Tensor]:
    """What is to become small: the distance between what the client would send of a batch and what it sent.

    The function returned takes the batch and whether to keep the graph; several rounds are summed, each over the images
    that took part in it.
    """
    rounds = [(exchanged, distance(exchanged.compared(exchanged.update))) for exchanged in seen.rounds]

    def of(batch: Batch, differentiable: bool) -> Tensor:
        terms = [measure(seen.simulated(one, batch, differentiable=differentiable)) for one, measure in rounds]
        return terms[0] if len(terms) == 1 else torch.stack(terms).sum()

    return of


def mismatch(seen: Observation, distance: Distance, batch: Batch) -> float:
    """The objective at ``batch``, without priors."""
    return objective(seen, distance)(batch, False).item()
