"""How far an update is from the observed one.

Each function takes the observed update once and returns what measures others against it: a scalar, 0 for the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

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


def inner(one: Update, other: Update) -> Tensor:
    """The inner product of two updates, without copies of their entries."""
    products = [a.flatten().dot(b.flatten()) for a, b in zip(one, other, strict=True)]
    return torch.stack(products).sum()
