"""What a network's last layer receives. Imports torch: only for use inside methods."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ..models import classifier

OFFSET = 0.1
"""Added to a feature's size before dividing by it, as in the authors' code."""
AT_ONCE = 32
"""Gradients that are computed together: of so many features of one image, of fewer where there are more images."""


def features(model: nn.Module, images: Tensor) -> Tensor:
    """(B, C, H, W) to (B, F), what the classifier receives; the model is left as it was."""
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    received: list[Tensor] = []
    handle = classifier(model).register_forward_pre_hook(lambda _, inputs: received.append(inputs[0]))
    try:
        functional_call(model, buffers, (images,))
    finally:
        handle.remove()
    return received[-1].reshape(len(images), -1)


def input_shifts(model: nn.Module, images: Tensor) -> Tensor:
    """(F,) Σ over the images of ‖∂r_f / ∂x‖ / (|r_f| + 0.1) for every feature r_f (Sun et al., CVPR 2021).

    A feature with a small value looks, once it is hidden, like that of an image |r_f| / ‖∂r_f / ∂x‖ away. So the
    features with the smallest ratio are the ones to hide: each moves the represented image the farthest.
    """
    given = images.detach().clone().requires_grad_()
    found = features(model, given)
    slopes = []
    for part in torch.eye(found.shape[1]).to(found).split(max(1, AT_ONCE // len(images))):
        # The sum over the batch: in eval mode a feature of one image has no slope along another.
        cotangents = part[:, None].expand(-1, len(found), -1)
        (slope,) = torch.autograd.grad(found, given, cotangents, is_grads_batched=True, retain_graph=True)
        slopes.append(slope.flatten(2).norm(dim=2))
    return (torch.cat(slopes).T / (found.detach().abs() + OFFSET)).sum(dim=0)
