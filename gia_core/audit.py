"""The story of one audit, from a spec to a scored reconstruction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor, nn

from .baselines import baselines, pixels
from .datasets.sampling import sample
from .defenses import defend, expectation
from .diagnosis import Capture, capture, diagnose
from .metrics import Scores, label_accuracy, pairing, score
from .models.batch_norm import received_by_batch_norm, running_averages
from .models.training import Training, prepare
from .spec import AuditSpec
from .types import UNKNOWN, Batch, BatchNormStatistics, Data, Observation, Round, Step, UpdateRule

PUBLIC = 2000
"""Images at most that the attacker holds where public data is granted."""


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

    @cached_property
    def paired(self) -> Step:
        """The step with its images and labels in the order of the private batch."""
        order = pairing(self.step.images, self.truth.images)
        return replace(self.step, images=self.step.images[order], labels=self.step.labels[order])

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
    rng = {name: generator(spec.seed, i) for i, name in enumerate(("victim", "defense", "attack", "baselines"))}
    weights = home / "weights"

    # The client, in private.
    data = spec.dataset.open(home)
    truth = to_device(sample(data.victims, spec.batch_size, spec.victim, rng["victim"]), device)
    model = yield from prepare(spec.model, spec.dataset, data, seed=spec.seed, home=home, device=device)
    client = defend(spec.client, spec.defenses, rng["defense"])
    rounds = [Round(model, client(model, truth))]
    while len(rounds) < spec.rounds:
        model = spec.client.advance(model, rounds[-1].update, spec.server_lr)
        rounds.append(Round(model, client(model, truth)))

    # The server: below this line the attack gets the observation, and only the scores see the truth.
    seen = observe(spec, data, tuple(rounds), truth, client)
    check = capture(seen, truth, spec)
    names = tuple(data.class_names[label] for label in truth.labels.tolist())
    yield Started(truth, names, baselines(truth.images, data, rng["baselines"], weights=weights), check)

    progress, asked_to_stop = None, False
    for step in spec.attack.run(seen, rng["attack"]):
        progress = Progress(step, truth, spec.knowledge.labels, weights)
        yield progress
        if asked_to_stop := stopped():
            break
    assert progress is not None  # an attack yields at least one step
    at_truth = spec.attack.mismatch(seen, truth)
    yield Finished(progress, asked_to_stop, diagnose(seen, truth, progress.paired, at_truth, check))


def observe(spec: AuditSpec, data: Data, rounds: tuple[Round, ...], truth: Batch, client: UpdateRule) -> Observation:
    """What the threat model grants the server: here, and nowhere else, is decided what an attack may know."""
    knows = spec.knowledge
    return Observation(
        rounds=rounds,
        rule=spec.client.believed(knows.local_training),
        expect=expectation(spec.defenses if knows.defense else (), rounds[0].update),
        image_shape=data.image_shape,
        batch_size=spec.batch_size,
        num_classes=len(data.class_names),
        labels=truth.labels if knows.labels else None,
        batch_norm=statistics(knows.batch_norm, rounds[0].model, truth),
        public=public_images(data).to(truth.images) if knows.public_data else None,
        query=(lambda model: client(model, truth)) if knows.malicious_server else None,
    )


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
