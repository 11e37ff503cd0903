"""How a client turns its batch into an update (McMahan et al., AISTATS 2017).

The attacker simulates the client with the very same rule, made differentiable, so there is one implementation of each.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from .component import Component
from .types import Batch, Update

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

LocalTraining = Literal["exact", "guessed", "none"]
"""What an attacker knows of the client's local steps."""


class FedSGD(Component):
    """FedSGD: the client sends the gradient of the mean loss over its whole batch."""

    name: Literal["fedsgd"] = "fedsgd"

    def __call__(self, model: nn.Module, batch: Batch, *, differentiable: bool = False) -> Update:
        import torch

        loss = mean_loss(model, batch.images, batch.labels)
        return torch.autograd.grad(loss, tuple(model.parameters()), create_graph=differentiable)

    def mean_gradient(self, update: Update, batch_size: int) -> Update:
        """The update itself."""
        return update

    def local_steps(self, batch_size: int) -> int:
        """One."""
        return 1

    def believed(self, local_training: LocalTraining) -> FedSGD:
        """The same rule whatever the attacker knows, since it has no secrets."""
        return self

    def participants(self, batch_size: int, rng: torch.Generator) -> Tensor | None:
        """None: every image takes part in every round."""
        return None

    def advance(self, model: nn.Module, update: Update, server_lr: float) -> nn.Module:
        """The server's model of the next round: a step down the gradient."""
        return changed(model, tuple(-server_lr * u for u in update))


