"""The story of one audit, from a spec to a scored reconstruction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor, nn

from .baselines import baselines, pixels
from .datasets.sampling import sample
from .defenses import Defended, comparison, defend, expectation, needs_public, remodeled
from .defenses.encoding import Encoded, Key
from .diagnosis import Capture, capture, diagnose
from .metrics import Scores, label_accuracy, pairing, score
from .models.batch_norm import received_by_batch_norm, running_averages
from .models.training import Training, prepare
from .spec import AuditSpec
from .types import UNKNOWN, Batch, BatchNormStatistics, Data, Observation, Round, Step, unchanged

PUBLIC = 2000
"""Images at most that are public: the attacker holds them where it is granted, and some defenses mix them in."""
STREAMS = ("victim", "defense", "attack", "baselines", "server")
"""Who has a generator of random numbers of its own."""


@dataclass(frozen=True)
class Started:
    """The client has sent its update and the attack is about to begin."""

    truth: Batch
    label_names: tuple[str, ...]
    """Class of each private image."""
    baselines: dict[str, Scores]
    capture: Capture


@dataclass(frozen=True)
class Progress:
    """One iteration of the attack. What it costs to score it is paid by those who ask."""

    step: Step
    truth: Batch
    labels_granted: bool
    weights: Path
    decode: Callable[[Tensor], Tensor] = unchanged
    """From what the attack searched to private images, where it knows how the client encoded them."""

    @cached_property
    def paired(self) -> Step:
        """The step with its images, decoded, and its labels in the order of the private batch."""
        images = self.decode(self.step.images)
        order = pairing(images, self.truth.images)
        return replace(self.step, images=images[order], labels=self.step.labels[order])

    @cached_property
    def scores(self) -> Scores:
        return score(self.paired.images, self.truth.images, weights=self.weights)

    @property
    def label_accuracy(self) -> float | None:
        """Share of the labels that were found; None where they were granted, or the attack does not tell."""
        untold = self.labels_granted or bool((self.step.labels == UNKNOWN).all())
        return None if untold else label_accuracy(self.step.labels, self.truth.labels)


@dataclass(frozen=True)
class Finished:
    """The attack is over, by itself or because it was stopped; both are scored alike."""

    last: Progress
    stopped: bool
    diagnosis: tuple[str, ...]
    """Likely causes where images were not recovered."""


Event: TypeAlias = Training | Started | Progress | Finished


def audit(
    spec: AuditSpec,
    *,
    device: str = "cpu",
    home: Path = Path("var"),
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[Event]:
    """Carry out ``spec`` and narrate it: Training…, Started, Progress…, Finished.

    Once ``stopped()``, the best reconstruction so far is scored like any other. ``home`` holds data sets and weights.
    Raises ValueError with a sentence for the user where the spec cannot be carried out.
    """
    if objections := spec.objections(home):
        raise ValueError(objections[0].reason)
    rng = {name: generator(spec.seed, i) for i, name in enumerate(STREAMS)}
    weights = home / "weights"

    # The client, in private.
    data = spec.dataset.open(home)
    truth = to_device(sample(data.victims, spec.batch_size, spec.victim, rng["victim"]), device)
    model = yield from prepare(spec.model, spec.dataset, data, seed=spec.seed, home=home, device=device)
    model = remodeled(spec.defenses, model, rng["defense"])
    public = public_images(data).to(device) if spec.knowledge.public_data or needs_public(spec.defenses) else None
    client = defend(spec.client, spec.defenses, rng["defense"], public)
    rounds = exchange(spec, model, client, truth, len(data.class_names), rng["server"])

    # The server: below this line the attack gets the observation, and only the scores see the truth.
    targets = observe(spec, data, rounds, truth, client, public)
    check = capture(targets[0].seen, targets[0].batch, spec)
    names = tuple(data.class_names[label] for label in truth.labels.tolist())
    yield Started(truth, names, baselines(truth.images, data, rng["baselines"], weights=weights), check)

    progress, asked_to_stop, inverted = None, False, targets[0]
    for target, step, decode in invert(spec, targets, rng["attack"]):
        inverted, progress = target, Progress(step, truth, spec.knowledge.labels, weights, decode)
        yield progress
        if asked_to_stop := stopped():
            break
    assert progress is not None  # an attack yields at least one step
    at_truth = spec.attack.mismatch(inverted.seen, inverted.batch)
    yield Finished(progress, asked_to_stop, diagnose(inverted.seen, truth, progress.paired, at_truth, check))


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
    """What the threat model grants the server: here, and nowhere else, is decided what an attack may know.

    A single target of all rounds, unless the attacker knows how the batch was encoded: as every round has another
    encoding, each is inverted on its own then, and what was found is decoded together.
    """
    knows = spec.knowledge
    known = spec.defenses if knows.defense else ()

    def view(part: tuple[Exchanged, ...]) -> Observation:
        first = part[0]
        held = truth if first.encoded is None else first.batch
        return Observation(
            rounds=tuple(one.round for one in part),
            rule=spec.client.believed(knows.local_training),
            expect=expectation(known, first.round.update),
            image_shape=data.image_shape,
            batch_size=spec.batch_size,
            num_classes=len(data.class_names),
            labels=truth.labels if knows.labels else None,
            batch_norm=statistics(knows.batch_norm, first.round.model, held),
            public=public if knows.public_data else None,
            query=(lambda model: client.send(model, held)) if knows.malicious_server else None,
            compared=comparison(known, first.round.model, first.round.update),
        )

    targets = []
    for one in exchanged:
        if one.encoded is None or not knows.defense:
            return (Target(view(exchanged), truth, None),)
        key = one.encoded.key
        seen = replace(view((one,)), encoded_labels=key.labels, natural=key.natural)
        targets.append(Target(seen, Batch(one.batch.images, truth.labels), key))
    return tuple(targets)


def invert(
    spec: AuditSpec, targets: tuple[Target, ...], rng: torch.Generator
) -> Iterator[tuple[Target, Step, Callable[[Tensor], Tensor]]]:
    """Attack one target after the other; with each step comes the way from its images to private ones."""
    earlier: tuple[tuple[Key, Tensor], ...] = ()
    for number, target in enumerate(targets):
        for step in spec.attack.run(target.seen, rng):
            iteration, iterations = number * step.iterations + step.iteration, len(targets) * step.iterations
            counted = replace(step, iteration=iteration, iterations=iterations)
            yield target, counted, partial(target.decode, earlier=earlier)
        if target.key is not None:
            earlier = (*earlier, (target.key, target.in_order(step.images)))


def statistics(granted: str, model: nn.Module, truth: Batch) -> tuple[BatchNormStatistics, ...] | None:
    """What every BatchNorm layer keeps as running averages, or, if granted exactly, receives of the private batch."""
    if granted == "none":
        return None
    return received_by_batch_norm(model, truth.images) if granted == "exact" else running_averages(model)


def public_images(data: Data) -> Tensor:
    """Evenly spread training images, (N, C, H, W)."""
    count = min(len(data.training), PUBLIC)
    chosen = torch.linspace(0, len(data.training) - 1, count).long().tolist()
    return torch.stack([pixels(data.training, index) for index in chosen])


def generator(seed: int, stream: int) -> torch.Generator:
    """Independent streams, so that changing the attack leaves the victim's images alone."""
    return torch.Generator().manual_seed(seed * 1_000_003 + stream)


def to_device(batch: Batch, device: str) -> Batch:
    return Batch(batch.images.to(device), batch.labels.to(device))
