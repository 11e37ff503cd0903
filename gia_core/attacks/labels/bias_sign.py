from __future__ import annotations

import torch

from .evidence import Evidence
from .restored import RestoredLabels, from_lowest

NOTE = (
    "an image pushes the bias of its own class up and all others down, whatever the features. Classes that are "
    "pushed up on the whole are certain, the next ones are guesses, and every class is taken to occur at most once."
)


def restore(evidence: Evidence, rng: torch.Generator) -> RestoredLabels:
    """The B classes with the lowest bias gradient: those where it is negative for certain, then the next ones.

    Class i's entry is negative where its images outnumber Σ p_i. For one image this is exact for any features; for
    more it takes the labels for different (the sign rule behind Zhao et al., 2020, on the bias).
    """
    assert evidence.bias is not None  # refused before
    return from_lowest("bias-sign", evidence.bias, evidence.batch_size, NOTE)
