"""The mean of several clients' updates, as an attacker simulates it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..types import Batch, ClientRule, Update, entire

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class ManyClients:
    """A client's rule, carried out by several clients with equal parts of a batch each, and averaged.

    What one client computes depends on its own images alone: local steps, BatchNorm statistics and clipping know
    nothing of the others', so the mean is not the update of one client that holds everything.
    """

    rule: ClientRule
    clients: int
    limited: Callable[[Update], Update] = entire
    """What a known defense does to each client's update on its own; differentiable."""

    def __call__(self, model: nn.Module, batch: Batch, *, differentiable: bool = False) -> Update:
        """``batch`` holds one client's images after the other's."""
        updates = [self.limited(self.rule(model, part, differentiable=differentiable)) for part in self.parts(batch)]
        return tuple(sum(tensors[1:], tensors[0]) / len(updates) for tensors in zip(*updates, strict=True))

    def parts(self, batch: Batch) -> list[Batch]:
        """One batch per client. Images may be (E, B, C, H, W), with pictures of its own for every epoch.

        A few images that an attack has singled out are taken for those of one client.
        """
        size, left_over = divmod(len(batch.labels), self.clients)
        if left_over or not size:
            return [batch]
        images = batch.images.split(size, dim=-4)
        return [Batch(*part) for part in zip(images, batch.labels.split(size), strict=True)]

    def mean_gradient(self, update: Update, batch_size: int) -> Update:
        """As the one client's."""
        return self.rule.mean_gradient(update, max(1, batch_size // self.clients))

    def local_steps(self, batch_size: int) -> int:
        """As the one client's."""
        return self.rule.local_steps(max(1, batch_size // self.clients))

    @property
    def local_epochs(self) -> int:
        """How often each client goes through its images."""
        return getattr(self.rule, "local_epochs", 1)
