"""κ of Theorem 1, measured: how far the objective of one round is from the mean over all rounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..attacks import InvertingGradients
from ..spec import AuditSpec
from .networks import network_of

if TYPE_CHECKING:
    from torch import Tensor

    from ..types import Batch, Observation

PLACES = 32
"""Points between the start of the search and the truth, evenly spaced."""


def largest_difference(spec: AuditSpec, *, home: Path) -> float:
    """κ̂_∞: the largest coordinate of ∇f_T − mean_t ∇f_t on the way from mid-gray to the truth; 0 for one round.

    f_t is the distance that Inverting Gradients minimizes in round t, without its image priors and at the true labels.
    Raises ValueError for another attack, or where the spec cannot be carried out.
    """
    import torch

    if not isinstance(spec.attack, InvertingGradients):
        raise ValueError("κ is measured for Inverting Gradients; choose that attack.")
    seen, truth = watched(spec, home)
    slopes = [slope(replace(seen, rounds=(one,)), spec.attack, truth.labels) for one in seen.rounds]
    largest = 0.0
    for share in torch.linspace(0, 1, PLACES).tolist():
        place = torch.full_like(truth.images, 0.5).lerp(truth.images, share)
        found = torch.stack([slope_at(place) for slope_at in slopes])
        largest = max(largest, float((found[-1] - found.mean(dim=0)).abs().max()))
    return largest


def watched(spec: AuditSpec, home: Path) -> tuple[Observation, Batch]:
    """What the server sees of all rounds, and the batch that it does not see."""
    from ..audit import STREAMS, generator, holders
    from ..exchange import exchange
    from ..federation import Federation
    from ..threat_model import observe

    if objections := spec.objections(home):
        raise ValueError(objections[0].reason)
    rng = {name: generator(spec.seed, number) for number, name in enumerate(STREAMS)}
    data = spec.dataset.open(home)
    clients = holders(spec, data, None, rng, "cpu")
    federation = Federation(spec, clients, data.image_shape, rng["aggregation"])
    rounds = exchange(spec, network_of(spec, data, home), federation, len(data.class_names), rng["server"])
    truth = clients[0].batch
    return observe(spec, data, rounds, truth, federation, None)[0].seen, truth


def slope(seen: Observation, attack: InvertingGradients, labels: Tensor) -> Callable[[Tensor], Tensor]:
    """Images (B, C, H, W) → the derivative of the attack's distance by their pixels, of the same shape."""
    import torch

    from ..attacks.matching.objective import objective
    from ..types import Batch

    distance = objective(seen, attack.measure())

    def at(images: Tensor) -> Tensor:
        images = images.clone().requires_grad_()
        (found,) = torch.autograd.grad(distance(Batch(images, labels), True), images)
        return found

    return at
