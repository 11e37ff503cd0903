"""What a prior learns from: the training images of a data set, and never its victims."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from torch import Tensor

from ..types import UNKNOWN, Data

MOST_IMAGES = 20_000
"""That are learned from, evenly spread over the split."""
UNTOLD = 0.1
"""Share of the images whose class a generator is not told, so that it can do without."""


class Material:
    """Training images in memory."""

    def __init__(self, data: Data, device: str) -> None:
        count = len(data.training)
        chosen = np.linspace(0, count - 1, min(count, MOST_IMAGES)).astype(np.int64)
        stacked = np.stack([data.training.image(int(index)) for index in chosen]).transpose(0, 3, 1, 2)
        labels = data.training.labels[chosen]
        self.sha256 = hashlib.sha256(stacked.tobytes() + labels.tobytes()).hexdigest()
        self.images = torch.from_numpy(np.ascontiguousarray(stacked)).to(device)
        """(N, C, H, W) uint8."""
        self.labels = torch.from_numpy(labels).to(device)
        self.variety = float(self.some(256).std(dim=0).mean())
        """How much images differ, as the mean over the pixels of their standard deviation."""

    def __len__(self) -> int:
        return len(self.labels)

    def some(self, count: int) -> Tensor:
        """At most ``count`` images, evenly spread, (N, C, H, W) in [0, 1]."""
        chosen = torch.linspace(0, len(self) - 1, min(len(self), count)).long()
        return self.images[chosen].float() / 255

    def batch(self, size: int, *, mirror: bool, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Images (B, C, H, W) in [0, 1], drawn anew, and their labels (B,), some of which are UNKNOWN."""
        chosen = torch.randint(len(self), (size,), generator=rng).to(self.labels.device)
        turned, untold = torch.rand(2, size, generator=rng).to(self.images.device)
        images = self.images[chosen].float() / 255
        if mirror:
            images = torch.where((turned < 0.5)[:, None, None, None], images.flip(3), images)
        return images, torch.where(untold < UNTOLD, UNKNOWN, self.labels[chosen])
