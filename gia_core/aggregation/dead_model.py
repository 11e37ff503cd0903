"""Model inconsistency: a server makes clients send zeros, so that a sum singles one out (Pasquini et al., CCS 2022).

A model is dead where its classifier receives zeros and has weights of zero: then nothing that a client could learn
reaches any layer. Only the classifier's bias, where it has one, still moves, by how often each label occurs; of that
entry of the sum the server learns nothing about a single client, and lets it be. Imports torch.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ..models import classifier
from ..types import Update

SHUT = -200.0
"""A bias in front of a sigmoid that makes it exactly 0 in float32, whatever comes in from layers of zeros."""


def dead(model: nn.Module, image_shape: tuple[int, int, int]) -> nn.Module:
    """A copy whose updates are zero but for the classifier's bias, for images (C, H, W).

    Raises ValueError where a network of zeros still has features.
    """
    silent = copy.deepcopy(model)
    head = classifier(silent)
    with torch.no_grad():
        for parameter in silent.parameters():
            parameter.zero_()
        if not featureless(silent, image_shape):  # as a sigmoid is not 0 at 0
            for module in silent.modules():
                if module is not head and isinstance(bias := getattr(module, "bias", None), nn.Parameter):
                    bias.fill_(SHUT)
    if not featureless(silent, image_shape):
        raise ValueError("This network cannot be made dead by its weights; withhold dead models.")
    return silent


def featureless(model: nn.Module, image_shape: tuple[int, int, int]) -> bool:
    """Whether the classifier receives nothing but zeros."""
    probe = copy.deepcopy(model).eval()
    received: list[Tensor] = []
    classifier(probe).register_forward_pre_hook(lambda _, inputs: received.append(inputs[0]))
    with torch.no_grad():
        probe(torch.full((1, *image_shape), 0.5, device=next(probe.parameters()).device))
    return not any(bool(features.any()) for features in received)


def without_classifier_bias(model: nn.Module, update: Update) -> Update:
    """``update`` with zeros in place of the entry that the dead models moved, too."""
    bias = classifier(model).bias
    return tuple(
        torch.zeros_like(u) if parameter is bias else u for parameter, u in zip(model.parameters(), update, strict=True)
    )
