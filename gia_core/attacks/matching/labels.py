"""What the labels of the private batch are, read from the update before any image is searched."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from ...models import classifier
from ...types import Observation

LabelStrategy = Literal["auto", "known", "idlg", "joint"]
"""known: granted by the threat model. idlg: read off the classifier's gradient. joint: searched together with the
images. auto: the first of these, in this order, that applies."""


def restore_labels(strategy: LabelStrategy, seen: Observation) -> Tensor | None:
    """(B,) class indices, or None where they are to be searched together with the images.

    Raises ValueError where a strategy needs what the observation lacks.
    """
    if strategy == "auto":
        strategy = "known" if seen.labels is not None else "idlg" if seen.batch_size == 1 else "joint"
    if strategy == "known" and seen.labels is None:
        raise ValueError("The labels are not known to this attacker; grant them, or let the attack restore them.")
    if strategy == "idlg" and seen.batch_size > 1:
        raise ValueError("iDLG's label rule needs a batch of one image; choose another way to find the labels.")
    match strategy:
        case "known":
            return seen.labels
        case "idlg":
            return idlg(*classifier_gradient(seen)).reshape(1)
        case _:
            return None


def idlg(weight: Tensor, bias: Tensor | None) -> Tensor:
    """The class of the one image behind a classifier's gradient (Zhao et al., 2020, equation 5): a 0-dimensional index.

    ``weight`` (K, features), ``bias`` (K,). With softmax and cross-entropy every class but the true one is pushed down.
    Three rules, the surest first: the one negative entry of the bias gradient; the one row of the weight gradient that
    points away from all others (exact for any features, K ≥ 3); the row with the smallest sum, as in the paper's code,
    which needs features of positive sum.
    """
    if bias is not None and int((bias < 0).sum()) == 1:
        return bias.argmin()
    products = weight @ weight.T
    opposed = ((products <= 0) | torch.eye(len(weight), dtype=torch.bool, device=weight.device)).all(dim=1)
    if int(opposed.sum()) == 1 and len(weight) > 2:
        return opposed.float().argmax()
    return weight.sum(dim=1).argmin()


def classifier_gradient(seen: Observation) -> tuple[Tensor, Tensor | None]:
    """The mean gradient of the last linear layer: (K, features) and (K,), the latter None without a bias."""
    first = seen.rounds[0]
    head = classifier(first.model)
    gradient = seen.rule.mean_gradient(first.update, seen.batch_size)
    by_parameter = {id(p): g for p, g in zip(first.model.parameters(), gradient, strict=True)}
    bias = None if head.bias is None else by_parameter[id(head.bias)]
    return by_parameter[id(head.weight)], bias
