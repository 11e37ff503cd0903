"""A prior that learns from gradients alone, round by round, and the private images searched with it meanwhile."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...models.layers import drawn_from
from ...priors.networks import Decoder
from ...types import Observation, Step, Table
from ..labels.restored import RestoredLabels
from ..matching import Prior
from ..matching.distances import cosine
from ..matching.image_priors import total_variation
from .drawings import Drawing, by_codes, by_own_weights
from .search import Search, Stage

if TYPE_CHECKING:
    from .giml import GIML

SAMPLES = 16
"""Images that the prior draws after every round, always from the same codes."""
SHOWN_AT_MOST = 50
"""Times that new samples are shown in a run, and the prior is kept as it is by then, however many rounds it has."""
OTHERS = "other clients"
"""Name of the others' distance among the losses."""
COLUMNS = ("Round", "Best codes", "Adapted")
NOTE = (
    "Mean distance between the updates of the round's images and those of what the prior draws of them: from the best "
    "codes, and after a copy of the prior adapted to all of them."
)


class MetaLearner:
    """The prior, what it remembers of every image that it met, and the private images as it can draw them by now."""

    def __init__(self, attack: GIML, seen: Observation, restored: RestoredLabels, rng: torch.Generator) -> None:
        assert seen.others is not None
        self.attack, self.rng, self.device, self.labels_told = attack, rng, seen.device, restored.tables()
        self.others, self.keep = seen.others, seen.keep
        with drawn_from(rng):
            prior = Decoder(seen.image_shape, latent=attack.latent, width=attack.width, num_classes=seen.num_classes)
        self.prior = prior.to(seen.device).requires_grad_(False)
        self.codes: dict[int, Tensor] = {}
        """Those of the other clients' images, by the client's number."""
        coding = partial(
            Stage,
            optimizer=partial(torch.optim.Adam, lr=attack.latent_lr),
            schedule="constant",
            pull=attack.code_weight,
        )
        self.coding, self.looking = coding(attack.latent_iterations), coding(attack.private_iterations)
        adam = partial(torch.optim.Adam, lr=attack.weight_lr)
        self.adapting = Stage(attack.weight_iterations, adam, schedule="constant")
        self.ending = Stage(attack.final_iterations, adam)
        self.private = self.search(seen, restored.labels)
        self.private_codes = self.random_codes(seen.batch_size)
        self.found = self.private.evaluate(self.drawn_privately(), self.looking)
        self.apart = math.nan
        """Mean distance of the others' images, as told last."""
        self.fixed = self.random_codes(SAMPLES), torch.arange(SAMPLES, device=self.device) % seen.num_classes
        self.done, self.kept_as = 0, ""
        self.every = math.ceil(attack.rounds / SHOWN_AT_MOST)
        self.rounds: list[tuple[int, float, float]] = []
        """Number, and the mean distance of its images at their best codes, and after the prior's copy adapted."""
        self.tables, self.samples = self.told(), self.drawn()

    def steps(self) -> Iterator[Step]:
        """One per iteration."""
        for number in range(1, self.attack.rounds + 1):
            yield from self.learn(number)
            if number % self.every == 0 or number == self.attack.rounds:
                self.kept_as = "" if self.keep is None else self.keep(self.prior)
                self.tables, self.samples = self.told(), self.drawn()
            yield from self.search_privately(self.drawn_privately(), self.looking)
        adapting = by_own_weights(self.prior, self.private_codes, self.private.labels)
        yield from self.search_privately(adapting, self.ending)

    def learn(self, number: int) -> Iterator[Step]:
        """One round: the codes of its images, then weights that draw them all better, then a move towards these."""
        first = (number - 1) * self.attack.together
        clients = [client % self.attack.clients for client in range(first, first + self.attack.together)]
        seen = self.others(clients)
        assert seen.labels is not None
        labels, search = seen.labels, self.search(seen, seen.labels)
        met = [self.codes[client] if client in self.codes else self.random_codes(1) for client in clients]
        drawing = by_codes(self.prior, torch.cat(met), labels)
        yield from self.meanwhile(search, drawing, self.coding)
        codes, coded = drawing.unknowns[0].detach(), search.best["matching"]
        self.codes |= dict(zip(clients, codes.split(1), strict=True))
        adapted = copy.deepcopy(self.prior).requires_grad_()
        better = Drawing(list(adapted.parameters()), lambda: adapted(codes, labels))
        yield from self.meanwhile(search, better, self.adapting)
        for weight, target in zip(self.prior.parameters(), adapted.parameters(), strict=True):
            weight.lerp_(target.detach(), self.attack.pace)
        self.rounds.append((number, coded / len(clients), search.best["matching"] / len(clients)))

    def meanwhile(self, search: Search, drawing: Drawing, stage: Stage) -> Iterator[Step]:
        """Steps on the others' images, while the private ones stay what they are."""
        for step in search.run(drawing, stage, before=self.done, iterations=self.attack.planned):
            self.done, self.apart = step.iteration, step.losses["matching"] / search.seen.batch_size
            yield self.completed(self.private.step(self.found, step.iteration, step.iterations))

    def search_privately(self, drawing: Drawing, stage: Stage) -> Iterator[Step]:
        for step in self.private.run(drawing, stage, before=self.done, iterations=self.attack.planned):
            self.done, self.found = step.iteration, step.losses
            yield self.completed(step)
        if stage is self.looking:
            self.private_codes = drawing.unknowns[0].detach()

    def completed(self, step: Step) -> Step:
        met = {} if math.isnan(self.apart) else {OTHERS: self.apart}
        return replace(step, losses={**step.losses, **met}, tables=self.tables, samples=self.samples)

    def search(self, seen: Observation, labels: Tensor) -> Search:
        smooth = Prior("total variation", self.attack.tv_weight, total_variation)
        return Search(seen, labels, cosine, (smooth,), ())

    def random_codes(self, count: int) -> Tensor:
        return torch.randn(count, *self.prior.latent_shape, generator=self.rng).to(self.device)

    def drawn_privately(self) -> Drawing:
        return by_codes(self.prior, self.private_codes, self.private.labels)

    def drawn(self) -> Tensor:
        """(SAMPLES, C, H, W), of the classes in turn."""
        with torch.no_grad():
            samples: Tensor = self.prior(*self.fixed)
        return samples

    def told(self) -> tuple[Table, ...]:
        """What is known of the labels, and how well the prior has drawn the others' images round by round."""
        shown = [row for row in self.rounds if row[0] % self.every == 0 or row is self.rounds[-1]]
        rows = tuple((number, round(coded, 4), round(adapted, 4)) for number, coded, adapted in shown)
        kept = f" The prior is kept as {self.kept_as}: choose it as the prior of GIAS." if self.kept_as else ""
        return (*self.labels_told, Table("What the prior learned", COLUMNS, rows, NOTE + kept))
