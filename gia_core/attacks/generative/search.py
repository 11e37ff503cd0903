"""The loop: change what a generator draws from until the update that its images cause resembles the one observed."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass

import torch
from torch import Tensor

from ...types import Batch, Observation, Step, Table
from ..matching.candidate import Candidate, Prior
from ..matching.distances import Distance
from ..matching.objective import objective
from ..matching.schedules import Schedule, factor
from .drawings import Drawing

Losses = dict[str, float]


@dataclass(frozen=True)
class Stage:
    """How one kind of unknowns is searched."""

    iterations: int
    optimizer: Callable[[list[Tensor]], torch.optim.Optimizer]
    schedule: Schedule = "step"
    sign: bool = False
    """Whether the optimizer sees only the signs of the gradient."""
    pull: float = 0.0
    """Weight of the mean square of the unknowns, which keeps codes where the generator has learned to draw."""


class Search:
    """What all stages share: what is matched, and the best images that any of them has found."""

    def __init__(
        self,
        seen: Observation,
        labels: Tensor,
        distance: Distance,
        priors: tuple[Prior, ...],
        tables: tuple[Table, ...],
    ) -> None:
        """``labels`` (B,): class indices; where a drawing has its own, they become the likeliest of its best moment."""
        self.seen, self.labels, self.priors, self.tables = seen, labels, priors, tables
        self.matching = objective(seen, distance)
        self.weights = {"matching": 1.0, **{prior.name: prior.weight for prior in priors}}
        self.best: Losses = dict.fromkeys(("total", *self.weights), math.inf)
        self.images = torch.full((seen.batch_size, *seen.image_shape), 0.5, device=seen.device)
        self.dropped = 0

    def run(self, drawing: Drawing, stage: Stage, *, before: int, iterations: int) -> Generator[Step, None, float]:
        """One step per iteration; the return value is the lowest objective, and the unknowns are back where it was.

        ``before``: iterations of earlier stages, of ``iterations`` in all. Ends early where the loss is not finite.
        """
        optimizer = stage.optimizer(drawing.unknowns)
        kept, lowest = [unknown.detach().clone() for unknown in drawing.unknowns], math.inf
        for iteration in range(1, stage.iterations + 1):
            for group in optimizer.param_groups:
                group["lr"] = optimizer.defaults["lr"] * factor(stage.schedule, (iteration - 1) / stage.iterations)
            losses = self.evaluate(drawing, stage)
            if losses["total"] < lowest:
                kept, lowest = [unknown.detach().clone() for unknown in drawing.unknowns], losses["total"]
            lost = not math.isfinite(losses["total"])
            self.dropped += lost
            yield self.step(losses, before + iteration, iterations)
            if lost:
                break
            optimizer.step()
        with torch.no_grad():
            for unknown, value in zip(drawing.unknowns, kept, strict=True):
                unknown.copy_(value)
        return lowest

    def evaluate(self, drawing: Drawing, stage: Stage) -> Losses:
        """The objective, with its gradient left at the unknowns; its images are kept if they are the best so far."""
        images, labels = drawing.images(), self.labels if drawing.labels is None else drawing.labels()
        candidate = Candidate(images, labels, self.seen.rounds[0].model, natural=self.seen.natural)
        terms = {"matching": self.matching(Batch(images, labels), True)}
        terms |= {prior.name: prior.of(candidate) for prior in self.priors}
        total = torch.stack([self.weights[name] * term for name, term in terms.items()]).sum()
        judged = total.item()
        if stage.pull:
            total = total + stage.pull * torch.stack([unknown.square().mean() for unknown in drawing.unknowns]).mean()
        gradients = torch.autograd.grad(total, drawing.unknowns, allow_unused=True)
        for unknown, gradient in zip(drawing.unknowns, gradients, strict=True):
            unknown.grad = gradient.sign() if stage.sign and gradient is not None else gradient
        losses = {"total": judged, **{name: term.item() for name, term in terms.items()}}
        if judged < self.best["total"]:
            self.best, self.images = losses, images.detach().clone()
            if drawing.labels is not None:
                self.labels = labels.detach().argmax(dim=1)
        return losses

    def step(self, losses: Losses, iteration: int, iterations: int) -> Step:
        return Step(
            iteration=iteration,
            iterations=iterations,
            losses=losses,
            best=self.best,
            images=self.images,
            labels=self.labels,
            dropped=self.dropped,
            weighted={name: weight * losses[name] for name, weight in self.weights.items()},
            tables=self.tables,
        )
