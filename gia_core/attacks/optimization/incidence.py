"""What many rounds of known, overlapping batches tell of each image alone: least squares, no search.

Shapes: T rounds, N images, D of them told apart, U units and F inputs of a party's first fully connected layer.
Everything is solved in float64 on the CPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

from ...types import Observation, Table

NEGLIGIBLE = 1e-5
"""Share of the largest, below which a length or a singular value is taken for rounding."""

Row: TypeAlias = tuple[str | int | float | None, ...]


@dataclass(frozen=True)
class Inputs:
    """What every image put into one layer."""

    values: Tensor
    """(N, F), zero where they could not be found."""
    found: Tensor
    """(N,) of bools."""


def separated_inputs(seen: Observation, layers: Sequence[nn.Linear]) -> tuple[list[Inputs], Table]:
    """Solve for what each image put into each of ``layers``, linear ones with a bias in the first round's model.

    With V (U) the gradient that an image sends back to the layer's output and H (F) its input, a round's bias gradient
    is the mean of V over its images, its weight gradient the mean of V Hᵀ (Jin et al., NeurIPS 2021, steps I and II).
    The first is linear in V; once V is known, the second is linear in H; all rounds are solved at once. V is unique
    where the incidence has rank N. So is H then, for batches of any size: the equations' Gram matrix is the Schur
    product of a positive definite matrix and a positive semidefinite one with positive diagonal. Where the rank is
    less, those images are solved for that the rounds tell apart nevertheless.
    """
    shares = incidence(seen)
    equations = Equations(shares)
    position = {id(parameter): i for i, parameter in enumerate(seen.rounds[0].model.parameters())}
    received = [[exchanged.update[position[id(layer.bias)]] for layer in layers] for exchanged in seen.rounds]
    sent_back, residual = equations.sent_back(torch.stack([torch.cat(biases) for biases in received]).double().cpu())
    rank, condition = rank_and_condition(torch.linalg.svdvals(shares))
    rows: list[Row] = [("Step 1: gradients sent back", rank, seen.batch_size, condition, residual)]
    every = []
    for number, layer in enumerate(layers):
        weights = [exchanged.update[position[id(layer.weight)]] for exchanged in seen.rounds]
        ours = sent_back.split([layer.out_features for layer in layers], dim=1)[number]
        solved, found, facts = equations.put_in(weights, ours)
        rows.append((f"Step 2: what party {number + 1} put in", *facts))
        every.append(Inputs(equations.placed(solved).to(seen.device), equations.placed(found).to(seen.device)))
    return every, table(rows, equations)


def incidence(seen: Observation) -> Tensor:
    """(T, N): the share that each image has in each round's mean, 0 where it took no part."""
    shares = torch.zeros(len(seen.rounds), seen.batch_size, dtype=torch.float64)
    for row, exchanged in zip(shares, seen.rounds, strict=True):
        row[slice(None) if exchanged.indices is None else exchanged.indices.cpu()] = 1.0
        row /= row.sum()
    return shares


class Equations:
    """One per round, in those images that are told apart; combined so that all other images cancel."""

    def __init__(self, shares: Tensor) -> None:
        # An image is told apart, whatever the others are, where its unit vector lies in the incidence's row space.
        self.apart = (torch.linalg.pinv(shares) @ shares).diagonal() > 1 - NEGLIGIBLE
        others = shares[:, ~self.apart]
        self.cancel = torch.eye(len(shares), dtype=torch.float64) - others @ torch.linalg.pinv(others)
        # No more combinations of rounds than images matter: (T, D) orthonormal times (D, D) upper triangular.
        self.combine, self.shares = torch.linalg.qr(self.cancel @ shares[:, self.apart])

    def sent_back(self, biases: Tensor) -> tuple[Tensor, float | None]:
        """Solve bias gradients (T, U) for what each image sent back (D, U); with the residual."""
        right = self.cancel @ biases
        values = torch.linalg.solve_triangular(self.shares, self.combine.T @ right, upper=True)
        return values, share(self.combine @ self.shares @ values - right, biases)

    def put_in(self, weights: Sequence[Tensor], sent_back: Tensor) -> tuple[Tensor, Tensor, Row]:
        """Solve weight gradients, (U, F) per round, for what each image put in.

        Returns it (D, F), where it was found (D,), and rank, unknowns, condition number and residual.
        """
        lengths = sent_back.norm(dim=1)
        found = lengths > NEGLIGIBLE * lengths.max(dim=0, keepdim=True).values if len(lengths) else lengths > 0
        inverse = torch.where(found, 1 / lengths, 0.0)[:, None]
        directions = inverse * sent_back  # of length 1, which keeps the normal equations well conditioned
        right = torch.zeros(len(self.shares), *weights[0].shape, dtype=torch.float64)
        for row, weight in zip(self.combine, weights, strict=True):
            right += row[:, None, None] * weight.double().cpu()
        gram = (self.shares.T @ self.shares) * (directions @ directions.T)
        left = torch.einsum("dn,nu,duf->nf", self.shares, directions, right)
        values = torch.linalg.pinv(gram, hermitian=True, rtol=NEGLIGIBLE**2) @ left
        rest = right - torch.einsum("dn,nu,nf->duf", self.shares, directions, values)
        rank, condition = rank_and_condition(torch.linalg.eigvalsh(gram).clamp_min(0).sqrt())
        return inverse * values, found, (rank, len(gram), condition, share(rest, right))

    def placed(self, values: Tensor) -> Tensor:
        """(D, …) to (N, …) in float32 or bool, zero for the images that were not told apart."""
        everywhere = values.new_zeros(len(self.apart), *values.shape[1:])
        everywhere[self.apart] = values
        return everywhere.float() if everywhere.is_floating_point() else everywhere


def rank_and_condition(singular: Tensor) -> tuple[int, float | None]:
    """How many singular values are not zero, and the largest over the smallest of those; None for rank 0."""
    kept = singular[singular > NEGLIGIBLE * singular.max()] if len(singular) else singular
    return len(kept), float(kept.max() / kept.min()) if len(kept) else None


def share(rest: Tensor, whole: Tensor) -> float | None:
    """Norm of one over the norm of the other; None where the latter is zero."""
    return float(rest.norm() / whole.norm()) if whole.norm() > 0 else None


def table(rows: list[Row], equations: Equations) -> Table:
    apart, images = int(equations.apart.sum()), len(equations.apart)
    told = "The rounds tell all images apart."
    if apart < images:
        told = (
            f"The rounds tell {apart} of {images} images apart, and only for those something was solved; it takes at "
            f"least {images} rounds of different images, better twice as many."
        )
    return Table(
        title="What the rounds tell of each image alone",
        columns=("Solved for", "Rank", "Unknowns", "Condition number", "Residual"),
        rows=tuple(rows),
        note=f"{told} A residual well above 1e-5 means that the model moved between the rounds or a defense changed "
        "the updates; the larger the condition number, the more that spoils.",
    )
