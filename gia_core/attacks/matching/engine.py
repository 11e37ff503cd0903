"""The loop: change dummy images until the update they cause resembles the one observed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from ...types import Observation, Step
from ..labels.restore import restore_labels
from .recipe import Recipe
from .search import Search


def match_updates(seen: Observation, recipe: Recipe, rng: torch.Generator) -> Iterator[Step]:
    """Run the recipe's trials one after another; every step holds the best images of all trials so far.

    A seed whose loss is not finite, or that diverges, is given up and counted in ``Step.dropped``; a trial ends with
    its last seed. The attack ends as soon as a trial reaches the tolerance.
    """
    restored = restore_labels(recipe.labels, seen, rng)
    labels, tables = (None, ()) if restored is None else (restored.labels, restored.tables())
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
                tables=tables,
            )
        assert ours is not None  # a trial has at least one iteration
        leader, dropped = better(leader, ours, recipe.ranked_by), dropped + ours.dropped
        if leader.best["matching"] < recipe.tolerance:
            return


def better(leader: Step | None, step: Step, term: str) -> Step:
    """Of two trials, the one whose best images score lower in ``term``; infinity where nothing finite was seen."""
    return step if leader is None or step.best[term] < leader.best[term] else leader


class Trial:
    """One search from one random start, or from several at the same time that draw each other to their mean."""

    def __init__(self, seen: Observation, recipe: Recipe, labels: Tensor | None, rng: torch.Generator) -> None:
        self.recipe = recipe
        self.seeds = [Search(seen, recipe, labels, rng) for _ in range(recipe.seeds)]
        self.running = self.seeds
        self.consensus: Tensor | None = None

    def steps(self) -> Iterator[Step]:
        """One step per iteration, at least one; ends early where the trial is lost, done, or out of patience."""
        lowest, since_best = math.inf, 0
        for iteration in range(1, self.recipe.iterations + 1):
            self.agree(iteration)
            for seed in self.running:
                seed.iterate(iteration, self.consensus)
            self.running = [seed for seed in self.running if not seed.lost(iteration)]
            leader = min(self.seeds, key=lambda seed: seed.lowest)
            since_best = 0 if leader.lowest < lowest else since_best + 1
            lowest = leader.lowest
            yield self.step(leader, iteration)
            done = leader.best["matching"] < self.recipe.tolerance or 0 < self.recipe.patience <= since_best
            if done or not self.running:
                return

    def agree(self, iteration: int) -> None:
        """Take anew, where it is time, what the seeds that still run have in common."""
        agreement = self.recipe.agreement
        if agreement is not None and len(self.running) > 1 and agreement.due(iteration, self.recipe.iterations):
            with torch.no_grad():
                self.consensus = agreement.consensus(torch.stack([seed.batch_images() for seed in self.running]))

    def step(self, leader: Search, iteration: int) -> Step:
        """The state of the trial, as told by the seed that leads it."""
        return Step(
            iteration=iteration,
            iterations=self.recipe.iterations,
            losses=leader.losses,
            best=leader.best,
            images=leader.best_images.clamp(0, 1),
            labels=leader.best_labels,
            dropped=len(self.seeds) - len(self.running),
            weighted=leader.weighted(),
        )
