"""How to decode what came from several clients, each of which encoded its own batch. Imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .encoding import Key


@dataclass(frozen=True)
class JointKey(Key):
    """The keys of several clients with equally large batches, whose images follow each other."""

    keys: tuple[Key, ...]
    """Of one and the same defense."""

    def labels(self, labels: Tensor) -> Tensor:
        return torch.cat([key.labels(part) for key, part in zip(self.keys, self.parts(labels), strict=True)])

    def natural(self, images: Tensor) -> Tensor:
        """As any of them: what looks like a picture depends on the defense, not on the draw."""
        return self.keys[0].natural(images)

    def decode(self, images: Tensor, earlier: Sequence[tuple[Key, Tensor]]) -> Tensor:
        """Every client's images on their own, with what was found of the same client in earlier rounds."""
        before = [(key, self.parts(found)) for key, found in earlier if isinstance(key, JointKey)]
        return torch.cat(
            [
                key.decode(part, [(joint.keys[number], found[number]) for joint, found in before])
                for number, (key, part) in enumerate(zip(self.keys, self.parts(images), strict=True))
            ]
        )

    def parts(self, values: Tensor) -> tuple[Tensor, ...]:
        """One client's rows after the other's."""
        parts: tuple[Tensor, ...] = values.split(len(values) // len(self.keys))
        return parts


def joint_key(keys: Sequence[Key]) -> Key:
    """One client's key is its own."""
    return keys[0] if len(keys) == 1 else JointKey(tuple(keys))
