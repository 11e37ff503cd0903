"""The story of one prior, from a spec to a card."""

from __future__ import annotations

import copy
import errno
import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor, nn

from ..models.layers import drawn_from
from ..models.training import Training, generator
from ..types import Data
from .card import FORMAT, Card
from .checkpoint import Checkpoint, clear, clear_abandoned, path_of
from .frechet import feature_network, features, floor, frechet_distance
from .material import Material
from .publishing import publish, weights
from .spec import PriorSpec, trained_here

LOOK_EVERY = 100
"""Steps between two looks at the samples; then the best is kept and a checkpoint written."""
SAMPLES = 256
"""Images that a look is made of."""
SHOWN = 64
UNFINISHED = ".unfinished"
"""Folder of the checkpoints, among the priors that were trained here."""
MEMORY = 0.995
"""What is kept is not the generator of the last step but an average over some two hundred of them."""
ALIKE = 0.02
"""Samples that differ by less than this share of what images differ by are all the same."""
DIVERGED = "The training diverged; choose a smaller learning rate or another seed."
COLLAPSED = "The prior collapsed, its samples are all alike; choose a smaller learning rate, another method or seed."
DISK_FULL = "The disk is full; make room and start the same training again, it goes on where it was."


@dataclass(frozen=True)
class Look:
    """What the generator can do after so many steps."""

    step: int
    samples: Tensor
    """(SHOWN, C, H, W)."""
    frechet: float
    """Distance of samples from the training images."""


@dataclass(frozen=True)
class Learning:
    """Where the training stands after one more step."""

    step: int
    steps: int
    losses: dict[str, float]
    look: Look | None
    """The last one; the same object until the next, None before the first."""
    best: float | None
    """The lowest distance so far."""


@dataclass(frozen=True)
class Learned:
    """The prior is on the shelf, as it was at its best."""

    card: Card
    look: Look


Event: TypeAlias = Training | Learning | Learned


