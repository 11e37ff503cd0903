"""The story of one audit, from a spec to a scored reconstruction."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor, nn

from .aggregation.coalition import AUDITED
from .baselines import baselines
from .chronicle import Ended
from .control import held_by_clients
from .datasets.dealing import deal
from .defenses import defend, needs_public, remodeled
from .defenses.encoding import Key
from .diagnosis import Capture, capture, diagnose
from .exchange import exchange, public_batch
from .federation import Federation, Holder, NothingToInvertError, joined
from .metrics import Scores, label_accuracy, pairing, score, unscored
from .models.training import Training, prepare
from .other_clients import OtherClients
from .priors.from_gradients import keeper
from .priors.shelf import prepared
from .rehearsal import rehearsal
from .spec import AuditSpec
from .threat_model import Target, observe
from .types import UNKNOWN, Batch, Data, Observation, Step, Table, unchanged
from .verification.guard import Guard

DRAWN = 64
"""Images that a prior draws blindly, the closest of which is a guess that needs no update."""
STREAMS = ("victim", "defense", "attack", "baselines", "server", "aggregation")
"""Who has a generator of random numbers of its own; more clients' defenses come after these."""
ELSEWHERE = 1000
"""Where the random numbers begin of clients in other rounds of the training, after all of these."""


@dataclass(frozen=True)
class Started:
    """The clients have sent their updates, and the attack is about to begin, if there is something to invert."""

    truth: Batch
    label_names: tuple[str, ...]
    """Class of each private image."""
    baselines: dict[str, Scores]
    capture: Capture | None
    """None where there is nothing to invert."""
    tables: tuple[Table, ...] = ()
    """What the exchange cost and what of it remains to be attacked, where several updates are added up."""


@dataclass(frozen=True)
class Progress:
    """One iteration of the attack. What it costs to score it is paid by those who ask."""

    step: Step
    truth: Batch
    labels_granted: bool
    weights: Path
    decode: Callable[[Tensor], Tensor] = unchanged
    """From what the attack searched to private images, where it knows how the client encoded them."""
    finds_images: bool = True

    @cached_property
    def paired(self) -> Step:
        """The step with its images, decoded, and its labels in the order of the private batch."""
        images = self.decode(self.step.images)
        order = pairing(images, self.truth.images)
        return replace(self.step, images=images[order], labels=self.step.labels[order])

    @cached_property
    def scores(self) -> Scores:
        if not self.finds_images:
            return unscored()
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


Event: TypeAlias = Training | Started | Progress | Finished | Ended


