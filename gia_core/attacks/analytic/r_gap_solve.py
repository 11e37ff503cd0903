"""The equations of one layer of R-GAP and their solution (Zhu and Blaschko, ICLR 2021, section 3.2), in float64.

Letters as in ``r_gap_layers``. Imports torch: only for use inside ``run``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .r_gap_layers import Affine

STRONG = 1e-2
"""Directions in which the gradient equations are this strong, compared with their strongest, are left to these
equations alone; only the others go into the joint system."""
LARGEST_SYSTEM = 6000
"""Unknowns that are solved for together at most; more would take gigabytes and minutes."""
POWERS = 30
"""Iterations that find a singular value."""
ROUNDING = 1e-4
"""Residuals below this may be the rounding errors of an update in float32."""


@dataclass(frozen=True)
class Solved:
    """How the system of one layer went."""

    name: str
    equations: int
    unknowns: int
    rank: int
    condition: float | None
    """Largest over smallest singular value; None where the system is deficient."""
    residual: float


def solve(layer: Affine, outputs: Tensor, errors: Tensor, tolerance: float) -> tuple[Tensor, Solved]:
    """Least squares for x (C, H, W) in A x = z and M x = vec ∇W, where z and k are (F, high, wide).

    The gradient equations are the same for every channel but for their right side: one small M in place of a large
    block matrix. Where its singular values are large it decides alone; the directions in which they are small or zero
    are left to the joint system. Where that is deficient too, x is the shortest solution. Raises ValueError where that
    system is too large.
    """
    channels, height, width = layer.inputs
    rows_of_m = layer.weight[:, 0].numel()
    refuse_large(layer, channels * (height * width - rows_of_m))
    constraints = gradient_constraints(layer, errors)
    wanted = layer.gradient.permute(0, 2, 3, 1).flatten(0, 2)
    left, strength, right = torch.linalg.svd(constraints, full_matrices=len(constraints) < height * width)
    strong = int((strength > STRONG * strength[0]).sum())
    known = right[:strong].T @ ((left[:, :strong].T @ wanted) / strength[:strong, None])
    found, rank = known.T.reshape(layer.inputs), channels * strong
    condition: float | None = float(strength[0] / strength[strong - 1]) if strong else 1.0
    if strong < height * width:
        rest = outputs - layer.applied(found[None])[0]
        weak = Weak(right[strong:], strength[strong:], (left.T @ wanted)[strong : len(strength)])
        more, more_rank, more_condition = jointly(layer, weak, rest, float(strength[0]), tolerance)
        found, rank = found + more, rank + more_rank
        condition = None if condition is None or more_condition is None else max(condition, more_condition)
    misfits = (
        distance(layer.applied(found[None])[0], outputs),
        distance(constraints @ found.flatten(1).T, wanted),
    )
    return found, Solved(layer.name, layer.equations, found.numel(), rank, condition, max(misfits))


def refuse_large(layer: Affine, unknowns: int) -> None:
    if unknowns > LARGEST_SYSTEM:
        raise ValueError(
            f"r-gap would have to solve for {unknowns} numbers of layer {layer.name} together, and can do "
            f"{LARGEST_SYSTEM}; choose smaller images."
        )


def gradient_constraints(layer: Affine, errors: Tensor) -> Tensor:
    """M, (F · kernel entries, H · W): what the gradient of a weight adds up of one channel's pixels."""
    filters, (_, height, width) = len(errors), layer.inputs
    met = layer.pixels_met()
    matrix = errors.new_zeros(filters, len(met), height * width + 1)
    matrix.scatter_add_(2, met.expand(filters, -1, -1), errors.flatten(1)[:, None].expand(-1, len(met), -1))
    return matrix[:, :, :-1].flatten(0, 1)


@dataclass(frozen=True)
class Weak:
    """The directions of a channel that M does not decide."""

    directions: Tensor
    """(D, H · W), orthonormal."""
    strength: Tensor
    """(S,) singular values of the first S ≤ D; those of the others are zero."""
    wanted: Tensor
    """(S, C): what M should give along these S."""


def jointly(
    layer: Affine, weak: Weak, outputs: Tensor, scale: float, tolerance: float
) -> tuple[Tensor, int, float | None]:
    """The weak part of x by A x = ``outputs`` and what M says of it, with the rank and condition of that system."""
    channels, height, width = layer.inputs
    count = len(weak.directions)
    refuse_large(layer, channels * count)
    pictures = weak.directions.reshape(count, 1, height, width)
    columns = [layer.applied(pictures, layer.weight[:, [channel]]).flatten(1) for channel in range(channels)]
    # Both kinds of equations get the same size, so that neither is lost: k is often a thousandth of the weights.
    balance = float(layer.weight.norm()) / scale if scale else 0.0
    own = torch.diag(balance * weak.strength)
    own = torch.nn.functional.pad(own, (0, count - len(own)))
    matrix = torch.cat([torch.cat(columns).T, torch.block_diag(*[own] * channels)])
    right_side = torch.cat([outputs.flatten(), balance * weak.wanted.T.flatten()])
    solution, rank, condition = least_squares(matrix, right_side, tolerance * float(layer.weight.norm()))
    return (solution.reshape(channels, count) @ weak.directions).reshape(layer.inputs), rank, condition


def least_squares(matrix: Tensor, right_side: Tensor, negligible: float) -> tuple[Tensor, int, float | None]:
    """The shortest least-squares solution, the rank, and the condition number or None where the rank is deficient.

    Singular values up to ``negligible`` count as zero. A plain QR factorization comes first, since it is several times
    faster than one that finds the rank, which runs only where the triangle turns out to be singular.
    """
    rows, columns = matrix.shape
    largest = largest_singular_value(matrix)
    if largest <= negligible:
        return right_side.new_zeros(columns), 0, None
    if rows >= columns:
        _, triangle = torch.linalg.qr(torch.cat([matrix, right_side[:, None]], dim=1), mode="r")
        matrix, right_side = triangle[:columns, :columns], triangle[:columns, columns]
        smallest = smallest_singular_value(matrix)
        if smallest > negligible:
            solution = torch.linalg.solve_triangular(matrix, right_side[:, None], upper=True)
            return solution[:, 0], columns, largest / smallest
    solved = torch.linalg.lstsq(matrix, right_side[:, None], rcond=negligible / largest, driver="gelsy")
    return solved.solution[:, 0], int(solved.rank), None


def start(length: int) -> Tensor:
    """A vector (length, 1) without the symmetries that singular vectors have."""
    return torch.linspace(1, 2, length, dtype=torch.float64)[:, None]


def largest_singular_value(matrix: Tensor) -> float:
    """By power iteration: right to a few percent, from below."""
    vector, length = start(matrix.shape[1]), 0.0
    for _ in range(POWERS):
        image = matrix @ (vector / vector.norm().clamp(min=1e-300))
        vector, length = matrix.T @ image, float(image.norm())
    return length


def smallest_singular_value(triangle: Tensor) -> float:
    """Of an upper triangle, by inverse iteration: right to a few percent, from above."""
    if not triangle.diagonal().all():
        return 0.0
    vector, length = start(len(triangle)), math.inf
    for _ in range(POWERS):
        half = torch.linalg.solve_triangular(triangle.T, vector / vector.norm(), upper=False)
        vector, length = torch.linalg.solve_triangular(triangle, half, upper=True), 1 / float(half.norm())
    return length


def distance(given: Tensor, wanted: Tensor) -> float:
    """Relative, so that layers can be compared."""
    return float((given - wanted).norm() / wanted.norm().clamp(min=1e-300))
