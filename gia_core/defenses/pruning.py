from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from ..component import Component
from ..types import Batch, Update, UpdateRule
from .stages import Stage

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


class Pruning(Component):
    """Pruning: only the largest entries of the update are sent, the rest becomes zero (Lin et al., ICLR 2018)."""

    name: Literal["pruning"] = "pruning"
    ratio: float = Field(0.9, ge=0, lt=1)
    """Share of the entries that become zero."""
    scope: Literal["layer", "global"] = "layer"
    """Whether the largest entries are chosen in each tensor on its own ("layer") or among all of them ("global")."""
    error_feedback: bool = False
    """Whether the client remembers what it did not send and adds it to its next update, which a model needs to learn
    from few entries (Stich et al., NeurIPS 2018)."""
    stages: ClassVar[tuple[Stage, ...]] = ("compression",)

    def wrap(self, rule: UpdateRule, rng: torch.Generator) -> UpdateRule:
        """The rule followed by exact top-k selection: ceil((1 - ratio) n) of n entries survive, unchanged.

        With error feedback the rule that is returned has a memory, empty at first.
        """
        unsent: Update = ()

        def pruned(model: nn.Module, batch: Batch, *, differentiable: bool = False) -> Update:
            nonlocal unsent
            update = rule(model, batch, differentiable=differentiable)
            # A server may send a model of other shapes; what was kept of the last one does not fit it.
            if [u.shape for u in unsent] == [u.shape for u in update]:
                update = tuple(u + kept for u, kept in zip(update, unsent, strict=True))
            sent = tuple(u * mask for u, mask in zip(update, self.masks(update), strict=True))
            if self.error_feedback:
                unsent = tuple((u - s).detach() for u, s in zip(update, sent, strict=True))
            return sent

        return pruned if self.ratio else rule

    def masks(self, update: Update) -> Update:
        """1 where an entry survives, else 0; one tensor per tensor of ``update``."""
        import torch

        share = 1 - self.ratio
        if self.scope == "layer":
            return tuple(largest(u, share) for u in update)
        flat = largest(torch.cat([u.flatten() for u in update]), share)
        return tuple(
            part.reshape(u.shape) for part, u in zip(flat.split([u.numel() for u in update]), update, strict=True)
        )

    def expect(self, observed: Update) -> Callable[[Update], Update]:
        """An attacker who knows of the pruning compares only the entries that arrived (Li et al., CVPR 2022)."""
        masks = tuple((o != 0).to(o) for o in observed)
        return lambda update: tuple(u * mask for u, mask in zip(update, masks, strict=True))


def largest(tensor: Tensor, share: float) -> Tensor:
    """1 where an entry is among the ``share`` with the largest magnitude, else 0; same shape as ``tensor``."""
    import torch

    # Without the rounding, 1 - 0.9 times 10 is 1.0000000000000002 and would keep two entries instead of one.
    kept = math.ceil(round(share * tensor.numel(), 6))
    chosen = tensor.detach().abs().flatten().topk(kept).indices
    return torch.zeros_like(tensor.detach()).flatten().index_fill_(0, chosen, 1.0).reshape(tensor.shape)
