"""Ways to teach a network what updates look like: a linear map in closed form, and gradient descent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from .inversion_network import TINY, InversionNetwork

PENALTIES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7)
"""Of the linear maps, as shares of the sum of the eigenvalues that they are added to."""
TOGETHER = 64
"""Examples in one step of gradient descent; the paper takes 256 of far more."""


@dataclass(frozen=True)
class Examples:
    """Updates with the images that they came from."""

    numbers: Tensor
    """(N, numbers), what the network gets to see."""
    images: Tensor
    """(N, B, C, H, W)."""

    def __len__(self) -> int:
        return len(self.numbers)


@torch.no_grad()
def linear_maps(network: InversionNetwork, examples: Examples) -> Iterator[float]:
    """Ridge regression with weaker and weaker penalties; after each the network holds the map.

    What is yielded is the error on the examples, each predicted by the map of all the others. Since an update does not
    tell the order of its images, these are put in the order that comes closest to what the last map predicts.
    """
    assert isinstance(network.layers, nn.Linear)
    entered, images = network.entered(examples.numbers), examples.images
    strengths, directions = torch.linalg.eigh((entered @ entered.T).double())  # they span more than float can tell
    strengths, directions = strengths.clamp_min(0), directions.float()
    for penalty in PENALTIES:
        shrunk = 1 / (strengths + penalty * strengths.sum()).clamp_min(TINY).float()
        targets = images.flatten(1)
        center = targets.mean(0)
        dual = directions @ (shrunk[:, None] * (directions.T @ (targets - center)))
        network.layers.weight.copy_(dual.T @ entered)
        network.layers.bias.copy_(center)
        missed = dual / (directions.square() @ shrunk)[:, None]  # leave-one-out errors of a linear smoother
        predicted = (targets - missed).unflatten(1, network.shape)
        images = in_best_order(predicted, images)
        yield unordered_error(predicted, images).mean().item()


def descent(
    network: InversionNetwork, examples: Examples, *, epochs: int, lr: float, rng: torch.Generator
) -> Iterator[float]:
    """Adam on the error of the best order (equation 4); yields its mean after each epoch.

    Raises ValueError where it diverges.
    """
    optimizer = torch.optim.Adam(network.layers.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [max(1, epochs * 3 // 4)])
    for _ in range(epochs):
        total = 0.0
        for chosen in torch.randperm(len(examples), generator=rng).to(examples.images.device).split(TOGETHER):
            error = unordered_error(network(examples.numbers[chosen]), examples.images[chosen]).mean()
            optimizer.zero_grad()
            torch.autograd.backward(error)
            optimizer.step()
            total += error.item() * len(chosen)
        schedule.step()
        if not total < float("inf"):
            raise ValueError("The inversion network's training diverged; choose a smaller learning rate.")
        yield total / len(examples)


def unordered_error(found: Tensor, images: Tensor) -> Tensor:
    """Mean squared error (N,) under the best order of the images, since an update does not tell one (equation 4).

    Both are (N, B, C, H, W).
    """
    return (found - in_best_order(found, images)).square().flatten(1).mean(1)


def in_best_order(found: Tensor, images: Tensor) -> Tensor:
    """``images`` with those of each example in the order that comes closest to ``found`` (Hungarian method)."""
    if images.shape[1] == 1:
        return images
    costs = torch.cdist(found.detach().flatten(2), images.flatten(2)).square().cpu().numpy()
    orders = [linear_sum_assignment(cost)[1] for cost in costs]
    return torch.stack([one[order] for one, order in zip(images, orders, strict=True)])
