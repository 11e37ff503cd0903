from __future__ import annotations

import torch

from .evidence import Evidence
from .restored import RestoredLabels, from_estimate

NOTE = "classes whose bias is pushed up get images in proportion to the push, at least one each."


def restore(evidence: Evidence, rng: torch.Generator) -> RestoredLabels:
    """LLG's two stages on the bias gradient, whose entries hold no features: right for features of any sign.

    The impact of one image is the sum of the negative entries over B. As the rule is known from public code of Geiping
    et al., without its fault of correcting the entry of an earlier class in the second stage.
    """
    assert evidence.bias is not None  # refused before
    pushed_up = evidence.bias < 0
    impact = evidence.bias[pushed_up].sum() / evidence.batch_size
    estimate = evidence.bias / impact if impact else torch.zeros_like(evidence.bias)
    return from_estimate("bias-corrected", estimate, evidence.batch_size, NOTE, at_least=pushed_up.to(estimate))
