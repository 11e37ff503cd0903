"""Blind source separation: unknown sources from rows that are unknown linear mixtures of them.

Shapes: M mixtures, n entries each, R sources; F features of a row, by which the separation is judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

RELATIVE_RANK = 1e-11
"""Share of the largest eigenvalue below which one is rounding; mixtures in float32 leave about 1e-14."""
GAUSSIAN_LOG_COSH = 0.3745672075
"""Mean of log cosh of a standard normal variable."""


def centered(rows: Tensor) -> Tensor:
    """(M, n) with the mean of each row taken off."""
    return rows - rows.mean(dim=1, keepdim=True)


def neighbor_differences(rows: Tensor, image_shape: tuple[int, int, int]) -> Tensor:
    """(M, C H W) to (M, F): what remains between neighboring pixels, across and down.

    Taking differences is linear, so these are the same mixtures of the sources' differences. Those are sparse and
    hardly correlated between pictures, while the pixels of two pictures are neither.
    """
    images = rows.reshape(-1, *image_shape)
    across = images[..., :, 1:] - images[..., :, :-1]
    down = images[..., 1:, :] - images[..., :-1, :]
    return torch.cat([across.flatten(1), down.flatten(1)], dim=1)


def whitening(features: Tensor, count: int) -> tuple[Tensor, float]:
    """(R, M) that maps features (M, F) to R ≤ ``count`` uncorrelated rows of mean square 1, and how even they were.

    From the largest eigenpairs of the features' covariance; R is smaller where the rest is rounding, 0 where the
    features are zero or not finite. The latter is the largest over the smallest eigenvalue kept.
    """
    if not features.isfinite().all() or not features.any():
        return features.new_zeros(0, len(features)), float("nan")
    # Without this, entries of 1e-20 would underflow when squared.
    size = features.abs().max()
    values, vectors = torch.linalg.eigh((features / size) @ (features / size).T / features.shape[1])
    kept = values > RELATIVE_RANK * values[-1]
    kept[:-count] = False
    basis = vectors[:, kept] * values[kept].rsqrt()
    return basis.T / size, float(values[-1] / values[kept][0])


def fast_ica(whitened: Tensor, iterations: int = 200, tolerance: float = 1e-10) -> Tensor:
    """The rotation (R, R) under which white rows (R, F) are most independent: symmetric FastICA with tanh.

    (Hyvärinen, IEEE TNN 1999, equation 20 and section III-C.)
    """
    rotation: Tensor = torch.eye(len(whitened), dtype=whitened.dtype, device=whitened.device)
    for _ in range(iterations):
        squashed = (rotation @ whitened).tanh()
        slope = (1 - squashed.square()).mean(dim=1, keepdim=True)
        left, _, right = torch.linalg.svd(squashed @ whitened.T / whitened.shape[1] - slope * rotation)
        previous, rotation = rotation, left @ right
        if float(1 - (rotation * previous).sum(dim=1).abs().min()) < tolerance:
            break
    return rotation


def unit_rows(unmixing: Tensor) -> Tensor:
    return torch.nn.functional.normalize(unmixing, dim=1)


def negentropy(sources: Tensor) -> Tensor:
    """How far rows of mean square 1 are from a normal distribution, their mean (Hyvärinen, IEEE TNN 1999, equation 6).

    With G = log cosh, which is computed so that large entries do not overflow.
    """
    size = sources.abs()
    log_cosh = size + torch.log1p(torch.exp(-2 * size)) - torch.log(torch.tensor(2.0).to(sources))
    return (log_cosh.mean(dim=1) - GAUSSIAN_LOG_COSH).square().mean()


def correlation(unmixing: Tensor, sharpness: float) -> Tensor:
    """exp(T |cosine|) − 1, mean over pairs of different unit rows; 0 for one row (Kariyappa et al., ICML 2023)."""
    others = ~torch.eye(len(unmixing), dtype=torch.bool, device=unmixing.device)
    cosines = (unmixing @ unmixing.T)[others]
    return torch.expm1(sharpness * cosines.abs()).mean() if cosines.numel() else unmixing.sum() * 0


def one_signed(sources: Tensor) -> Tensor:
    """Root mean square of the smaller of each row's positive and negative part, mean over rows; 0 for one sign only."""
    parts = torch.stack([(sign * sources).clamp_min(0).square().mean(dim=1) for sign in (1, -1)])
    return (parts.amin(dim=0) + 1e-12).sqrt().mean()


@dataclass(frozen=True)
class Term:
    """One part of what the refinement minimizes."""

    name: str
    weight: float
    """May be negative, for what is to grow."""
    value: Callable[[Tensor], Tensor]
    """Unit rows of an unmixing (R, R) to a scalar."""


@dataclass(frozen=True)
class Refined:
    """The unmixing after one iteration."""

    unmixing: Tensor
    """(R, R), unit rows, at the lowest total so far."""
    losses: dict[str, float]
    weighted: dict[str, float]
    best: dict[str, float]


def refine(unmixing: Tensor, terms: tuple[Term, ...], *, lr: float, iterations: int) -> Iterator[Refined]:
    """Adam on the unmixing matrix, whose rows are brought back to length 1; the first iteration judges the start."""
    variable = unmixing.clone().requires_grad_()
    optimizer = torch.optim.Adam([variable], lr=lr)
    best, best_rows = {"total": float("inf")}, unit_rows(unmixing)
    for _ in range(iterations):
        rows = unit_rows(variable)
        values = {term.name: term.value(rows) for term in terms}
        total = torch.stack([term.weight * values[term.name] for term in terms]).sum()
        variable.grad = torch.autograd.grad(total, variable)[0]
        losses = {"total": total.item(), **{name: value.item() for name, value in values.items()}}
        weighted = {term.name: term.weight * losses[term.name] for term in terms}
        if losses["total"] < best["total"]:
            best, best_rows = losses, rows.detach()
        yield Refined(best_rows, losses, weighted, best)
        optimizer.step()
        with torch.no_grad():
            variable.copy_(unit_rows(variable))


def scaled_by_sums(sources: Tensor, sums: Tensor) -> Tensor:
    """(R, n) sources of unknown sign and scale divided by the sum of their mixing weights, (R,).

    Where every source is known to enter with weight 1 in all, as images do in weight gradients beside the bias
    gradient, this is the one right sign and scale. A sum that is all but zero leaves the scale open, not the sign.
    """
    least = 1e-6 * sources.abs().amax(dim=1)
    return sources / (torch.where(sums < 0, -1.0, 1.0) * sums.abs().clamp_min(least).clamp_min(1e-30))[:, None]


def largest_fit(sources: Tensor, low: Tensor, high: Tensor, tolerated: float) -> Tensor:
    """(R,) largest factors > 0 by which the share ``tolerated`` of each source's entries leaves [low, high] at most.

    ``low`` (n,) is negative and ``high`` (n,) positive.
    """
    needed = torch.where(sources > 0, sources / high, sources / low)
    return 1 / needed.quantile(1 - tolerated, dim=1).clamp_min(1e-30)
