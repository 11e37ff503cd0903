"""One seed: a batch of dummy images on its way from a random start to what resembles the private batch."""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ...types import Batch, Observation
from .candidate import Candidate, ContextPrior
from .consensus import aligned_mean
from .image_priors import median_filtered
from .objective import objective
from .recipe import Recipe
from .schedules import factor
from .starts import dummy_images

Losses = dict[str, float]


class Search:
    """The unknowns of one seed, the optimizers that move them, and the best they have been.

    Raises ValueError where every local epoch shall have images of its own, but there is only one.
    """

    def __init__(self, seen: Observation, recipe: Recipe, labels: Tensor | None, rng: torch.Generator) -> None:
        self.recipe, self.known_labels, self.rng, self.natural = recipe, labels, rng, seen.natural
        self.model, self.matching = seen.rounds[0].model, objective(seen, recipe.distance)
        self.epochs = local_epochs(seen) if recipe.epoch_copies else 1
        start = dummy_images(recipe.start, (self.epochs * seen.batch_size, *seen.image_shape), rng).to(seen.device)
        parts = start.split(1) if recipe.one_at_a_time else (start,)
        self.images = [part.clone().requires_grad_() for part in parts]
        self.logits: list[Tensor] = []
        if labels is None:
            logits = torch.randn(seen.batch_size, seen.num_classes, generator=rng)
            self.logits = [logits.to(seen.device).requires_grad_()]
        self.optimizers = [recipe.optimizer([image, *self.logits]) for image in self.images]
        self.weights = {"matching": recipe.gradient_weight} | {prior.name: prior.weight for prior in recipe.priors}
        self.moving = [p.name for p in recipe.priors if isinstance(p, ContextPrior) and not p.comparable]
        self.losses: Losses = {}
        self.first_total = math.nan
        self.best: Losses = dict.fromkeys(("total", *self.weights), math.inf)
        self.lowest = math.inf
        """The comparable part of ``best["total"]``."""
        self.best_images, self.best_labels = self.read_out(self.batch_images()), self.hard_labels()

    def iterate(self, iteration: int, consensus: Tensor | None) -> None:
        """Call the optimizer once, then put the images back to where they may be."""
        recipe, turn = self.recipe, (iteration - 1) % len(self.optimizers)
        optimizer = self.optimizers[turn]
        done = (iteration - 1) / recipe.iterations
        rate = factor(recipe.schedule, done) * min(1.0, iteration / (recipe.warmup + 1))
        for group in optimizer.param_groups:
            group["lr"] = optimizer.defaults["lr"] * rate
        evaluations: list[Losses] = []
        optimizer.step(lambda: self.evaluate(turn, done, consensus, evaluations))
        # L-BFGS evaluates the objective several times in one call; the first is where the iteration began.
        self.losses = evaluations[0]
        self.first_total = self.losses["total"] if iteration == 1 else self.first_total
        with torch.no_grad():
            for image in self.images:
                if recipe.noise:
                    langevin = torch.randn(image.shape, generator=self.rng).to(image)
                    image.add_(langevin, alpha=recipe.noise * optimizer.defaults["lr"] * rate)
                if recipe.median_filter_every and iteration % recipe.median_filter_every == 0:
                    image.copy_(median_filtered(image))
                if recipe.boxed:
                    image.clamp_(0, 1)

    def evaluate(self, turn: int, done: float, consensus: Tensor | None, evaluations: list[Losses]) -> float:
        """Compute the objective and its gradient at the current images, and keep them if they are the best so far."""
        images, labels = self.batch_images(), self.soft_labels()
        candidate = Candidate(images, labels, self.model, consensus, self.natural)
        terms = {"matching": self.distance(candidate)}
        terms |= {prior.name: prior.of(candidate) for prior in self.recipe.priors}
        total = sum((self.weights[name] * term for name, term in terms.items() if self.weights[name]), images.sum() * 0)
        unknowns = [self.images[turn], *self.logits]
        gradients = torch.autograd.grad(self.recipe.scale * total, unknowns, allow_unused=True, materialize_grads=True)
        for unknown, gradient in zip(unknowns, gradients, strict=True):
            unknown.grad = gradient
        self.images[turn].grad = signed(unknowns[0].grad, self.recipe.sign, done)
        losses = {"total": total.item(), **{name: term.item() for name, term in terms.items()}}
        evaluations.append(losses)
        comparable = losses["total"] - sum(self.weights[name] * losses[name] for name in self.moving)
        if comparable < self.lowest:
            self.lowest, self.best = comparable, losses
            self.best_images, self.best_labels = self.read_out(images), self.hard_labels()
        return self.recipe.scale * losses["total"]

    def distance(self, candidate: Candidate) -> Tensor:
        """Between the updates; without its slope where it has no weight."""
        images = candidate.images if self.epochs == 1 else candidate.epochs
        if not self.recipe.gradient_weight:
            return self.matching(Batch(images.detach(), candidate.labels.detach()), False)
        return self.matching(Batch(images, candidate.labels), True)

    def read_out(self, images: Tensor) -> Tensor:
        """(E · B, C, H, W) to the reconstruction (B, C, H, W), a copy."""
        images = images.detach()
        return images.clone() if self.epochs == 1 else aligned_mean(images.unflatten(0, (self.epochs, -1)))

    def lost(self, iteration: int) -> bool:
        """Whether the seed has diverged, or its loss is not finite."""
        total, recipe = self.losses["total"], self.recipe
        exploded = iteration > recipe.patience and total > recipe.divergence * self.first_total
        return exploded or not math.isfinite(total)

    def weighted(self) -> Losses:
        """What each term adds to the total."""
        return {name: weight * self.losses[name] if weight else 0.0 for name, weight in self.weights.items()}

    def batch_images(self) -> Tensor:
        return self.images[0] if len(self.images) == 1 else torch.cat(self.images)

    def soft_labels(self) -> Tensor:
        """(B,) class indices where they are known or restored, else (B, K) probabilities to be searched."""
        return F.softmax(self.logits[0], dim=-1) if self.known_labels is None else self.known_labels

    def hard_labels(self) -> Tensor:
        """(B,) class indices."""
        return self.logits[0].detach().argmax(-1) if self.known_labels is None else self.known_labels


def local_epochs(seen: Observation) -> int:
    """How often the client is believed to go through its batch. Raises ValueError for once."""
    epochs: int = getattr(seen.rule, "local_epochs", 1)  # only clients that train locally have any
    if epochs < 2:
        raise ValueError(
            "Images of their own for every epoch need a client that trains for several local epochs, as far as the "
            "attacker knows; choose FedAvg with 2 epochs or more, or switch them off."
        )
    return epochs


def signed(gradient: Tensor | None, sign: Literal["none", "hard", "soft"], done: float) -> Tensor | None:
    """The image gradient as the optimizer is to see it; "soft" is tanh(a g) / a with a falling from 1 to 0."""
    if gradient is None or sign == "none":
        return gradient
    sharpness = max(1 - done, 1e-6)
    return gradient.sign() if sign == "hard" else (sharpness * gradient).tanh() / sharpness
