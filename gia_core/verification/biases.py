"""V4: whether the biases of a linear layer are the thresholds of bins, as in Fowl et al. (ICLR 2022). Imports torch."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .findings import Finding, Verdict, worst
from .received import Received
from .rows import WIDE

DEVIATIONS = 6.0
"""How many standard deviations more steps may lead up than down, or down than up (ours)."""
CORRELATION = 0.9999
"""Of the sorted biases with the quantiles of a law; random biases reach about 0.99 (ours)."""


def thresholds(received: Received) -> Finding:
    """Whether the biases climb or fall from row to row, or, in whatever order, are the quantiles of a bell curve.

    Of K − 1 steps between random numbers (K − 1) / 2 lead up, with standard deviation √((K + 1) / 12).
    """
    layers = [(name, layer.bias) for name, layer in received.linear.items() if layer.bias is not None]
    return worst(
        [thresholds_of(name, bias.detach().double()) for name, bias in layers if len(bias) >= WIDE],
        "No linear layer has enough biases for this.",
    )


def thresholds_of(name: str, bias: Tensor) -> Finding:
    law, correlation = max(((law, fit(bias, law)) for law in LAWS), key=lambda pair: pair[1])
    if correlation > CORRELATION:
        sentence = (
            f"Sorted, the biases of layer {name} are the quantiles of a {law} distribution, as thresholds of bins are."
        )
        return Finding(correlation, CORRELATION, "fail", sentence)
    deviations = climb(bias)
    verdict: Verdict = "fail" if deviations > DEVIATIONS else "ok"
    words = f"how often the biases of layer {name} climb is {deviations:.1f} standard deviations away from chance"
    return Finding(deviations, DEVIATIONS, verdict, f"From row to row, {words}.")


def climb(bias: Tensor) -> float:
    """Of (K,) biases: |steps up − (K − 1) / 2| in standard deviations; steps between equal biases count half."""
    return float(bias.diff().sign().sum().abs()) / 2 / math.sqrt((len(bias) + 1) / 12)


LAWS = ("normal", "Laplace")


def fit(bias: Tensor, law: str) -> float:
    """Correlation of the sorted biases with the law's quantiles in the middle of K equal shares; 0 if all are equal."""
    shares = (torch.arange(len(bias), dtype=torch.float64, device=bias.device) + 0.5) / len(bias)
    centered = 2 * shares - 1
    quantiles = torch.erfinv(centered) if law == "normal" else -centered.sign() * (1 - centered.abs()).log()
    return float(torch.corrcoef(torch.stack([bias.sort().values, quantiles]))[0, 1].nan_to_num(0))
