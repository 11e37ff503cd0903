"""Whether one image alone, with one label, explains the signal that a neuron sent. Imports torch.

M candidates, R neurons.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...models.batch_norm import batch_norm_layers
from ...types import UNKNOWN

FITS = 1e-4
"""Relative error up to which a label explains a signal."""


def labels_that_fit(
    model: nn.Module, layer: nn.Linear, images: Tensor, neurons: Tensor, signals: Tensor, batch_size: int
) -> Tensor:
    """The class with which each of (M, C, H, W) images, if no other reached its neuron, sends its signal; (M,).

    ``neurons`` (M,) are outputs of ``layer``, and ``signals`` (M,) their entries in the gradient of its bias. A mixture
    of images sends the sum of several signals, which fits a class but by chance: then UNKNOWN. Nothing fits where the
    update is not one gradient without noise or clipping, and where BatchNorm in training mode lets the images of a
    batch influence each other.
    """
    unknown = torch.full((len(images),), UNKNOWN, device=images.device)
    if not len(images) or any(norm.training for norm in batch_norm_layers(model)):
        return unknown
    outputs = torch.zeros(len(images), layer.out_features, device=images.device)
    towards = nn.functional.one_hot(neurons, layer.out_features).to(outputs)

    def answer(shift: Tensor) -> Tensor:
        handle = layer.register_forward_hook(lambda module, inputs, output: output + shift)
        try:
            logits: Tensor = model(images)
        finally:
            handle.remove()
        return logits

    with torch.no_grad():
        logits, slopes, *_ = torch.func.jvp(answer, (outputs,), (towards,))
        # Of the loss with each class as the label, along the neuron: (M, K).
        slopes = (logits.softmax(dim=1) * slopes).sum(dim=1, keepdim=True) - slopes
    error, nearest = (slopes.double() / batch_size - signals[:, None]).abs().min(dim=1)
    labels: Tensor = nearest.where(error < FITS * signals.abs(), unknown)
    return labels
