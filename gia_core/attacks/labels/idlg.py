from __future__ import annotations

import torch
from torch import Tensor

from .evidence import Evidence
from .restored import RestoredLabels, from_counts, from_lowest

NOTE = "a single image pulls its own class up and pushes all others down."
SUMS = " Here only the sums of the weights' gradients tell, which takes features of positive sum."


def restore(evidence: Evidence, rng: torch.Generator) -> RestoredLabels:
    """The label of a batch of one image."""
    label = undisputed(evidence.weight, evidence.bias)
    if label is None:
        return from_lowest("idlg", evidence.weight.sum(dim=1), 1, NOTE + SUMS)
    counts = torch.zeros(len(evidence.weight)).scatter(0, label, 1)
    return from_counts("idlg", counts, counts, NOTE)


def idlg(weight: Tensor, bias: Tensor | None) -> Tensor:
    """The class of the one image behind a classifier's gradient (Zhao et al., 2020, equation 5): a 0-dimensional index.

    ``weight`` (K, features), ``bias`` (K,). Where no surer rule applies, the row with the smallest sum, as in the
    paper's code, which needs features of positive sum.
    """
    label = undisputed(weight, bias)
    return weight.sum(dim=1).argmin() if label is None else label


def undisputed(weight: Tensor, bias: Tensor | None) -> Tensor | None:
    """The one negative entry of the bias gradient, or the one row that points away from all others, else None.

    Both are exact for one image with any features, the second with K ≥ 3 (Zhao et al., 2020, section 3).
    """
    if bias is not None and int((bias < 0).sum()) == 1:
        return bias.argmin()
    products = weight @ weight.T
    opposed = ((products <= 0) | torch.eye(len(weight), dtype=torch.bool, device=weight.device)).all(dim=1)
    return opposed.float().argmax() if int(opposed.sum()) == 1 and len(weight) > 2 else None
