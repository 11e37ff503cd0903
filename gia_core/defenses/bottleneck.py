"""PRECODE's layer of random features. Imports torch: only for use inside methods."""

from __future__ import annotations

import copy
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..models import classifier
from ..types import Update


class Bottleneck(nn.Module):
    """Features to a random code and back (Scheliga et al., WACV 2022).

    The code is mean + spread · noise, in training and evaluation alike. The noise follows from ``seed`` alone, so that
    a forward pass changes nothing: the model that the server sends has one that all know, the client's copy another.
    """

    def __init__(self, inputs: int, size: int, beta: float) -> None:
        super().__init__()
        self.encoder = nn.Linear(inputs, 2 * size)
        self.decoder = nn.Linear(size, inputs)
        self.beta = beta
        self.seed = 0
        self.told: Tensor | None = None
        """(2 · size,) where an attacker was told how a loss pulls what the encoder gives."""

    def forward(self, features: Tensor) -> Tensor:
        """(B, features) to the same."""
        mean, spread = self.code(features)
        rng = torch.Generator().manual_seed(self.seed)
        noise = torch.randn(mean.shape, generator=rng).to(mean)
        decoded: Tensor = self.decoder(mean + spread * noise)
        return decoded

    def code(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and spread of the code, (B, size) each."""
        encoded = self.encoder(features)
        if self.told is not None and encoded.requires_grad:
            encoded.register_hook(self.told.expand_as)
        mean, raw = encoded.chunk(2, dim=-1)
        return mean, F.softplus(raw)

    def added_loss(self, features: Tensor) -> Tensor:
        """What a client minimizes beside its own loss; a scalar, and already part of what was ``told``."""
        if self.told is not None:
            return features.new_zeros(())
        return self.beta * divergence(*self.code(features))


def divergence(mean: Tensor, spread: Tensor) -> Tensor:
    """From the standard normal law, in bits: summed over the code, averaged over the batch."""
    # A spread that has vanished in float32 has no logarithm.
    summed = (mean.square() + spread.square() - 1 - 2 * spread.clamp_min(1e-30).log()).sum(dim=-1)
    return 0.5 * summed.mean() / math.log(2)


def inserted(bottleneck: Bottleneck, model: nn.Module) -> nn.Module:
    """``model`` itself, changed: ``bottleneck`` stands before its classifier."""
    head = classifier(model)
    path = next(name for name, module in model.named_modules() if module is head)
    parent, _, name = path.rpartition(".")
    bottleneck.to(head.weight).train(model.training)
    if not path:  # the model is nothing but a classifier
        return nn.Sequential(bottleneck, head)
    setattr(model.get_submodule(parent), name, nn.Sequential(bottleneck, head))
    return model


def reseeded(model: nn.Module, rng: torch.Generator) -> nn.Module:
    """A copy of the model whose bottlenecks have noise of their own."""
    private = copy.deepcopy(model)
    for module in bottlenecks(private):
        module.seed, module.told = int(torch.randint(2**62, (), generator=rng)), None
    return private


def opened(model: nn.Module, update: Update) -> nn.Module:
    """A copy of the model in which any loss pulls what the bottleneck's encoder gives as it did for ``update``.

    The gradient of the encoder's bias is the sum over the batch of the gradients of what it is added to. So for a
    single image the update tells all that the layers before depend on, whatever the noise behind them was.
    """
    gradients = {id(parameter): gradient for parameter, gradient in zip(model.parameters(), update, strict=True)}
    pulls = [gradients[id(one.encoder.bias)] for one in bottlenecks(model)]
    simulated = copy.deepcopy(model)
    for module, pull in zip(bottlenecks(simulated), pulls, strict=True):
        module.told = pull
    return simulated


def bottlenecks(model: nn.Module) -> list[Bottleneck]:
    return [module for module in model.modules() if isinstance(module, Bottleneck)]


def behind_the_bottleneck(model: nn.Module) -> list[bool]:
    """For each parameter whether its gradient depends on noise that an attacker cannot simulate.

    Those are the classifier's and the bottleneck's; where the attacker was told, not the encoder's.
    """
    modules = [part for one in bottlenecks(model) for part in ((one,) if one.told is None else (one.decoder,))]
    ignored = {id(parameter) for module in [*modules, classifier(model)] for parameter in module.parameters()}
    return [id(parameter) in ignored for parameter in model.parameters()]
