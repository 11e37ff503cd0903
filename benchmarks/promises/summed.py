"""What secure aggregation is worth against whoever inverts the sum, and what a server does that breaks the rules."""

from __future__ import annotations

from pathlib import Path

import torch

from gia_core.aggregation import SecureAggregation
from gia_core.attacks import InvertingGradients
from gia_core.audit import STREAMS, audit, generator
from gia_core.baselines import pixels
from gia_core.chronicle import Ended
from gia_core.datasets import Dataset
from gia_core.datasets.dealing import deal
from gia_core.protection import loss
from gia_core.spec import AuditSpec, Knowledge, Victim

from .defended import NETWORKS, Truth, told
from .promise import carried_out

NAME = "secure-aggregation"
CLIENTS = 10
DEAD = Knowledge(malicious_server=True, dead_models=True)
"""A server that sends all clients but the audited one a model whose updates are zero."""


def truths(dataset: Dataset, images: int, iterations: int | None, home: Path) -> list[Truth]:
    """About ``CLIENTS`` clients with one image each; ``images`` of them are audited in turn where the server cheats."""
    network = NETWORKS["lenet"]
    alone = AuditSpec(
        dataset=dataset,
        model=network.model,
        attack=InvertingGradients(iterations=iterations or network.iterations),
    )
    return [as_a_batch(alone, home), undone(alone, images, home), bound(alone, home)]


def as_a_batch(alone: AuditSpec, home: Path) -> Truth:
    """The sum of all clients beside one batch of all their images."""
    together = summed(alone, Knowledge(), bind=True)
    everything = Victim(indices=dealt(together, home))
    batch = alone.model_copy(update={"batch_size": CLIENTS, "victim": everything})
    one, other = (carried_out(spec, home).psnr for spec in (together, batch))
    same = not loss(one, other).is_measurable and not loss(other, one).is_measurable
    return Truth(f"the sum of {CLIENTS} clients is a batch of {CLIENTS}", "lenet", told(loss(other, one)), same)


def undone(alone: AuditSpec, images: int, home: Path) -> Truth:
    """The audited client among others that got a dead model, beside the same client alone."""
    seeds = [alone.model_copy(update={"seed": seed}) for seed in range(images)]
    by_itself = [value for one in seeds for value in carried_out(one, home).psnr]
    singled_out = [value for one in seeds for value in carried_out(summed(one, DEAD, bind=False), home).psnr]
    lost = loss(by_itself, singled_out)
    return Truth("a dead model for all others undoes the sum", "lenet", told(lost), not lost.is_measurable)


def bound(alone: AuditSpec, home: Path) -> Truth:
    """The same server, where the masks depend on the model that a client received."""
    *_, last = audit(summed(alone, DEAD, bind=True), home=home)
    nothing = isinstance(last, Ended) and "nothing_to_invert" in last.body
    text = "nothing to invert" if nothing else "an update was left"
    return Truth("unless masks are bound to the model", "lenet", text, nothing)


def summed(alone: AuditSpec, knowledge: Knowledge, *, bind: bool) -> AuditSpec:
    """This client among ``CLIENTS``."""
    protocol = SecureAggregation(bind_model=bind)
    return alone.model_copy(update={"clients": CLIENTS, "aggregation": protocol, "knowledge": knowledge})


def dealt(spec: AuditSpec, home: Path) -> tuple[int, ...]:
    """The numbers of all clients' images."""
    victims = spec.dataset.open(home).victims
    batches = deal(victims, spec.clients, spec.batch_size, spec.victim, generator(spec.seed, STREAMS.index("victim")))
    known = [pixels(victims, number) for number in range(len(victims))]
    return tuple(
        next(number for number, one in enumerate(known) if torch.equal(one, image))
        for batch in batches
        for image in batch.images
    )
