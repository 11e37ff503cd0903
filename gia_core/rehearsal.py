"""The client as the server can imitate it, with images of its own: what an attacker can learn from beforehand."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor, nn

from .aggregation.dead_model import without_classifier_bias
from .defenses import defend
from .models import classifier
from .spec import AuditSpec
from .types import Batch, Rehearsal, Update


def rehearsal(
    spec: AuditSpec, model: nn.Module, public: Batch | None, rng: torch.Generator, *, clients: int, home: Path
) -> Rehearsal | None:
    """What ``spec`` lets the attacker imitate: the client's rule as it believes it to be, and the defenses it knows of.

    ``rng`` is its own chance, since no client tells what it has drawn. ``clients``: how many hold equal parts of a
    batch, one after the other. None without public data.
    """
    if public is None or not spec.knowledge.public_data:
        return None
    knows = spec.knowledge
    known = spec.defenses if knows.defense else ()
    rule = spec.client.believed(knows.local_training)

    def one(sent: nn.Module, batch: Batch) -> tuple[Update, Tensor]:
        client = defend(rule, known, rng, public.images)  # a new one each time: some defenses remember the last update
        code = client.encode(batch, classifier(sent).out_features)
        held = batch if code is None else code.batch
        return client.send(sent, held), held.images

    def together(sent: nn.Module, batch: Batch) -> tuple[Update, Tensor]:
        size = len(batch.labels) // clients
        parts = zip(batch.images.split(size), batch.labels.split(size), strict=True)
        updates, images = zip(*(one(sent, Batch(*part)) for part in parts), strict=True)
        mean: Update = tuple(torch.stack(tensors).mean(0) for tensors in zip(*updates, strict=True))
        return without_classifier_bias(sent, mean) if knows.dead_models else mean, torch.cat(images)

    imitated = [rule.model_dump(mode="json"), *(defense.model_dump(mode="json") for defense in known)]
    description = json.dumps([imitated, clients, knows.dead_models], sort_keys=True)
    return Rehearsal(model, public, together, description, home / "learned")
