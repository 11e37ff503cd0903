"""What the threat model grants the server: here, and nowhere else, is decided what an attack may know."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor, nn

from .defenses import Defended, Defense, comparison, expectation
from .defenses.encoding import Key
from .exchange import Exchanged
from .metrics import pairing
from .models.batch_norm import received_by_batch_norm, running_averages
from .spec import AuditSpec
from .types import Batch, BatchNormStatistics, Data, Observation, Round


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
    spec: AuditSpec, data: Data, exchanged: tuple[Exchanged, ...], truth: Batch, client: Defended, public: Tensor | None
) -> tuple[Target, ...]:
    """What the server sees of all rounds, as something to invert.

    A single target of all rounds, unless the attacker knows how the batch was encoded: as every round has another
    encoding, each is inverted on its own then, and what was found is decoded together.
    """
    knows = spec.knowledge
    known = spec.defenses if knows.defense else ()

    def view(part: tuple[Exchanged, ...]) -> Observation:
        first = part[0]
        held = truth if first.encoded is None else first.batch
        return Observation(
            rounds=tuple(known_to(known, one.round) for one in part),
            rule=spec.client.believed(knows.local_training),
            image_shape=data.image_shape,
            batch_size=spec.batch_size,
            num_classes=len(data.class_names),
            labels=truth.labels if knows.labels else None,
            batch_norm=statistics(knows.batch_norm, first.round.model, held),
            public=public if knows.public_data else None,
            query=(lambda model: client.send(model, held)) if knows.malicious_server else None,
        )

    targets = []
    for one in exchanged:
        if one.encoded is None or not knows.defense:
            return (Target(view(exchanged), truth, None),)
        key = one.encoded.key
        seen = replace(view((one,)), encoded_labels=key.labels, natural=key.natural)
        targets.append(Target(seen, Batch(one.batch.images, truth.labels), key))
    return tuple(targets)


def known_to(defenses: tuple[Defense, ...], seen: Round) -> Round:
    """A round as an attacker sees it who knows of these defenses; what they left differs from round to round."""
    expect, compared = expectation(defenses, seen.update), comparison(defenses, seen.model, seen.update)
    return replace(seen, expect=expect, compared=compared)


def statistics(granted: str, model: nn.Module, truth: Batch) -> tuple[BatchNormStatistics, ...] | None:
    """What every BatchNorm layer keeps as running averages, or, if granted exactly, receives of the private batch."""
    if granted == "none":
        return None
    return received_by_batch_norm(model, truth.images) if granted == "exact" else running_averages(model)
