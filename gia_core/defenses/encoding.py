"""What the defenses have in common that disguise the batch itself, before the client computes on it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..component import Component
from ..models import classifier
from ..types import Batch, Update, UpdateRule

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


class Key(ABC):
    """What an attacker is told of one encoding where it knows the defense: how, but not what was encoded.

    No attacker in the field is told this much; it is the upper bound of Huang et al. (NeurIPS 2021), who let
    the attacker know which images were mixed and with which weights.
    """

    def labels(self, labels: Tensor) -> Tensor:
        """The encoded batch's labels where the private ones are ``labels``, (B,) or (B, K)."""
        return labels

    def natural(self, images: Tensor) -> Tensor:
        """What of encoded images looks like a picture, (B, C, H, W): priors on pictures judge this."""
        return images

    @abstractmethod
    def decode(self, images: Tensor, earlier: Sequence[tuple[Key, Tensor]]) -> Tensor:
        """The private images (B, C, H, W) in [0, 1].

        ``images`` are the encoded ones in the order of the encoding, and ``earlier`` holds the same of earlier rounds.
        """


@dataclass(frozen=True)
class Encoded:
    """A batch as the client computes on it."""

    batch: Batch
    """As many images as the private batch; labels (B,), or (B, K) where they are mixed."""
    key: Key


class Encoding(Component):
    """A defense that disguises images and labels; fresh for every update."""

    @property
    def needs_public(self) -> bool:
        """Whether the client must hold public images."""
        return False

    @property
    def least_batch(self) -> int:
        """Images that a private batch must have."""
        return 1

    def encode(self, batch: Batch, classes: int, rng: torch.Generator, public: Tensor | None = None) -> Encoded:
        """Disguise a batch; ``public`` (N, C, H, W) where ``needs_public``. Raises ValueError for too small a batch."""
        raise NotImplementedError

    def wrap(self, rule: UpdateRule, rng: torch.Generator, public: Tensor | None = None) -> UpdateRule:
        """The rule on a batch that was encoded first."""

        def encoded(model: nn.Module, batch: Batch, *, differentiable: bool = False) -> Update:
            disguised = self.encode(batch, classifier(model).out_features, rng, public)
            return rule(model, disguised.batch, differentiable=differentiable)

        return encoded

    def expect(self, observed: Update) -> Callable[[Update], Update]:
        """The update is that of the encoded batch, unchanged: what is to be undone are the images."""
        return lambda update: update
