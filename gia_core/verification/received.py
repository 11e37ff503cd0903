"""What a client has when a model arrives. Imports torch: only for use inside checks. K rows, d columns, B images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from ..clients import logits
from ..models.batch_norm import batch_norm_layers
from ..types import Batch, Update

MIXED = 16
"""Images that are judged where BatchNorm mixes them: each gradient runs through the whole batch then."""


@dataclass(frozen=True)
class Received:
    """A model, and what the client compares it with. Nothing here is changed by looking at it."""

    model: nn.Module
    batch: Batch
    """The client's own images: B of them."""
    agreed: nn.Module | None = None
    """The network that all agreed on, as the client itself would initialize it; None where nothing was agreed."""
    earlier: tuple[nn.Module, ...] = ()
    """The models of the rounds before, the last one last."""
    others: tuple[bytes, ...] = ()
    """Fingerprints of the models that other clients say they received in this round."""
    update: Update | None = None
    """What the client is about to send, one tensor per parameter; None before it has trained."""

    @cached_property
    def linear(self) -> dict[str, nn.Linear]:
        """Every linear layer by its name, in the order of the model."""
        return {name: module for name, module in self.model.named_modules() if isinstance(module, nn.Linear)}

    @cached_property
    def weights(self) -> dict[str, Tensor]:
        """The weights of every linear and convolutional layer by the layer's name."""
        return weights_of(self.model)

    @cached_property
    def judged(self) -> Batch:
        """The own images whose gradients are looked at one by one."""
        chosen = torch.arange(min(len(self.batch.images), MIXED), device=self.batch.images.device)
        return self.batch.only(chosen if self._mixes else None)

    @cached_property
    def sizes(self) -> tuple[tuple[str, Tensor], ...]:
        """For the weights of each of these layers, the norm of the gradient of every image that is judged."""
        norms = torch.stack([torch.stack([g.norm() for g in one]) for one in self.gradients()], dim=1)
        return tuple(zip(self.weights, norms.double(), strict=True))

    @cached_property
    def errors(self) -> Tensor:
        """How far the probabilities of every image that is judged are from its label."""
        with torch.no_grad():
            scores = logits(self.model, self.judged.images).double()
        labels = self.judged.labels
        wanted = labels.double() if labels.ndim == 2 else nn.functional.one_hot(labels, scores.shape[1])
        errors: Tensor = (scores.softmax(dim=1) - wanted).norm(dim=1)
        return errors

    def gradients(self) -> Iterator[tuple[Tensor, ...]]:
        """Of every image that is judged in turn, with regard to the weights of these layers."""
        wanted, last = tuple(self.weights.values()), len(self.judged.images) - 1
        if self._mixes:
            for number, loss in enumerate(self._losses(self.judged)):
                yield torch.autograd.grad(loss, wanted, retain_graph=number < last, materialize_grads=True)
        else:
            for number in range(last + 1):
                one = self.judged.only(torch.tensor([number], device=self.judged.images.device))
                yield torch.autograd.grad(self._losses(one)[0], wanted, materialize_grads=True)

    @property
    def _mixes(self) -> bool:
        """Whether the images of a batch meet in the statistics of BatchNorm."""
        return any(layer.training for layer in batch_norm_layers(self.model))

    def _losses(self, batch: Batch) -> Tensor:
        return nn.functional.cross_entropy(logits(self.model, batch.images), batch.labels, reduction="none")


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """The weights of every linear and convolutional layer by the layer's name."""
    kinds = (nn.Linear, nn.Conv2d)
    return {name: module.weight for name, module in model.named_modules() if isinstance(module, kinds)}


@contextmanager
def heard(module: nn.Module, listen: Callable[[Tensor, Tensor], None]) -> Iterator[None]:
    """``listen`` gets what the module receives and what it gives, at every forward pass in this block."""
    handle = module.register_forward_hook(lambda _, inputs, output: listen(inputs[0], output))
    try:
        yield
    finally:
        handle.remove()
