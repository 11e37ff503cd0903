"""The statistics in a network's BatchNorm layers. Imports torch: only for use inside functions that run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ..types import BatchNormStatistics


def batch_norm_layers(model: nn.Module) -> list[nn.BatchNorm2d]:
    """In ``model.modules()`` order."""
    return [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]


def running_averages(model: nn.Module) -> tuple[BatchNormStatistics, ...]:
    """What each layer has averaged over its training: it comes with the model."""
    found = []
    for layer in batch_norm_layers(model):
        assert layer.running_mean is not None
        assert layer.running_var is not None
        found.append(BatchNormStatistics(layer.running_mean.clone(), layer.running_var.clone()))
    return tuple(found)


@contextmanager
def listening(model: nn.Module) -> Iterator[list[BatchNormStatistics]]:
    """A list that every forward pass in this block fills anew with what each layer received, differentiable.

    The variance is the biased one. A pass through copies of the parameters (``functional_call``) is heard too.
    """
    heard: list[BatchNormStatistics] = []
    layers = batch_norm_layers(model)

    def hear(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if layer is layers[0]:
            heard.clear()
        (features,) = inputs
        heard.append(BatchNormStatistics(features.mean((0, 2, 3)), features.var((0, 2, 3), unbiased=False)))

    handles = [layer.register_forward_pre_hook(hear) for layer in layers]
    try:
        yield heard
    finally:
        for handle in handles:
            handle.remove()


def received_by_batch_norm(model: nn.Module, images: Tensor) -> tuple[BatchNormStatistics, ...]:
    """The statistics of ``images`` (B, C, H, W) at each layer; the model is left as it was."""
    from torch.func import functional_call

    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    with torch.no_grad(), listening(model) as heard:
        functional_call(model, buffers, (images,))
    return tuple(heard)
