"""What clients and server exchange, before anybody attacks: models one way, updates the other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from .aggregation.coalition import AUDITED
from .aggregation.dead_model import without_classifier_bias
from .datasets.sampling import read
from .defenses.encoding import Encoded
from .defenses.joint_key import joint_key
from .federation import Federation, joined
from .spec import AuditSpec
from .types import Batch, Data, Round, Update

PUBLIC = 2000
"""Images at most that are public: the attacker holds them where it is granted, and some defenses mix them in."""


@dataclass(frozen=True)
class Exchanged:
    """One round: what the server is left with, and what those computed on in private whose updates are in it."""

    round: Round
    encoded: Encoded | None
    """None where no defense encodes the batch."""
    batch: Batch
    """Of all these clients, one after the other; encoded, if it was."""
    batches: tuple[Batch, ...]
    """Of every client that there is; encoded likewise."""
    clients: tuple[int, ...]
    """Who they are, the audited one first."""


def exchange(
    spec: AuditSpec, model: nn.Module, federation: Federation, classes: int, rng: torch.Generator
) -> tuple[Exchanged, ...]:
    """All rounds. A server that does not move its model sends the same one again, which takes no more memory.

    Raises as ``Federation.answer``.
    """
    exchanged: list[Exchanged] = []
    mean: Update = ()
    while len(exchanged) < spec.rounds:
        if exchanged and spec.server_lr:
            model = spec.client.advance(model, mean, spec.server_lr)
        chosen = spec.client.participants(spec.batch_size, rng)
        one, mean = carried_out(model, federation, chosen, classes)
        exchanged.append(one)
    return tuple(exchanged)


def carried_out(
    model: nn.Module, federation: Federation, chosen: Tensor | None, classes: int
) -> tuple[Exchanged, Update]:
    """One round, and the mean of all updates that arrived; ``chosen`` are the images that take part, None for all."""
    indices = None if chosen is None else chosen.to(federation.holders[AUDITED].batch.images.device)
    private = [holder.batch.only(indices) for holder in federation.holders]
    encoded = [holder.rule.encode(batch, classes) for holder, batch in zip(federation.holders, private, strict=True)]
    batches = [batch if code is None else code.batch for batch, code in zip(private, encoded, strict=True)]
    answer = federation.answer(model, batches)
    batch = joined([batches[client] for client in answer.clients])
    keys = [code.key for client in answer.clients if (code := encoded[client]) is not None]
    seen = Round(model, answer.update, indices)
    if federation.coalition.dead_models:
        seen = replace(seen, compared=partial(without_classifier_bias, model))
    code = Encoded(batch, joint_key(keys)) if keys else None
    return Exchanged(seen, code, batch, tuple(batches), answer.clients), answer.mean


def public_batch(data: Data) -> Batch:
    """Training images of all classes: always the same ones, in the order of the data set."""
    # By chance and not every second one: data sets may deal their classes in turn.
    chosen = torch.randperm(len(data.training), generator=torch.Generator().manual_seed(0))[:PUBLIC]
    return read(data.training, chosen.sort().values.tolist())


def public_images(data: Data) -> Tensor:
    """(N, C, H, W): those of ``public_batch``."""
    return public_batch(data).images
