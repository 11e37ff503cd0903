"""PRECODE's layer of random features. Imports torch: only for use inside methods."""

from __future__ import annotations

import copy
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..models import classifier


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

    def forward(self, features: Tensor) -> Tensor:
        """(B, features) to the same."""
        mean, spread = self.code(features)
        rng = torch.Generator().manual_seed(self.seed)
        noise = torch.randn(mean.shape, generator=rng).to(mean)
        decoded: Tensor = self.decoder(mean + spread * noise)
        return decoded

    def code(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and spread of the code, (B, size) each."""
        mean, raw = self.encoder(features).chunk(2, dim=-1)
        return mean, F.softplus(raw)

    def added_loss(self, features: Tensor) -> Tensor:
        """What a client minimizes beside its own loss; a scalar."""
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
    for module in private.modules():
        if isinstance(module, Bottleneck):
            module.seed = int(torch.randint(2**62, (), generator=rng))
    return private


def behind_the_bottleneck(model: nn.Module) -> list[bool]:
    """For each parameter whether it belongs to a bottleneck or to the classifier behind it."""
    modules = [module for module in model.modules() if isinstance(module, Bottleneck)]
    ignored = {id(parameter) for module in [*modules, classifier(model)] for parameter in module.parameters()}
    return [id(parameter) in ignored for parameter in model.parameters()]
