"""V6 and V12: how large the weights are, and how far they moved since the last round. Imports torch."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import median

from torch import Tensor, nn

from .findings import Finding, Verdict, unknown
from .received import Received, weights_of

SMALLEST, LARGEST = 0.2, 5.0
"""V6: of the deviation of a layer's weights beside the one it is compared with (ours)."""
JUMP = 10.0
"""V12: how many times further than usual the model may move (ours)."""
USUAL = 2
"""V12: earlier moves from which on something is usual; the first rounds move the most (ours)."""


def weight_scale(received: Received) -> Finding:
    """V6: the deviation of a layer's weights beside that of the last round, or else of a fresh network.

    Where nothing was agreed on, beside the uniform law with which torch initializes layers, 1 / √(3 · fan-in).
    """
    reference = received.earlier[-1] if received.earlier else received.agreed
    before = weights_of(reference) if reference is not None else {}
    against = "the last round's" if received.earlier else "a fresh network's"
    found = []
    for name, weight in received.weights.items():
        usual = deviation(before[name]) if name in before else 1 / math.sqrt(3 * weight[0].numel())
        if usual > 0:
            found.append(scale_of(name, deviation(weight) / usual, against))
    return max(found, key=excess, default=unknown("No layer has weights to compare."))


def scale_of(name: str, ratio: float, against: str) -> Finding:
    """The ratio beside the limit that is nearer."""
    verdict: Verdict = "ok" if SMALLEST <= ratio <= LARGEST else "warn"
    sentence = f"The weights of layer {name} vary {ratio:.4g} times as much as {against}."
    small = ratio < 1
    return Finding(ratio, SMALLEST if small else LARGEST, verdict, sentence, low=small)


def excess(finding: Finding) -> float:
    """How many times too large or too small, on a scale on which both are the same."""
    return abs(math.log(finding.value)) if finding.value else math.inf


def deviation(weight: Tensor) -> float:
    return float(weight.detach().double().std(correction=0))


def moved(received: Received) -> Finding:
    """V12: how far the model moved since the last round, beside the median of the moves before."""
    models = (*received.earlier, received.model)
    if len(received.earlier) <= USUAL:
        return unknown("It takes some rounds to know how far the model usually moves.")
    if shapes(received.model) != shapes(received.earlier[-1]):
        return unknown("The model has other parameters than in the last round.")
    *past, last = (distance(one, other) for one, other in pairwise(models))
    usual = median(past)
    value = last / usual if usual else math.inf if last else 0.0
    verdict: Verdict = "warn" if value > JUMP else "ok"
    return Finding(value, JUMP, verdict, f"Since the last round the model moved {value:.3g} times as far as usual.")


def shapes(model: nn.Module) -> list[tuple[int, ...]]:
    return [tuple(parameter.shape) for parameter in model.parameters()]


def distance(one: nn.Module, other: nn.Module) -> float:
    """‖θ − θ'‖."""
    if one is other:
        return 0.0
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return math.sqrt(sum(float((a.detach() - b.detach()).double().square().sum()) for a, b in pairs))