def audit(
    spec: AuditSpec,
    *,
    device: str = "cpu",
    home: Path = Path("var"),
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[Event]:
    """Carry out ``spec`` and narrate it: Training…, Started, Progress…, Finished, or Ended where nothing is to invert.

    Once ``stopped()``, the best reconstruction so far is scored like any other. ``home`` holds data sets and weights.
    Raises ValueError with a sentence for the user where the spec cannot be carried out.
    """
    if objections := spec.objections(home):
        raise ValueError(objections[0].reason)
    rng = {name: generator(spec.seed, i) for i, name in enumerate(STREAMS)}
    weights = home / "weights"

    # The clients, in private.
    data = spec.dataset.open(home)
    model = yield from prepare(spec.model, spec.dataset, data, seed=spec.seed, home=home, device=device)
    model = remodeled(spec.defenses, model, rng["defense"])
    data = held_by_clients(spec, data)
    is_public = spec.knowledge.public_data or needs_public(spec.defenses)
    shared = to_device(public_batch(data), device) if is_public else None
    public = None if shared is None else shared.images
    elsewhere = yield from further_rounds(spec, data, model, public, home=home, device=device)
    clients, agreed = holders(spec, data, public, rng, device), agreed_network(spec, data)
    federation = Federation(spec, clients, data.image_shape, rng["aggregation"], agreed)

    def started(truth: Batch, check: Capture | None) -> Started:
        names = tuple(data.class_names[label] for label in truth.labels.tolist())
        drawn = drawn_blindly(spec, home, rng["baselines"])
        guesses = baselines(truth.images, data, rng["baselines"], weights=weights, drawn=drawn)
        return Started(truth, names, guesses, check, federation.tables)

    try:
        rounds = exchange(spec, model, federation, len(data.class_names), rng["server"])
    except NothingToInvertError as over:
        yield started(federation.holders[AUDITED].batch, None)
        yield ended(over)
        return

    # The server: below this line the attack gets the observation, and only the scores see the truth.
    truth = joined([federation.holders[client].batch for client in rounds[0].clients])
    priors = partial(prepared, dataset=spec.dataset, home=home)
    imitated = rehearsal(spec, model, shared, rng["server"], clients=len(rounds[0].clients), home=home)
    targets = observe(spec, data, rounds, truth, federation, public, priors, rng["server"], imitated)
    targets = tuple(replace(target, seen=elsewhere(target.seen)) for target in targets)
    check = capture(targets[0].seen, targets[0].batch, spec)
    yield started(truth, check)
    yield from attacked(spec, targets, truth, check, federation.guard, rng["attack"], weights=weights, stopped=stopped)


def drawn_blindly(spec: AuditSpec, home: Path, rng: torch.Generator) -> Tensor | None:
    """Images (N, C, H, W) that the attacker's prior draws without any update; None for an attacker without a prior."""
    name = getattr(spec.attack, "prior", None)
    if name is None:
        return None
    prior = prepared(name, dataset=spec.dataset, home=home)
    with torch.no_grad():
        images: Tensor = prior(torch.randn(DRAWN, *prior.latent_shape, generator=rng))
    return images


def further_rounds(
    spec: AuditSpec, data: Data, model: nn.Module, public: Tensor | None, *, home: Path, device: str
) -> Generator[Training, None, Callable[[Observation], Observation]]:
    """What the attacker sees of other clients in further rounds of the same training, added to an observation.

    What an attack learns from them is kept, except in a control, where it has learned from random numbers.
    """
    if not spec.knowledge.single_updates:
        return lambda seen: seen
    clients = OtherClients(
        spec, data, model, lambda number: generator(spec.seed, ELSEWHERE + number), public=public, device=device
    )
    keep = None
    if spec.control == "none" and "single_updates" in spec.attack.needs.knowledge:
        keep = yield from keeper(spec, data, clients, home=home, device=device)
    return partial(replace, others=clients.round, keep=keep)


def holders(
    spec: AuditSpec, data: Data, public: Tensor | None, rng: dict[str, torch.Generator], device: str
) -> list[Holder]:
    """The clients, each with images and random numbers of its own; the audited one has what it would have alone."""
    batches = deal(data.victims, spec.clients, spec.batch_size, spec.victim, rng["victim"])
    chance = [rng["defense"], *(generator(spec.seed, len(STREAMS) + number) for number in range(1, spec.clients))]
    return [
        Holder(to_device(batch, device), defend(spec.client, spec.defenses, own, public))
        for batch, own in zip(batches, chance, strict=True)
    ]


def agreed_network(spec: AuditSpec, data: Data) -> nn.Module | None:
    """The network as a client makes it that checks what it receives; None where it does not."""
    if spec.verification.policy == "off":
        return None
    rng = torch.Generator().manual_seed(spec.seed)  # of these weights only the size matters
    return remodeled(spec.defenses, spec.model.build(data, rng), rng)


def attacked(
    spec: AuditSpec,
    targets: tuple[Target, ...],
    truth: Batch,
    check: Capture,
    guard: Guard,
    rng: torch.Generator,
    *,
    weights: Path,
    stopped: Callable[[], bool],
) -> Iterator[Event]:
    """The attack, scored step by step."""
    progress, asked_to_stop, inverted = None, False, targets[0]
    try:
        for target, step, decode in invert(spec, targets, rng):
            granted, pictures = spec.knowledge.labels, spec.attack.finds_images
            told = guard.telling(step)
            inverted, progress = target, Progress(told, truth, granted, weights, decode, pictures)
            yield progress
            if asked_to_stop := stopped():
                break
    except NothingToInvertError as over:  # what the attack sent led to nothing that could be read
        if progress is None:
            yield ended(over)
        else:  # but it had answers before
            last = replace(progress, step=guard.telling(progress.step))
            yield Finished(last, False, (over.reason,))
        return
    assert progress is not None  # an attack yields at least one step
    at_truth = spec.attack.mismatch(inverted.seen, inverted.batch)
    should_find = spec.attack.finds_images and spec.control == "none"
    causes = diagnose(inverted.seen, truth, progress.paired, at_truth, check) if should_find else ()
    yield Finished(progress, asked_to_stop, causes)


def ended(over: NothingToInvertError) -> Ended:
    """The last event of a run that found nothing to invert."""
    return Ended(False, {"nothing_to_invert": over.reason, "tables": [asdict(table) for table in over.tables]})


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
