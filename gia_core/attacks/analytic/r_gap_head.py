"""What a classifier received, from its gradient alone: R-GAP's first step (Zhu and Blaschko, ICLR 2021, section 3.1).

K classes; softmax and cross-entropy behind the layer. Imports torch: only for use inside ``run``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .r_gap_layers import Affine
from .r_gap_solve import ROUNDING, Solved

LOWEST = 1.2784645427610738
"""Where -μ / (1 + exp μ) is lowest: the root of exp(-μ) = μ - 1."""


@dataclass(frozen=True)
class Candidate:
    """One solution of the last layer, followed back towards the image."""

    label: int
    values: Tensor
    """What the part of the network that was undone last receives, flat."""
    errors: Tensor
    """∂ℓ/∂values."""
    feature_norm: float
    """Of what the classifier receives."""
    head_residual: float
    residual: float = 0.0
    """The largest of all layers so far."""
    layers: tuple[Solved, ...] = ()
    """From the last to the first."""


def last_layer(head: Affine) -> list[Candidate]:
    """Every (label, features, ∂ℓ/∂features) that explains the classifier's gradient; none where it is zero.

    A bias gives ∂ℓ/∂logits, so there is one. Without it the features are known up to their scale c, which must satisfy
    softmax(c W u) - e_y = r / c, where ∇W = r uᵀ: one solution, or two with two classes. Where the published code takes
    the first that a descent from zero finds, all are kept here.
    """
    weight, gradient = head.weight.flatten(1), head.gradient.flatten(1)
    slopes = head.bias_gradient
    if not gradient.any() or (slopes is not None and not slopes.any()):
        return []
    if slopes is not None:
        return [candidate(weight, gradient, slopes, int(slopes.argmin()))]
    return two_classes(weight, gradient) if len(weight) == 2 else more_classes(weight, gradient)


def candidate(weight: Tensor, gradient: Tensor, slopes: Tensor, label: int) -> Candidate:
    """``slopes`` (K,) is ∂ℓ/∂logits, so that ``gradient`` should be its product with the features."""
    features = slopes @ gradient / slopes.square().sum()
    rest = (gradient - slopes[:, None] * features).norm() / gradient.norm()
    return Candidate(label, features, weight.T @ slopes, float(features.norm()), float(rest))


def two_classes(weight: Tensor, gradient: Tensor) -> list[Candidate]:
    """Both labels, with every root that the margin may have."""
    found = []
    for label in (0, 1):
        other = 1 - label
        # The row of the other class has all digits; the true one's lost some when one was taken from its probability.
        for margin in logistic_roots(float(gradient[other] @ (weight[other] - weight[label]))):
            slope = 1 / (1 + math.exp(margin))
            slopes = torch.tensor([slope, -slope] if label else [-slope, slope], dtype=weight.dtype)
            found.append(candidate(weight, gradient, slopes, label))
    return found


def logistic_roots(product: float) -> list[float]:
    """Every μ with -μ / (1 + exp μ) = ``product``, smallest first (section 3.1 of the paper).

    The left side falls from infinity to -0.278 at μ = 1.278, and then rises to 0: one root for a product ≥ 0, which is
    a misclassified sample, two for one between, and below only the nearest point.
    """
    lowest = logistic(LOWEST)
    if product <= lowest:
        return [LOWEST]
    roots = [bisected(product, high=-2 * abs(product) - 2, low=LOWEST)]
    if product < 0:
        beyond = 2 * LOWEST
        while logistic(beyond) < product and beyond < 300:  # the exponential of more could not be squared
            beyond *= 2
        roots.append(bisected(product, high=beyond, low=LOWEST))
    return roots


def logistic(margin: float) -> float:
    return -margin / (1 + math.exp(margin))


def bisected(product: float, *, high: float, low: float) -> float:
    """Where ``logistic`` is ``product``, between a point where it is higher and one where it is lower."""
    for _ in range(200):
        middle = (high + low) / 2
        high, low = (middle, low) if logistic(middle) > product else (high, middle)
    return (high + low) / 2


def more_classes(weight: Tensor, gradient: Tensor) -> list[Candidate]:
    """Every scale of the features at which the misfit has a minimum that can compete with the lowest."""
    direction = torch.linalg.svd(gradient, full_matrices=False).Vh[0]
    rows = gradient @ direction
    one_sided = not bool((rows > 0).any() and (rows < 0).any())
    # The true class is pushed up by as much as all others are pushed down, or by nothing that float32 can tell from it.
    label = int(rows.abs().argmin() if one_sided else rows.abs().argmax())
    if (rows.sum() if one_sided else -rows[label]) < 0:
        rows, direction = -rows, -direction
    scores = weight @ direction
    others = torch.arange(len(rows)) != label
    if not rows[others].any():
        return []

    def misfit(scales: Tensor) -> Tensor:
        """(N,) to (N,). The true class is left out, since its row lost digits when one was taken from it."""
        wanted = rows[others] / scales[:, None]
        given = (scales[:, None] * scores).softmax(dim=1)[:, others]
        misses: Tensor = (given - wanted).square().sum(1) / wanted.square().sum(1)
        return misses

    least = float(rows[others].clamp(min=0).sum())  # No probability is above one.
    scales = minima(misfit, max(least, 1e-12), 1e4)
    misfits = misfit(scales)
    competing = scales[misfits <= max(100 * float(misfits.min()), ROUNDING**2)]
    found = [candidate(weight, gradient, rows / scale, label) for scale in competing]
    return [replace(one, head_residual=float(m.sqrt())) for one, m in zip(found, misfit(competing), strict=True)]


def minima(function: Callable[[Tensor], Tensor], low: float, high: float) -> Tensor:
    """Every local minimum of a function of one variable that a logarithmic grid sees, by golden section search."""
    grid = torch.logspace(math.log10(low), math.log10(max(high, 100 * low)), 4000, dtype=torch.float64)
    values = torch.nn.functional.pad(function(grid), (1, 1), value=math.inf)
    at = ((values[1:-1] <= values[:-2]) & (values[1:-1] < values[2:])).nonzero()[:, 0]
    left, right = grid[(at - 1).clamp(min=0)], grid[(at + 1).clamp(max=len(grid) - 1)]
    ratio = (math.sqrt(5) - 1) / 2
    for _ in range(80):
        width = ratio * (right - left)
        inner_left, inner_right = right - width, left + width
        falling = function(inner_left) > function(inner_right)
        left, right = inner_left.where(falling, left), right.where(falling, inner_right)
    return (left + right) / 2
