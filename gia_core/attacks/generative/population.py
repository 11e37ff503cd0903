"""The distances of many candidates for one private image, their updates computed in one call."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.func import grad, vmap

from ...clients import FedSGD, mean_loss
from ...types import Batch, Observation, Round, Update
from ..matching.distances import Distance

ENTRIES_AT_ONCE = 50_000_000
"""Entries of all candidates' updates that are held at a time; more candidates than that take turns."""


def population_objective(seen: Observation, distance: Distance) -> Callable[[Tensor, Tensor], Tensor]:
    """What ``matching.objective`` gives for each candidate on its own.

    The function returned takes the candidates (P, C, H, W) and the label (1,) of them all, and returns (P,) without a
    graph; several rounds are summed.
    """
    rounds = [(exchanged, distance(exchanged.compared(exchanged.update))) for exchanged in seen.rounds]

    def of(images: Tensor, label: Tensor) -> Tensor:
        terms = [
            torch.stack([measure(update) for update in each_simulated(seen, exchanged, images, label)])
            for exchanged, measure in rounds
        ]
        return torch.stack(terms).sum(0)

    return of


def each_simulated(seen: Observation, exchanged: Round, images: Tensor, label: Tensor) -> Iterator[Update]:
    """What ``seen.simulated`` gives for each of the images (P, C, H, W) on its own."""
    if not isinstance(seen.rule, FedSGD) or any(module.training for module in exchanged.model.modules()):
        yield from (seen.simulated(exchanged, Batch(image[None], label)) for image in images)
        return
    updates = gradients(exchanged.model, images, seen.encoded_labels(label))
    for number in range(len(images)):
        yield exchanged.compared(exchanged.expect(tuple(update[number] for update in updates)))


def gradients(model: nn.Module, images: Tensor, label: Tensor) -> Update:
    """(P, …) for every parameter: the gradient of the loss of each image with this label (1,) or (1, K)."""
    weights = {name: parameter.detach() for name, parameter in model.named_parameters()}
    entries = sum(weight.numel() for weight in weights.values())

    def loss(weights: dict[str, Tensor], image: Tensor) -> Tensor:
        return mean_loss(model, image[None], label, weights)

    each = vmap(
        grad(loss), in_dims=(None, 0), randomness="different", chunk_size=max(1, ENTRIES_AT_ONCE // max(1, entries))
    )
    return tuple(each(weights, images).values())
