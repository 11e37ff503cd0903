"""Weighted sums of images and labels, and how to undo them. Imports torch: only for use inside methods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..types import Batch
from .encoding import Key
from .unsigning import agreeing_signs, from_magnitudes

RIDGE = 1e-4
"""How strongly unmixed pixels are drawn to mid-gray: where the weights say little, errors would grow without it."""


@dataclass(frozen=True)
class Mixture(Key):
    """Encoded image i is Σ_j ``weights[i, j]`` · private image j + ``added[i]``, both measured from mid-gray."""

    weights: Tensor
    """(B, B)."""
    classes: int
    added: Tensor | None = None
    """(B, C, H, W) what public images contribute."""
    signs_hidden: bool = False
    """Whether single pixels are mirrored at mid-gray, nobody knows which."""
    dark: bool = True
    """Whether the private images are darker than mid-gray on average: the one thing that magnitudes can never tell, and
    that a person would see."""

    def labels(self, labels: Tensor) -> Tensor:
        """(B, K), mixed with the same weights; those of public images are left out, so that rows sum to 1."""
        one_hot = F.one_hot(labels, self.classes).to(self.weights) if labels.dim() == 1 else labels
        return (self.weights / self.weights.sum(dim=1, keepdim=True)).to(one_hot) @ one_hot

    def natural(self, images: Tensor) -> Tensor:
        """The distance from mid-gray where signs are hidden: it is as smooth as a picture."""
        return 0.5 + (images - 0.5).abs() if self.signs_hidden else images

    def mix(self, images: Tensor) -> Tensor:
        """(B, C, H, W) private images to encoded ones, before any sign is flipped."""
        mixed = 0.5 + torch.einsum("ij,jchw->ichw", self.weights.to(images), images - 0.5)
        return mixed if self.added is None else mixed + self.added

    def mixed(self, batch: Batch) -> Batch:
        """Images and labels."""
        return Batch(self.mix(batch.images), self.labels(batch.labels))

    def decode(self, images: Tensor, earlier: Sequence[tuple[Key, Tensor]]) -> Tensor:
        """Least squares over all rounds (Huang et al., NeurIPS 2021)."""
        told = [(key, image) for key, image in (*earlier, (self, images)) if isinstance(key, Mixture)]
        weights = torch.cat([key.weights for key, _ in told]).double()
        arrived = torch.cat([image.flatten(1) for _, image in told]).double() - 0.5
        added = torch.cat([key.public_part(image) for key, image in told]).double()
        if self.signs_hidden:
            private = from_magnitudes(weights, arrived.abs(), added, inverse(weights))
            if self.added is None:  # then a pixel and its negative explain the same
                signed = private * agreeing_signs(private, tuple(images.shape[1:]))
                private = signed if (signed.mean() < 0) == self.dark else -signed
        else:
            private = inverse(weights) @ (arrived - added)
        decoded: Tensor = (0.5 + private).clamp(0, 1).reshape(-1, *images.shape[1:]).to(images)
        return decoded

    def public_part(self, images: Tensor) -> Tensor:
        """(B, C · H · W), zero where nothing public was added."""
        return torch.zeros_like(images.flatten(1)) if self.added is None else self.added.flatten(1)


def inverse(weights: Tensor) -> Tensor:
    """(N, B) to (B, N): encoded pixels to the private ones that explain them best."""
    gram = weights.T @ weights + RIDGE * torch.eye(weights.shape[1]).to(weights)
    solved: Tensor = torch.linalg.solve(gram, weights.T)
    return solved


def partners(batch_size: int, count: int, rng: torch.Generator) -> Tensor:
    """(B, ``count``) indices: every column a random order of the batch, no row with the same image twice.

    A column is drawn again until it fits those before it; a single one keeps the order. Raises ValueError where the
    batch is smaller than ``count``.
    """
    if batch_size < count:
        raise ValueError(f"Mixing {count} private images needs a batch of at least {count}; enlarge it or mix fewer.")
    columns = [torch.arange(batch_size)] if count == 1 else []
    while len(columns) < count:
        order = torch.randperm(batch_size, generator=rng)
        if all((order != column).all() for column in columns):
            columns.append(order)
    return torch.stack(columns, dim=1)


def matrix(chosen: Tensor, weights: Tensor, columns: int) -> Tensor:
    """Weights (B, k) of the images ``chosen`` (B, k) as a matrix (B, ``columns``) over all images."""
    return torch.zeros(len(chosen), columns).scatter_add_(1, chosen, weights)


def accepted(draw: Callable[[int], Tensor], accept: Callable[[Tensor], Tensor], rows: int) -> Tensor:
    """``rows`` rows of ``draw(n)`` (n, k), each drawn again until ``accept`` (n,) holds."""
    found = draw(rows)
    while not (good := accept(found)).all():
        found[~good] = draw(int((~good).sum()))
    return found


def dirichlet(rows: int, count: int, max_weight: float, rng: torch.Generator) -> Tensor:
    """(``rows``, ``count``) from Dirichlet(3, 1, …, 1), no weight above ``max_weight``; a single weight is 1."""

    def draw(number: int) -> Tensor:
        # A gamma variable of shape 3 is the sum of three exponential ones.
        waits = torch.empty(number, count + 2).exponential_(generator=rng)
        gamma = torch.cat([waits[:, :3].sum(dim=1, keepdim=True), waits[:, 3:]], dim=1)
        return gamma / gamma.sum(dim=1, keepdim=True)

    if count == 1:
        return torch.ones(rows, 1)
    return accepted(draw, lambda found: found.amax(dim=1) <= max_weight, rows)
