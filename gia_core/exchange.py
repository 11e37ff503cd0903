"""What clients and server exchange, before anybody attacks: models one way, updates the other."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .baselines import pixels
from .defenses import Defended
from .defenses.encoding import Encoded
from .spec import AuditSpec
from .types import Batch, Data, Round

PUBLIC = 2000
"""Images at most that are public: the attacker holds them where it is granted, and some defenses mix them in."""


@dataclass(frozen=True)
class Exchanged:
    """One round, and what the client computed on in private."""

    round: Round
    encoded: Encoded | None
    """None where no defense encodes the batch."""
    batch: Batch
    """Encoded, if it was."""


def exchange(
    spec: AuditSpec, model: nn.Module, client: Defended, truth: Batch, classes: int, rng: torch.Generator
) -> tuple[Exchanged, ...]:
    """All rounds. A server that does not move its model sends the same one again, which takes no more memory."""
    exchanged: list[Exchanged] = []
    while len(exchanged) < spec.rounds:
        if exchanged and spec.server_lr:
            model = spec.client.advance(model, exchanged[-1].round.update, spec.server_lr)
        chosen = spec.client.participants(spec.batch_size, rng)
        indices = None if chosen is None else chosen.to(truth.images.device)
        private = truth.only(indices)
        encoded = client.encode(private, classes)
        batch = private if encoded is None else encoded.batch
        exchanged.append(Exchanged(Round(model, client.send(model, batch), indices), encoded, batch))
    return tuple(exchanged)


def public_images(data: Data) -> Tensor:
    """Evenly spread training images, (N, C, H, W)."""
    count = min(len(data.training), PUBLIC)
    chosen = torch.linspace(0, len(data.training) - 1, count).long().tolist()
    return torch.stack([pixels(data.training, index) for index in chosen])
