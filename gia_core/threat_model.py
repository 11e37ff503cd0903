"""What the threat model grants the server: here, and nowhere else, is decided what an attack may know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from .aggregation.many_clients import ManyClients
from .control import random_update
from .defenses import Defense, comparison, expectation, simulated
from .defenses.clipping import Clipping
from .defenses.encoding import Key
from .defenses.quantization import Quantization
from .defenses.user_level_dp import UserLevelDP
from .exchange import Exchanged
from .federation import Federation
from .metrics import pairing
from .models.batch_norm import received_by_batch_norm, running_averages
from .spec import AuditSpec
from .types import Batch, BatchNormStatistics, ClientRule, Data, Observation, Rehearsal, Round, Update

BOUNDS = (Clipping, UserLevelDP)
"""Defenses that shorten each client's update on its own."""


@dataclass(frozen=True)
class Target:
    """Something to invert."""

    seen: Observation
    batch: Batch
    """What a perfect attack finds; with private labels, and private images unless they are known to be encoded."""
    key: Key | None
    """How to decode what is found; None where there is nothing to decode, or the attacker does not know how."""

    def decode(self, images: Tensor, earlier: tuple[tuple[Key, Tensor], ...]) -> Tensor:
        """Private images (B, C, H, W) from those that an attack found, and from what it found of earlier rounds."""
        return images if self.key is None else self.key.decode(self.in_order(images), earlier)

    def in_order(self, images: Tensor) -> Tensor:
        """Whoever knows an encoding is told which reconstruction belongs to which encoded image, too."""
        return images[pairing(images, self.batch.images)]


def observe(
    spec: AuditSpec,
    data: Data,
    exchanged: tuple[Exchanged, ...],
    truth: Batch,
    federation: Federation,
    public: Tensor | None,
    prior: Callable[[str], nn.Module] | None = None,
    rng: torch.Generator | None = None,
    imitated: Rehearsal | None = None,
) -> tuple[Target, ...]:
    """What the server sees of all rounds, as something to invert.

    ``truth`` is what all clients together hold in private whose updates the server is left with. It is a single target
    of all rounds, unless the attacker knows how the batch was encoded: as every round has another encoding, each is
    inverted on its own then, and what was found is decoded together. ``rng`` draws what a control run gets to see in
    place of the updates.
    """
    knows = spec.knowledge
    known = spec.defenses if knows.defense else ()
    clients = len(exchanged[0].clients)
    believed = spec.client.believed(knows.local_training)
    blank = spec.control == "random-update"

    def received(update: Update) -> Update:
        return random_update(update, rng or torch.Generator()) if blank else update

    def entered(exchanged: Round) -> Round:
        seen = replace(exchanged, update=received(exchanged.update))
        if len(truth.labels) > 1:
            return seen
        return replace(seen, model=simulated(known, seen.model, believed.mean_gradient(seen.update, 1)))

    def view(part: tuple[Exchanged, ...]) -> Observation:
        first = part[0]
        held = truth if first.encoded is None else first.batch
        return Observation(
            rounds=tuple(known_to(known, entered(one.round), clients) for one in part),
            rule=rule_of(believed, known, clients),
            image_shape=data.image_shape,
            batch_size=len(truth.labels),
            num_classes=len(data.class_names),
            labels=truth.labels if knows.labels else None,
            batch_norm=statistics(knows.batch_norm, first.round.model, held),
            public=public if knows.public_data else None,
            rehearsal=imitated and replace(imitated, model=first.round.model),
            prior=prior,
            query=(lambda model: received(federation.answer(model, first.batches).update))
            if knows.malicious_server
            else None,
        )

    targets = []
    for one in exchanged:
        if one.encoded is None or not knows.defense:
            return (Target(view(exchanged), truth, None),)
        key = one.encoded.key
        seen = replace(view((one,)), encoded_labels=key.labels, natural=key.natural)
        targets.append(Target(seen, Batch(one.batch.images, truth.labels), key))
    return tuple(targets)


def known_to(defenses: tuple[Defense, ...], seen: Round, clients: int = 1) -> Round:
    """A round as an attacker sees it who knows of these defenses; what they left differs from round to round.

    In the mean of several clients' updates, what was rounded is not what one client would have rounded to, and bounds
    do not hold any more: they are left to ``rule_of``.
    """
    lasting = defenses if clients == 1 else tuple(d for d in defenses if not isinstance(d, (*BOUNDS, Quantization)))
    expect, masked = expectation(lasting, seen.update), comparison(lasting, seen.model, seen.update)
    return replace(seen, expect=expect, compared=lambda update: masked(seen.compared(update)))


def rule_of(rule: ClientRule, defenses: tuple[Defense, ...], clients: int) -> ClientRule:
    """How the clients together make of their images what the server is left with, as far as the attacker knows."""
    if clients == 1:
        return rule
    bounds = tuple(defense for defense in defenses if isinstance(defense, BOUNDS))
    return ManyClients(rule, clients, expectation(bounds, ()))


def statistics(granted: str, model: nn.Module, truth: Batch) -> tuple[BatchNormStatistics, ...] | None:
    """What every BatchNorm layer keeps as running averages, or, if granted exactly, receives of the private batch."""
    if granted == "none":
        return None
    return received_by_batch_norm(model, truth.images) if granted == "exact" else running_averages(model)
