from __future__ import annotations

import torch

from .evidence import Evidence, answers
from .restored import RestoredLabels, from_lowest

NOTE = (
    "the smallest entry in the gradient of a class's weights is lowest where the class occurs. Every class is taken "
    "to occur at most once, and features to be positive."
)


def restore(evidence: Evidence, rng: torch.Generator) -> RestoredLabels:
    """The B classes whose weight gradient has the smallest entries (Yin et al., CVPR 2021, section 3.2).

    Needs labels that are all different, and features that are not negative.
    """
    smallest = evidence.weight.min(dim=1).values
    return from_lowest("yin", smallest, evidence.batch_size, NOTE + answers(evidence.seen, rng).caution())
