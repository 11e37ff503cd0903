"""The queries of one fishing attack, and what becomes of the catch. Imports torch: only for use inside ``run``."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...models import classifier
from ...models.batch_norm import batch_norm_layers
from ...types import UNKNOWN, Observation, Round, Step, Table, unchanged
from ..inversion import Inversion, only_step
from .baits import Answer, Bait, answer, class_counts, equal_scores, one_class, one_side

ALONE = 0.01
"""How far the number of images that answered may be from 1 for one that is alone."""
BEYOND = 1000
"""Standard deviations above the mean where no image is."""
SHOWN = 20


@dataclass(frozen=True)
class Catch:
    """The images that answered a bait."""

    answer: Answer
    row: Tensor
    """(d,) of the bait, up to ``size``."""
    size: float
    label: int
    """UNKNOWN where images of several classes may have answered."""

    @property
    def alone(self) -> bool:
        return abs(self.answer.count - 1) <= ALONE


class Trip:
    """Asks the client, at most ``queries`` times, and tells of it step by step."""

    def __init__(self, seen: Observation, *, queries: int, sharpness: float, afterwards: int) -> None:
        self.seen, self.queries, self.sharpness, self.afterwards = seen, queries, sharpness, afterwards
        self.model = seen.rounds[0].model
        self.features = classifier(self.model).in_features
        self.asked: list[tuple[str | int | float | None, ...]] = []
        self.largest = {"weight": 0.0, "bias": 0.0}

    @property
    def left(self) -> int:
        return self.queries - len(self.asked)

    def ask(
        self,
        bait: Bait,
        words: str,
        *,
        step: float | None = None,
        less: Answer | None = None,
        along: Tensor | None = None,
    ) -> Generator[Step, None, Answer]:
        """Send a bait, tell of it in one step, and return what came back, subtracted from ``less`` where given."""
        assert self.seen.query is not None  # refused before
        model = bait.on(self.model)
        gradient = self.seen.rule.mean_gradient(self.seen.query(model), self.seen.batch_size)
        found = answer(bait, model, gradient, self.seen.batch_size)
        found = found if less is None else less.without(found)
        head = classifier(model)
        for name, parameter in head.named_parameters():
            self.largest[name] = max(self.largest[name], float(parameter.detach().abs().max()))
        mean = None if along is None else round(found.mean_along(along), 4)
        counting = not bool(bait.row.any())
        count = None if counting else round(found.count, 2)
        self.asked.append((len(self.asked) + 1, words, None if step is None else round(step, 4), count, mean))
        yield self.step()
        return found

    def counts(self) -> Generator[Step, None, Tensor]:
        """(K,) images of each class: granted, or asked for."""
        if self.seen.labels is not None:
            return self.seen.labels.bincount(minlength=self.seen.num_classes)
        row = torch.zeros(self.features, device=self.seen.device)
        return class_counts((yield from self.ask(equal_scores(row), "equal scores: count the classes")))

    def narrow(self, everyone: Catch, directions: Iterator[Tensor]) -> Generator[Step, None, Catch]:
        """Bisect the images that answered along one direction of the features after another.

        The step goes to the mean of those that are left, so with each query some fall away; the next direction has its
        turn when none do. Returns the fewest that were left.
        """
        best = everyone
        for number, direction in enumerate(directions, 1):
            if best.alone or self.left <= self.several_classes(everyone):
                break
            best = yield from self.bisect(everyone, best, direction, number)
        return best

    def bisect(self, everyone: Catch, best: Catch, direction: Tensor, number: int) -> Generator[Step, None, Catch]:
        """``narrow`` along one direction, along which pictures have standard deviation 1."""
        target, classes, several = everyone.answer.target, self.seen.num_classes, self.several_classes(everyone)
        size = self.sharpness if several else -self.sharpness
        threshold, crowd, reference = everyone.answer.mean_along(direction), everyone.answer.count, None
        if several:
            nobody = one_side(target, direction, size, threshold + BEYOND, classes)
            reference = yield from self.ask(nobody, f"class {target} along direction {number}, to subtract from")
            crowd = float(self.seen.batch_size)
        words = f"{'any class' if several else f'class {target}'} above a step along direction {number}"
        while self.left:
            bait = one_side(target, direction, size, threshold, classes)
            found = yield from self.ask(bait, words, step=threshold, less=reference, along=direction)
            if not 1 - ALONE <= found.count < crowd - 0.5:
                break
            crowd, threshold = found.count, found.mean_along(direction)
            if best is everyone or found.count < best.answer.count:
                row = direction if several else -direction
                best = Catch(found, row, self.sharpness, UNKNOWN if several else target)
            if best.alone:
                break
        return best

    def several_classes(self, everyone: Catch) -> bool:
        """Whether images of other classes than that of ``everyone`` are in the batch."""
        return round(everyone.answer.count) < self.seen.batch_size

    def land(self, catch: Catch, then: Inversion, rng: torch.Generator) -> Iterator[Step]:
        """Invert the gradient of the images that answered with another attack; they come first, the rest is gray."""
        target, count = catch.answer.target, max(1, round(catch.answer.count))
        model = one_class(target, catch.row).on(self.model)
        seen = replace(
            self.seen,
            # A known defense is described for the honest update alone, so this one is taken as it is.
            rounds=(Round(model, catch.answer.of_few(model, catch.size)),),
            encoded_labels=unchanged,
            batch_size=count,
            labels=torch.full((count,), target, device=self.seen.device),
            batch_norm=None,
            query=None,
        )
        tables = self.tables(catch)
        for step in then.run(seen, rng):
            gray = self.step()
            labels = gray.labels.clone()
            labels[:count] = catch.label
            yield replace(
                step,
                iteration=len(self.asked) + step.iteration,
                iterations=len(self.asked) + step.iterations,
                images=only_step(self.seen, step.images).images,
                labels=labels,
                tables=tables,
            )

    def step(self) -> Step:
        """Where the queries stand: no image yet."""
        nothing = self.seen.rounds[0].update[0].new_zeros(0, *self.seen.image_shape)
        total = self.queries + self.afterwards
        return replace(only_step(self.seen, nothing, tables=self.tables()), iteration=len(self.asked), iterations=total)

    def tables(self, catch: Catch | None = None) -> tuple[Table, ...]:
        return (self.queries_table(catch), self.changes())

    def queries_table(self, catch: Catch | None) -> Table:
        note = "The number of images that answered is read off the bias gradient of the class that was fished for."
        if catch is not None and catch.alone:
            note += " One image was left alone; its gradient is inverted as that of a batch of one."
        elif catch is not None:
            note += f" {catch.answer.count:.2f} images were left and are searched together; more queries may part them."
        if catch is not None and catch.label == UNKNOWN:
            note += " The batch has several classes, so two answers were subtracted, and its class is not known."
        if any(layer.training for layer in batch_norm_layers(self.model)):
            note += " BatchNorm in training mode mixes the images of the batch: what is left is not of one alone."
        columns = ("query", "asked", "step at", "images that answered", "their mean")
        return Table("Queries", columns, tuple(self.asked[-SHOWN:]), note)

    def changes(self) -> Table:
        lines = (
            ("models sent that were tampered with", len(self.asked)),
            ("rows of the classifier set to zero, at least", self.seen.num_classes - 1),
            *((f"largest {name} of the classifier", round(value, 2)) for name, value in self.largest.items()),
            ("parameters of other layers changed", 0),
        )
        note = "A client can notice this: a classifier of zeros, biases far from the others, and a high loss."
        return Table("What the server changed", ("What", "Now"), lines, note)
