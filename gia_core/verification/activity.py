"""V7: which neurons of the first hidden layer answer to which of the own images. Imports torch. B images, K neurons."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..clients import logits
from .findings import Finding, Verdict, unknown
from .received import Received, heard

FEWEST = 16
"""Own images from which on a share of them means something (ours)."""
NARROWEST = 128
"""Neurons from which on the shares are steady: the size for which they were measured (ours)."""
ALONE, DEAD = 0.05, 0.5
"""Shares of the neurons that may answer to exactly one image, and to none; trap weights reach 0.12 and 0.8 (ours)."""
BY_CHANCE = 3.0
"""How many times more may answer to one image than where neurons answer to any share of all images alike, which is
1 / (B + 1); in batches below 59 that is more than ``ALONE`` (ours: of 16 digits, honest networks reach 0.11)."""


def activity(received: Received) -> Finding:
    """The share of the neurons that answer to exactly one image, or to none.

    Both are what an attacker wants who separates images: a neuron that answers to one image alone holds this image.
    """
    size = len(received.batch.images)
    if size < FEWEST:
        return unknown(f"It takes a batch of {FEWEST} images or more; this one has {size}.")
    hidden = list(received.linear)[:-1]
    if not hidden:
        return unknown("The network has no hidden layer that is fully connected.")
    if received.linear[hidden[0]].out_features < NARROWEST:
        return unknown(f"It takes {NARROWEST} neurons or more to tell chance from intent.")
    counts = answers(received, received.linear[hidden[0]]).sum(dim=0)
    alone, dead = (float((counts == number).double().mean()) for number in (1, 0))
    limits = max(ALONE, BY_CHANCE / (size + 1)), DEAD
    value, limit = max(zip((alone, dead), limits, strict=True), key=lambda pair: pair[0] / pair[1])
    verdict: Verdict = "fail" if value > limit else "ok"
    words = f"{alone:.0%} answer to exactly one of the {size} own images, {dead:.0%} to none"
    return Finding(value, limit, verdict, f"Of the neurons of layer {hidden[0]}, {words}.")


def answers(received: Received, layer: nn.Linear) -> Tensor:
    """(B, K) bool: whether the scores of an image depend on the neuron, at any place where the layer is applied."""
    outputs: list[Tensor] = []
    with heard(layer, lambda _, output: outputs.append(output)):
        scores = logits(received.model, received.batch.images)
    # Some weighting of the classes; what matters is that no neuron is likely to cancel out.
    total = scores.double() @ torch.linspace(1, 2, scores.shape[1], dtype=torch.float64, device=scores.device)
    slopes = torch.autograd.grad(total.sum(), outputs, materialize_grads=True)
    return torch.stack([(s != 0).flatten(1, -2).any(dim=1) if s.ndim > 2 else s != 0 for s in slopes]).any(dim=0)