def learn(
    spec: PriorSpec,
    *,
    home: Path,
    device: str = "cpu",
    made_with: Mapping[str, str | int | None] = {},
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[Event]:
    """Train a prior and narrate it: Training… (of the network that judges it), Learning…, Learned.

    Once ``stopped()``, the best so far is kept. An interrupted training goes on from its last checkpoint. The prior
    joins those that were trained on this machine. Raises ValueError with a sentence for the user.
    """
    for objection in spec.objections(home):
        raise ValueError(objection.reason)
    data = spec.dataset.open(home)
    judge = yield from feature_network(spec.dataset, data, home=home, device=device)
    with room():
        course = Course(spec, data, judge, folder=trained_here(home), device=device)
        while not course.over:
            yield course.advance()
            if stopped():
                break
        yield course.finish(made_with)


class Course:
    """A training under way: what learns, from what, how good it is, and how good it has been."""

    def __init__(self, spec: PriorSpec, data: Data, judge: nn.Module, *, folder: Path, device: str) -> None:
        self.spec, self.data, self.judge, self.folder = spec, data, judge, folder
        self.material = Material(data, device)
        classes = len(data.class_names)
        with drawn_from(generator(spec.seed, "prior")):
            self.generator = spec.method.generator(data.image_shape, classes if spec.conditional else 0)
            self.lesson = spec.method.lesson(self.generator, data.image_shape)
        for network in self.lesson.networks.values():
            network.to(device)
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self.best = copy.deepcopy(self.average)
        self.rng = generator(spec.seed, "lessons")
        codes = torch.randn(SAMPLES, *self.generator.latent_shape, generator=generator(spec.seed, "samples"))
        self.codes, self.asked = codes.to(device), torch.arange(SAMPLES, device=device) % classes
        self.real = features(judge, self.material.some(2048))
        self.look: Look | None = None
        self.counters = {"step": 0.0, "best_step": 0.0, "best": math.inf, "seconds": 0.0, "processor": 0.0}
        self.checkpoint = self.restored()

    def restored(self) -> Checkpoint:
        """Where this training is remembered; if it is already, everything is as it was then."""
        made_of = [FORMAT, self.spec.model_dump(mode="json"), self.material.sha256]
        fingerprint = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()
        networks = {**self.lesson.networks, "average": self.average, "best": self.best}
        clear_abandoned(self.folder / UNFINISHED, now=time.time())
        path = path_of(self.folder / UNFINISHED, self.spec.name, fingerprint)
        checkpoint = Checkpoint(path, fingerprint, networks, self.lesson.optimizers, self.rng)
        if counters := checkpoint.restore():
            self.counters = counters
            self.look = self.look_at(self.average, self.step)
        return checkpoint

    @property
    def step(self) -> int:
        return int(self.counters["step"])

    @property
    def over(self) -> bool:
        return self.step >= self.spec.steps

    def advance(self) -> Learning:
        """Learn from one more batch. Raises ValueError where that cannot lead anywhere anymore."""
        began = time.monotonic(), time.process_time()
        images, labels = self.material.batch(self.spec.batch_size, mirror=self.spec.mirror, rng=self.rng)
        losses = self.lesson.learn(images, labels, self.rng)
        if not math.isfinite(losses["total"]):
            self.checkpoint.remove()
            raise ValueError(DIVERGED)
        self.counters["step"] += 1
        self.remember()
        if self.step % LOOK_EVERY == 0 or self.over:
            self.take_stock()
        self.counters["seconds"] += time.monotonic() - began[0]
        self.counters["processor"] += time.process_time() - began[1]
        if self.look is not None and self.look.step == self.step and not self.over:
            self.checkpoint.save(self.counters)
        best = self.counters["best"]
        return Learning(self.step, self.spec.steps, losses, self.look, best if math.isfinite(best) else None)

    def remember(self) -> None:
        """Move the average towards the generator; quickly in the beginning, when there is little to remember."""
        share = 1 - min(MEMORY, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for kept, now in zip(self.average.parameters(), self.generator.parameters(), strict=True):
                kept.lerp_(now, share)

    def take_stock(self) -> None:
        """Look at the samples, and keep the generator if it has never been as good."""
        self.look = self.look_at(self.average, self.step)
        if self.look.frechet < self.counters["best"]:
            self.counters |= {"best": self.look.frechet, "best_step": float(self.step)}
            self.best.load_state_dict(self.average.state_dict())

    def look_at(self, network: nn.Module, step: int) -> Look:
        """Raises ValueError where all samples are the same half-way through the training."""
        with torch.no_grad():
            samples = torch.cat(
                [network(z, k) for z, k in zip(self.codes.split(64), self.asked.split(64), strict=True)]
            )
        if 2 * step >= self.spec.steps and samples.std(dim=0).mean() < ALIKE * self.material.variety:
            self.checkpoint.remove()
            raise ValueError(COLLAPSED)
        return Look(step, samples[:SHOWN], frechet_distance(features(self.judge, samples), self.real))

    def finish(self, made_with: Mapping[str, str | int | None]) -> Learned:
        """Put the best on the shelf; where the training was stopped before the first look, that is what there is."""
        if self.look is None or self.look.step != self.step:
            self.take_stock()
        content = weights(self.best)
        card = Card(
            spec=self.spec,
            image_shape=self.data.image_shape,
            class_names=self.data.class_names,
            training_images=len(self.material),
            training_sha256=self.material.sha256,
            steps=int(self.counters["best_step"]),
            stopped=not self.over,
            seconds=round(self.counters["seconds"], 1),
            processor_seconds=round(self.counters["processor"], 1),
            made_with=dict(made_with),
            frechet=self.counters["best"],
            frechet_floor=floor(self.real, SAMPLES, self.spec.seed),
            sha256=hashlib.sha256(content).hexdigest(),
        )
        look = self.look_at(self.best, card.steps)
        publish(card, content, look.samples, self.folder)
        clear(self.folder / UNFINISHED, card.name)
        return Learned(card, look)


@contextmanager
def room() -> Iterator[None]:
    """A full disk in one sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ValueError(DISK_FULL) from error
        raise
