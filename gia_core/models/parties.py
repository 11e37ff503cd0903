"""Networks that are split between parties, each of which holds a part of every image. Imports torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn


class Party(nn.Module):
    """One party's half of the network: convolutions, then two fully connected layers with an activation between."""

    def __init__(
        self,
        shape: Sequence[int],
        activation: Callable[[], nn.Module],
        *,
        channels: int,
        hidden: int,
        embedding: int,
    ) -> None:
        super().__init__()
        """``shape`` (…, C, H, W) of the parts of images that this party holds."""
        inputs, height, width = shape[-3:]
        self.front = nn.Sequential(
            nn.Conv2d(inputs, channels, 5, stride=2, padding=2),
            activation(),
            nn.Conv2d(channels, channels, 5, padding=2),
            activation(),
            nn.Flatten(),
        )
        self.first = nn.Linear(channels * math.ceil(height / 2) * math.ceil(width / 2), hidden)
        self.activation = activation()
        self.second = nn.Linear(hidden, embedding)

    def forward(self, part: Tensor) -> Tensor:
        embedded: Tensor = self.second(self.activation(self.first(self.front(part))))
        return embedded


class SplitNetwork(nn.Module):
    """Four parties with a quadrant of the image each, and a server that classifies what they send.

    Pixels (B, C, H, W) to (B, K). Where a side is odd, the first half is the longer one.
    """

    def __init__(self, normalize: nn.Module, parties: list[Party], server: nn.Module) -> None:
        super().__init__()
        self.normalize = normalize
        self.parties = nn.ModuleList(parties)
        self.server = server

    def forward(self, images: Tensor) -> Tensor:
        sent = [party(part) for party, part in zip(self.parties, quadrants(self.normalize(images)), strict=True)]
        scores: Tensor = self.server(torch.cat(sent, dim=1))
        return scores

    def first_inputs(self, images: Tensor) -> list[Tensor]:
        """What the first fully connected layer of every party receives, (B, features) each."""
        parts = quadrants(self.normalize(images))
        return [party.front(part) for party, part in zip(self.holders(), parts, strict=True)]

    def first_layers(self) -> list[nn.Linear]:
        """The first fully connected layer of every party."""
        return [party.first for party in self.holders()]

    def holders(self) -> list[Party]:
        """The parties, as what they are."""
        return [party for party in self.parties if isinstance(party, Party)]


def quadrants(images: Tensor) -> list[Tensor]:
    """(B, C, H, W) to its upper left, upper right, lower left and lower right quarter."""
    return [part for half in images.tensor_split(2, dim=2) for part in half.tensor_split(2, dim=3)]
