"""V1: whether this is the network that was agreed on. V11: whether others received the same."""

from __future__ import annotations

from collections import Counter

from torch import nn

from ..aggregation.fingerprint import fingerprint
from .findings import Finding, unknown
from .received import Received

DIFFERENCES = 0
"""V1: how many are accepted."""


def architecture(received: Received) -> Finding:
    """V1: the number of modules and parameters that differ from what was agreed on.

    Without an agreement, the number of linear layers that stand before the first convolution, where Robbing the Fed
    puts its block.
    """
    if received.agreed is None:
        return unagreed(received.model)
    ours, theirs = Counter(plan(received.agreed)), Counter(plan(received.model))
    added, missing = theirs - ours, ours - theirs
    count = added.total() + missing.total()
    if count <= DIFFERENCES:
        return Finding(0, DIFFERENCES, "ok", "The network is the one that was agreed on, layer by layer.")
    different = [*added, *missing]
    first = next(
        (part for part in different if not part.endswith("()")), different[0]
    )  # one that has something to tell
    sentence = f"{count} parts of the network are not as agreed, beginning with {first}."
    return Finding(count, DIFFERENCES, "fail", sentence)


def plan(model: nn.Module) -> list[str]:
    """Every module with its kind and settings, every tensor with its shape, and the numbers that nobody trains."""
    modules = [
        f"{name or 'the model'}: {type(module).__name__}({'' if list(module.children()) else module.extra_repr()})"
        for name, module in model.named_modules()
    ]
    constants = [
        f"{name}.{own} {buffer.tolist()}"
        for name, module in model.named_modules()
        if not isinstance(module, nn.BatchNorm2d)
        for own, buffer in module.named_buffers(recurse=False)
    ]
    return [*modules, *constants, *(f"{name} {tuple(tensor.shape)}" for name, tensor in model.state_dict().items())]


def unagreed(model: nn.Module) -> Finding:
    before = 0
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            break
        before += isinstance(module, nn.Linear)
    else:
        return unknown("No network was agreed on, so there is nothing to compare this one with.")
    if not before:
        return unknown("No network was agreed on; at least no linear layer stands before the first convolution.")
    sentence = f"{before} linear layers stand before the first convolution, where they see the image as it is."
    return Finding(before, DIFFERENCES, "fail", sentence)


def same_model(received: Received) -> Finding:
    """V11: the number of other clients whose model has another fingerprint (SHA-256)."""
    if not received.others:
        return unknown("There is no other client to compare the model with.")
    own = fingerprint(received.model)
    different = sum(other != own for other in received.others)
    if not different:
        sentence = (
            f"All {len(received.others)} other clients received the same model, which may still be tampered with."
        )
        return Finding(0, 0, "ok", sentence)
    sentence = f"{different} of {len(received.others)} other clients received another model."
    return Finding(different, 0, "fail", sentence)
