"""V9: whether the first convolution merely hands the image on. Imports torch."""

from __future__ import annotations

import torch
from torch import nn

from .findings import Finding, Verdict, unknown
from .received import Received

DOMINATES = 1.0
"""One weight beside the sum of all others of its kernel (Garov et al., ICLR 2024; its public code)."""
SMALLEST = 9
"""Weights of a kernel, all channels, from which on a share of them means something (ours)."""


def transmission(received: Received) -> Finding:
    """The transmission signal-to-noise ratio: the largest weight of a kernel beside the sum of all others.

    A kernel with one weight copies its input, which hides a block that separates images deeper in the network.
    """
    found = ((n, m) for n, m in received.model.named_modules() if isinstance(m, nn.Conv2d))
    name, layer = next(found, ("", None))
    if layer is None or layer.weight[0].numel() < SMALLEST:
        return unknown("The network does not begin with a convolution of kernels large enough.")
    sizes = layer.weight.detach().double().abs().flatten(1)
    largest = sizes.amax(dim=1)
    rest = (sizes.sum(dim=1) - largest).clamp_min(torch.finfo(torch.float64).tiny)
    ratio = float((largest / rest).where(largest > 0, 0).max())
    verdict: Verdict = "fail" if ratio > DOMINATES else "ok"
    sentence = f"In a kernel of layer {name} the largest weight is {ratio:.2g} times all others together."
    return Finding(ratio, DOMINATES, verdict, sentence)
