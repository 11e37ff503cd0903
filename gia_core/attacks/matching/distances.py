"""How far an update is from the observed one.

Each function takes the observed update once and returns what measures others against it: a scalar, 0 for the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from ...types import Update

Mismatch: TypeAlias = Callable[[Update], Tensor]
"""A simulated update to its distance from the observed one."""
Distance: TypeAlias = Callable[[Update], Mismatch]


def squared_l2(observed: Update) -> Mismatch:
    """Sum of squared differences, as a share of the observed update's squared norm (Zhu et al., NeurIPS 2019, eq. 4).

    The share has the same minimum; without it, optimizers and tolerances would take a weak gradient for a solved one.
    """
    size = inner(observed, observed).clamp_min(1e-24)

    def distance(update: Update) -> Tensor:
        difference = tuple(u - o for u, o in zip(update, observed, strict=True))
        return inner(difference, difference) / size

    return distance


def squared_and_plain_l2(observed: Update) -> Mismatch:
    """``squared_l2`` plus its root, so that there is a slope however close the two are.

    (Ren et al., ACM TIST 2022; what they call the Wasserstein distance is, as released, the plain distance.)
    """
    measure = squared_l2(observed)

    def distance(update: Update) -> Tensor:
        share = measure(update)
        return share + share.clamp_min(1e-24).sqrt()

    return distance


def cosine(observed: Update) -> Mismatch:
    """One minus the cosine of the angle between the two, all tensors taken as one vector.

    (Geiping et al., NeurIPS 2020, equation 4.)
    """
    length = inner(observed, observed).sqrt()

    def distance(update: Update) -> Tensor:
        # The square root has no slope at zero; an update without length has no direction either.
        ours = inner(update, update).clamp_min(1e-24).sqrt()
        return 1 - inner(update, observed) / (ours * length).clamp_min(1e-12)

    return distance


def layer_l2(observed: Update) -> Mismatch:
    """Sum over the tensors of the norm of the difference, as a share of the sum of the observed norms.

    (Yin et al., CVPR 2021, equation 4, without its scale.) No large tensor drowns the others.
    """
    size = torch.stack([o.norm() for o in observed]).sum().clamp_min(1e-12)

    def distance(update: Update) -> Tensor:
        norms = [torch.linalg.vector_norm(u - o) for u, o in zip(update, observed, strict=True)]
        return torch.stack(norms).sum() / size

    return distance


def masked_cosine(observed: Update) -> Mismatch:
    """``cosine`` over the entries that arrived: those that are not exactly zero in the observed update.

    Against pruning, which sets the others to zero. (Jeon et al., NeurIPS 2021.)
    """
    mask = tuple((o != 0).to(o.dtype) for o in observed)
    measure = cosine(observed)
    return lambda update: measure(tuple(u * m for u, m in zip(update, mask, strict=True)))


def depth_weighted(distance: Distance, weights: Literal["equal", "linear", "exponential"]) -> Distance:
    """``distance`` with every tensor multiplied by the root of its weight, so that squares get the weight.

    The weight falls from 1 at the input, "linear" to 1/L at the last of the L tensors, "exponential" by a factor of e
    from each tensor to the next, as in Geiping et al.'s public code.
    """
    if weights == "equal":
        return distance

    def weighted(observed: Update) -> Mismatch:
        count = len(observed)
        roots = [math.exp(-i / 2) if weights == "exponential" else math.sqrt(1 - i / count) for i in range(count)]
        measure = distance(tuple(root * o for root, o in zip(roots, observed, strict=True)))
        return lambda update: measure(tuple(root * u for root, u in zip(roots, update, strict=True)))

    return weighted


def on_layers(distance: Distance, which: str, count: int) -> Distance:
    """``distance`` over some of the tensors only.

    ``which`` is "all", "first" (the ``count`` nearest to the input) or "largest" (the ``count`` with the largest norm
    in the observed update, Geiping et al., NeurIPS 2020, section 5).
    """
    if which == "all":
        return distance

    def limited(observed: Update) -> Mismatch:
        order = list(range(len(observed)))
        if which == "largest":
            order.sort(key=lambda i: -observed[i].norm().item())
        chosen = order[:count]
        measure = distance(tuple(observed[i] for i in chosen))
        return lambda update: measure(tuple(update[i] for i in chosen))

    return limited


NAMED: dict[str, Distance] = {
    "squared-l2": squared_l2,
    "layer-l2": layer_l2,
    "cosine": cosine,
    "masked-cosine": masked_cosine,
}


def inner(one: Update, other: Update) -> Tensor:
    """The inner product of two updates, without copies of their entries."""
    products = [a.flatten().dot(b.flatten()) for a, b in zip(one, other, strict=True)]
    return torch.stack(products).sum()
