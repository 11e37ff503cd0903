"""The story of one audit, from a spec to a scored reconstruction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor

from .baselines import baselines
from .datasets.sampling import sample
from .defenses import defend, needs_public, remodeled
from .defenses.encoding import Key
from .diagnosis import Capture, capture, diagnose
from .exchange import exchange, public_images
from .metrics import Scores, label_accuracy, pairing, score
from .models.training import Training, prepare
from .spec import AuditSpec
from .threat_model import Target, observe
from .types import UNKNOWN, Batch, Step, unchanged

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


def generator(seed: int, stream: int) -> torch.Generator:
    """Independent streams, so that changing the attack leaves the victim's images alone."""
    return torch.Generator().manual_seed(seed * 1_000_003 + stream)


def to_device(batch: Batch, device: str) -> Batch:
    return Batch(batch.images.to(device), batch.labels.to(device))
