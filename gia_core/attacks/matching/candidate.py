"""What a search holds at one moment, and the terms of the objective that judge it beside the update."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor, nn
from torch.func import functional_call

from ...models import classifier
from ...models.batch_norm import listening
from ...types import BatchNormStatistics, unchanged


@dataclass(frozen=True)
class Heard:
    """What one forward pass of a model told beside its output."""

    batch_norm: tuple[BatchNormStatistics, ...]
    """What each BatchNorm layer received, in ``model.modules()`` order."""
    features: Tensor
    """(B, features) what the classifier received."""


@dataclass(frozen=True)
class Candidate:
    """A batch under search, E times over where every local epoch has images of its own; E is 1 otherwise."""

    images: Tensor
    """(E · B, C, H, W)."""
    labels: Tensor
    """(B,) class indices, or (B, K) probabilities while they are searched too."""
    model: nn.Module
    """That of the first round."""
    consensus: Tensor | None = None
    """What the seeds agree on, of the shape of ``images``; None while nothing is agreed."""
    natural: Callable[[Tensor], Tensor] = unchanged
    """What of images looks like a picture, (B, C, H, W)."""

    @property
    def epochs(self) -> Tensor:
        """(E, B, C, H, W)."""
        return self.images.reshape(-1, len(self.labels), *self.images.shape[1:])

    @cached_property
    def heard(self) -> Heard:
        """A forward pass that only those candidates pay for whose priors ask; the model is left as it was."""
        buffers = {name: buffer.clone() for name, buffer in self.model.named_buffers()}
        inputs: list[Tensor] = []
        handle = classifier(self.model).register_forward_pre_hook(lambda _, received: inputs.append(received[0]))
        try:
            with listening(self.model) as statistics:
                functional_call(self.model, buffers, (self.images,))
        finally:
            handle.remove()
        return Heard(tuple(statistics), inputs[-1])


@dataclass(frozen=True)
class Prior:
    """One term of the objective that judges images alone."""

    name: str
    weight: float
    penalty: Callable[[Tensor], Tensor]
    """(B, C, H, W) to a scalar."""

    def of(self, candidate: Candidate) -> Tensor:
        return self.penalty(candidate.natural(candidate.images))


@dataclass(frozen=True)
class ContextPrior:
    """One term of the objective that judges images by more than their pixels."""

    name: str
    weight: float
    penalty: Callable[[Candidate], Tensor]
    """A candidate to a scalar."""
    comparable: bool = True
    """Same images, same value, at any time; what is not comparable pulls, but has no say in which images are best."""

    def of(self, candidate: Candidate) -> Tensor:
        return self.penalty(candidate)