class FedAvg(Component):
    """FedAvg: the client trains for some local steps and sends the change of its weights, new minus old."""

    name: Literal["fedavg"] = "fedavg"
    local_epochs: int = Field(1, ge=1, le=20)
    """How often the client goes through its batch."""
    local_batch_size: int = Field(0, ge=0)
    """Images in one local step, taken in order; 0 takes them all at once."""
    local_lr: float = Field(0.01, gt=0)
    """Learning rate of the local steps (plain SGD)."""
    shuffle: bool = False
    """Take the images in another order in every epoch, as real clients do; the attacker never learns the orders."""

    def __call__(self, model: nn.Module, batch: Batch, *, differentiable: bool = False) -> Update:
        import torch

        # Images of shape (E, B, C, H, W) give every epoch pictures of its own, as an attacker may imagine them.
        shape = batch.images.shape
        epochs = batch.images if len(shape) == 5 else batch.images.expand(self.local_epochs, *shape)
        start = dict(model.named_parameters())
        change = {name: torch.zeros_like(weight) for name, weight in start.items()}
        parts = self.parts(epochs.shape[1])
        for number in range(len(parts)):
            part, images = parts[number], epochs[number * len(epochs) // len(parts)]
            # The change is kept apart from the weights: the difference of two nearly equal numbers would lose digits.
            weights = {name: start[name] + change[name] for name in start}
            loss = mean_loss(model, images[part], batch.labels[part], weights)
            gradient = torch.autograd.grad(loss, tuple(weights.values()), create_graph=differentiable)
            change = {name: c - self.local_lr * g for (name, c), g in zip(change.items(), gradient, strict=True)}
            if not differentiable:
                change = {name: c.detach() for name, c in change.items()}
        return tuple(change.values())

    def parts(self, batch_size: int) -> list[slice] | list[Tensor]:
        """The local batches of all epochs, in order; the last one of an epoch may be smaller."""
        size = self.local_batch_size or batch_size
        if not self.shuffle:
            return [slice(first, first + size) for first in range(0, batch_size, size)] * self.local_epochs
        import torch

        orders = [
            torch.randperm(batch_size, generator=torch.Generator().manual_seed(epoch))
            for epoch in range(self.local_epochs)
        ]
        return [part for order in orders for part in order.split(size)]

    def mean_gradient(self, update: Update, batch_size: int) -> Update:
        """The update divided by minus the learning rate and the number of local steps."""
        return tuple(u / (-self.local_lr * self.local_steps(batch_size)) for u in update)

    def local_steps(self, batch_size: int) -> int:
        """Local batches of all epochs."""
        return self.local_epochs * math.ceil(batch_size / (self.local_batch_size or batch_size))

    def believed(self, local_training: LocalTraining) -> FedAvg:
        """The rule as an attacker imagines it who knows this much; the orders of a shuffling client are never known.

        "guessed" are common values: 2 epochs of batches of 8 with a learning rate of 0.001. "none" is one step on the
        whole batch.
        """
        match local_training:
            case "exact":
                return self.model_copy(update={"shuffle": False})
            case "guessed":
                return FedAvg(local_epochs=2, local_batch_size=8, local_lr=1e-3)
            case _:
                return FedAvg(local_epochs=1, local_batch_size=0, local_lr=self.local_lr)

    def participants(self, batch_size: int, rng: torch.Generator) -> Tensor | None:
        """None: every image takes part in every round."""
        return None

    def advance(self, model: nn.Module, update: Update, server_lr: float) -> nn.Module:
        """The server's model of the next round: moved along the client's change."""
        return changed(model, tuple(server_lr * u for u in update))


class Vertical(Component):
    """Vertical: parties hold a part of every image each, and the server names the images of each round.

    As in vertical federated learning, all parties must compute on the same images, so the server knows which they are;
    it sees the gradient of the mean loss over these images (Jin et al., NeurIPS 2021, section 2).
    """

    name: Literal["vertical"] = "vertical"
    round_batch_size: int = Field(8, ge=1)
    """Private images that take part in one round, drawn anew for each; all of them where there are fewer."""

    def __call__(self, model: nn.Module, batch: Batch, *, differentiable: bool = False) -> Update:
        return FedSGD()(model, batch, differentiable=differentiable)

    def mean_gradient(self, update: Update, batch_size: int) -> Update:
        """The update itself."""
        return update

    def local_steps(self, batch_size: int) -> int:
        """One."""
        return 1

    def believed(self, local_training: LocalTraining) -> Vertical:
        """The same rule whatever the attacker knows, since it has no secrets."""
        return self

    def participants(self, batch_size: int, rng: torch.Generator) -> Tensor | None:
        """Indices of the images that the server picks for a round, in increasing order."""
        import torch

        return torch.randperm(batch_size, generator=rng)[: self.round_batch_size].sort().values

    def advance(self, model: nn.Module, update: Update, server_lr: float) -> nn.Module:
        """The server's model of the next round: a step down the gradient."""
        return FedSGD().advance(model, update, server_lr)


Client = Annotated[FedSGD | FedAvg | Vertical, Field(discriminator="name")]


def changed(model: nn.Module, change: Update) -> nn.Module:
    """A copy of the model with ``change`` added to its parameters."""
    import copy

    import torch

    after = copy.deepcopy(model)
    with torch.no_grad():
        for parameter, difference in zip(after.parameters(), change, strict=True):
            parameter.add_(difference)
    return after


def mean_loss(model: nn.Module, images: Tensor, labels: Tensor, weights: dict[str, Tensor] | None = None) -> Tensor:
    """What a client minimizes: cross-entropy, and what layers add to it that have an ``added_loss(inputs)``."""
    import torch.nn.functional as F

    added: list[Tensor] = []
    handles = [
        layer.register_forward_hook(lambda heard, inputs, _: added.append(heard.added_loss(inputs[0])))
        for layer in model.modules()
        if hasattr(layer, "added_loss")
    ]
    try:
        scores = logits(model, images, weights)
    finally:
        for handle in handles:
            handle.remove()
    return sum(added, F.cross_entropy(scores, labels))


def logits(model: nn.Module, images: Tensor, weights: dict[str, Tensor] | None = None) -> Tensor:
    """(B, C, H, W) to (B, K), with ``weights`` in place of the model's own where given.

    A model in training mode updates its BatchNorm statistics at every forward pass; here it updates copies, because
    neither simulating a client nor attacking one may change the model that others hold.
    """
    from torch.func import functional_call

    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()} if model.training else {}
    if not buffers and weights is None:
        result: Tensor = model(images)
        return result
    replaced: Tensor = functional_call(model, {**(weights or {}), **buffers}, (images,))
    return replaced
