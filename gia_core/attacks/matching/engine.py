"""The loop: change dummy images until the update they cause resembles the one observed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ...types import Batch, Observation, Step
from .distances import Distance
from .image_priors import median_filtered
from .labels import LabelStrategy, restore_labels
from .schedules import Schedule, factor
from .starts import Start, dummy_images

Losses = dict[str, float]


@dataclass(frozen=True)
class Prior:
    """One term of the objective that judges images alone."""

    name: str
    weight: float
    penalty: Callable[[Tensor], Tensor]
    """(B, C, H, W) to a scalar."""


@dataclass(frozen=True)
class Recipe:
    """What a published attack chooses; everything else is the same for all of them."""

    distance: Distance
    optimizer: Callable[[list[Tensor]], torch.optim.Optimizer]
    iterations: int
    """Calls of the optimizer in one trial."""
    labels: LabelStrategy
    priors: tuple[Prior, ...] = ()
    scale: float = 1.0
    """What the objective is multiplied by for the optimizer, whose built-in thresholds are absolute."""
    start: Start = "normal"
    schedule: Schedule = "constant"
    warmup: int = 0
    """Iterations over which the learning rate first rises to its full value."""
    sign: Literal["none", "hard", "soft"] = "none"
    """What the optimizer sees of the image gradient: itself, its sign, or a smooth sign that softens on the way."""
    boxed: bool = False
    """Clamp the images to [0, 1] after every iteration."""
    median_filter_every: int = 0
    """Iterations between two median filters; 0 for never."""
    one_at_a_time: bool = False
    """Change only one image per iteration, in turn (Zhu et al., NeurIPS 2019, section 4.3)."""
    tolerance: float = 0.0
    """The attack ends when the matching distance falls below this."""
    divergence: float = math.inf
    """A trial is given up when, ``patience`` iterations in, its total exceeds this many times its first total."""
    patience: int = 0
    """Iterations without a new best after which a trial ends; 0 for never."""
    trials: int = 1
    ranked_by: str = "matching"
    """The term by which the best trial is chosen."""


def match_updates(seen: Observation, recipe: Recipe, rng: torch.Generator) -> Iterator[Step]:
    """Run the recipe's trials one after another; every step holds the best images of all trials so far.

    A trial whose loss is not finite, or that diverges, is given up and counted in ``Step.dropped``. The attack ends as
    soon as a trial reaches the tolerance.
    """
    labels = restore_labels(recipe.labels, seen)
    leader: Step | None = None
    dropped = 0
    for number in range(recipe.trials):
        ours: Step | None = None
        for ours in Trial(seen, recipe, labels, rng).steps():
            best = better(leader, ours, recipe.ranked_by)
            yield replace(
                ours,
                iteration=number * recipe.iterations + ours.iteration,
                iterations=recipe.trials * recipe.iterations,
                best=best.best,
                images=best.images,
                labels=best.labels,
                dropped=dropped + ours.dropped,
            )
        assert ours is not None  # a trial has at least one iteration
        leader, dropped = better(leader, ours, recipe.ranked_by), dropped + ours.dropped
        if leader.best["matching"] < recipe.tolerance:
            return


def better(leader: Step | None, step: Step, term: str) -> Step:
    """Of two trials, the one whose best images score lower in ``term``; infinity where nothing finite was seen."""
    return step if leader is None or step.best[term] < leader.best[term] else leader


class Trial:
    """One search from one random start."""

    def __init__(self, seen: Observation, recipe: Recipe, labels: Tensor | None, rng: torch.Generator) -> None:
        self.recipe, self.known_labels = recipe, labels
        self.matching = objective(seen, recipe.distance)
        start = dummy_images(recipe.start, (seen.batch_size, *seen.image_shape), rng).to(seen.device)
        parts = start.split(1) if recipe.one_at_a_time else (start,)
        self.images = [part.clone().requires_grad_() for part in parts]
        self.logits: list[Tensor] = []
        if labels is None:
            logits = torch.randn(seen.batch_size, seen.num_classes, generator=rng)
            self.logits = [logits.to(seen.device).requires_grad_()]
        self.optimizers = [recipe.optimizer([image, *self.logits]) for image in self.images]
        self.losses: Losses = {}
        self.best: Losses = dict.fromkeys(("total", "matching", *(prior.name for prior in recipe.priors)), math.inf)
        self.best_images, self.best_labels = self.batch_images().detach().clone(), self.hard_labels()

    def steps(self) -> Iterator[Step]:
        """One step per iteration, at least one; ends early where the trial is lost, done, or out of patience."""
        first_total, best_total, since_best = math.nan, math.inf, 0
        for iteration in range(1, self.recipe.iterations + 1):
            self.iterate(iteration)
            total = self.losses["total"]
            first_total = total if iteration == 1 else first_total
            since_best = 0 if self.best["total"] < best_total else since_best + 1
            best_total = self.best["total"]
            lost = not math.isfinite(total) or (
                iteration > self.recipe.patience and total > self.recipe.divergence * first_total
            )
            yield self.step(iteration, lost)
            if lost or self.best["matching"] < self.recipe.tolerance or 0 < self.recipe.patience <= since_best:
                return

    def iterate(self, iteration: int) -> None:
        """Call the optimizer once, then put the images back to where they may be."""
        recipe, turn = self.recipe, (iteration - 1) % len(self.optimizers)
        optimizer = self.optimizers[turn]
        done = (iteration - 1) / recipe.iterations
        rate = factor(recipe.schedule, done) * min(1.0, iteration / (recipe.warmup + 1))
        for group in optimizer.param_groups:
            group["lr"] = optimizer.defaults["lr"] * rate
        evaluations: list[Losses] = []
        optimizer.step(lambda: self.evaluate(turn, done, evaluations))
        # L-BFGS evaluates the objective several times in one call; the first is where the iteration began.
        self.losses = evaluations[0]
        with torch.no_grad():
            for image in self.images:
                if recipe.median_filter_every and iteration % recipe.median_filter_every == 0:
                    image.copy_(median_filtered(image))
                if recipe.boxed:
                    image.clamp_(0, 1)

    def evaluate(self, turn: int, done: float, evaluations: list[Losses]) -> float:
        """Compute the objective and its gradient at the current images, and keep them if they are the best so far."""
        images = self.batch_images()
        terms = {"matching": self.matching(Batch(images, self.soft_labels()), True)}
        total = terms["matching"]
        for prior in self.recipe.priors:
            terms[prior.name] = prior.penalty(images)
            total = total + prior.weight * terms[prior.name]
        unknowns = [self.images[turn], *self.logits]
        for unknown, gradient in zip(unknowns, torch.autograd.grad(self.recipe.scale * total, unknowns), strict=True):
            unknown.grad = gradient
        self.images[turn].grad = signed(unknowns[0].grad, self.recipe.sign, done)
        losses = {"total": total.item(), **{name: term.item() for name, term in terms.items()}}
        evaluations.append(losses)
        if losses["total"] < self.best["total"]:
            self.best = losses
            self.best_images, self.best_labels = images.detach().clone(), self.hard_labels()
        return self.recipe.scale * losses["total"]

    def batch_images(self) -> Tensor:
        return self.images[0] if len(self.images) == 1 else torch.cat(self.images)

    def soft_labels(self) -> Tensor:
        """(B,) class indices where they are known or restored, else (B, K) probabilities to be searched."""
        return F.softmax(self.logits[0], dim=-1) if self.known_labels is None else self.known_labels

    def hard_labels(self) -> Tensor:
        """(B,) class indices."""
        return self.logits[0].detach().argmax(-1) if self.known_labels is None else self.known_labels

    def step(self, iteration: int, lost: bool) -> Step:
        return Step(
            iteration=iteration,
            iterations=self.recipe.iterations,
            losses=self.losses,
            best=self.best,
            images=self.best_images.clamp(0, 1),
            labels=self.best_labels,
            dropped=int(lost),
        )


def objective(seen: Observation, distance: Distance) -> Callable[[Batch, bool], Tensor]:
    """What is to become small: the distance between what the client would send of a batch and what it sent.

    The function returned takes the batch and whether to keep the graph; several rounds are summed.
    """
    rounds = [(exchanged.model, distance(exchanged.update)) for exchanged in seen.rounds]

    def of(batch: Batch, differentiable: bool) -> Tensor:
        terms = [
            measure(seen.expect(seen.rule(model, batch, differentiable=differentiable))) for model, measure in rounds
        ]
        return terms[0] if len(terms) == 1 else torch.stack(terms).sum()

    return of


def mismatch(seen: Observation, distance: Distance, batch: Batch) -> float:
    """The objective at ``batch``, without priors."""
    return objective(seen, distance)(batch, False).item()


def signed(gradient: Tensor | None, sign: Literal["none", "hard", "soft"], done: float) -> Tensor | None:
    """The image gradient as the optimizer is to see it; "soft" is tanh(a g) / a with a falling from 1 to 0."""
    if gradient is None or sign == "none":
        return gradient
    sharpness = max(1 - done, 1e-6)
    return gradient.sign() if sign == "hard" else (sharpness * gradient).tanh() / sharpness
