"""V8 and V10: whether one image, one layer or one class dominates the gradient. Imports torch. B images, K classes."""

from __future__ import annotations

from torch import Tensor

from .findings import Finding, Verdict, unknown, worst
from .received import Received

DOMINATES = 1.0
"""V8: one image's gradient beside the sum of all others' (Garov et al., ICLR 2024; its public code)."""
UNUSUAL = 5.0
"""V8: times 1 / (B - 1), which is what equal images give (ours)."""
FEWEST = 8
"""V8: own images from which on it means something: of two images the larger one always dominates (ours)."""
ERROR = 1e-5
"""V8: how far the probabilities of an image must be off for its gradient to say something beside rounding (ours)."""
LAYER = 0.99
"""V10: share of the squared gradient that one layer may hold (ours)."""
EMPTY = 0.01
"""V10: how small a row of the classifier is, beside the largest one, that counts as empty (ours)."""


def image_dominates(received: Received) -> Finding:
    """V8, the disaggregation signal-to-noise ratio: the largest gradient of one image beside the sum of all others.

    The maximum over all layers. A network that knows its images well has a gradient for the few that it still gets
    wrong, so it fails only where one image also dominates after every gradient was divided by the error of the scores
    that it comes from: then the network answers one image and is deaf to the errors of the others. Servers that hide
    one image in the sum and separate it with a secret decoder (SEER) stay below.
    """
    size = len(received.judged.images)
    if size < FEWEST:
        return unknown(f"It takes a batch of {FEWEST} images or more; this one has {size}.")
    wrong = received.errors > ERROR
    found = []
    for name, norms in received.sizes:
        ratio = dominance(norms)
        deaf = int(wrong.sum()) >= FEWEST and dominance(norms[wrong] / received.errors[wrong]) > DOMINATES
        verdict: Verdict = "ok" if ratio <= UNUSUAL / (size - 1) else "fail" if ratio > DOMINATES and deaf else "warn"
        sentence = f"In layer {name} the largest gradient of one image is {ratio:.2g} times that of all others together"
        why = ", although the others are not classified any better" if verdict == "fail" else ""
        found.append(Finding(ratio, DOMINATES, verdict, f"{sentence}{why}."))
    return worst(found, "The network has no linear or convolutional layer.")


def dominance(sizes: Tensor) -> float:
    """The largest beside the sum of the others; (N,)."""
    return float(sizes.max() / (sizes.sum() - sizes.max() + 1e-6 * sizes.max()).clamp_min(1e-30))


def concentration(received: Received) -> Finding:
    """V10: whether the classifier knows a single class, and the share of one layer in the gradient.

    The rows of a cross-entropy gradient always add up to zero, so that it never has a single row; where the server
    fishes for a class it is the classifier itself that has but one.
    """
    return worst([single_class(received), single_layer(received)], "There is no gradient.")


def single_class(received: Received) -> Finding:
    """The share of the classes whose row in the classifier is empty."""
    if not received.linear:
        return unknown("The network has no linear layer that scores the classes.")
    sizes = list(received.linear.values())[-1].weight.detach().double().norm(dim=1)
    classes, empty = len(sizes), int((sizes <= EMPTY * sizes.max()).sum())
    verdict: Verdict = "fail" if empty > classes - 2 else "ok"
    sentence = f"{empty} of the {classes} rows of the classifier are empty."
    return Finding(empty / classes, (classes - 2) / classes, verdict, sentence)


def single_layer(received: Received) -> Finding:
    """The largest share of one layer in the squared gradients of the own images."""
    squares = {name: float(norms.square().sum()) for name, norms in received.sizes}
    total = sum(squares.values())
    if not total or len(squares) < 2:
        return unknown("There is no gradient that layers could share.")
    name, largest = max(squares.items(), key=lambda pair: pair[1])
    verdict: Verdict = "warn" if largest > LAYER * total else "ok"
    sentence = f"Layer {name} holds {largest / total:.1%} of the squared gradient."
    return Finding(largest / total, LAYER, verdict, sentence)
