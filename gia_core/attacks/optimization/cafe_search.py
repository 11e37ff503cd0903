"""CAFE's third step: the pixels that agree with every round, and with what was solved for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...models.parties import SplitNetwork
from ...types import UNKNOWN, Batch, Observation, Round, Step
from ..matching.distances import squared_l2
from ..matching.image_priors import total_variation
from ..matching.schedules import factor
from ..matching.starts import dummy_images
from .incidence import Inputs, incidence, separated_inputs

if TYPE_CHECKING:
    from .cafe import CAFE

BETAS = (0.9, 0.999)
"""Adam's, as its authors chose them and CAFE uses them."""

Terms = dict[str, Tensor]


class Search:
    """Visits the rounds in turn; a visit moves the images that took part."""

    def __init__(self, seen: Observation, attack: CAFE, rng: torch.Generator) -> None:
        if not all(entry.isfinite().all() for exchanged in seen.rounds for entry in exchanged.update):
            raise ValueError("An update holds numbers that are not finite; choose another model, seed or defense.")
        if attack.labels == "known" and seen.labels is None:
            raise ValueError("The labels are not known to this attacker; grant them, or let CAFE search them.")
        self.seen, self.attack = seen, attack
        self.targets, table = separated_inputs(seen, split(seen.rounds[0].model).first_layers())
        self.tables = (table,)
        self.units = distances_from_gray(seen, self.targets)
        self.weights = {
            "matching": attack.matching_weight,
            "features": attack.feature_weight,
            "total variation": attack.tv_weight,
        }
        self.took_part = (incidence(seen).sum(dim=0) > 0).to(seen.device)
        start = dummy_images(attack.start, (seen.batch_size, *seen.image_shape), rng).clamp(0, 1).to(seen.device)
        self.images = PerImageAdam(torch.where(self.took_part[:, None, None, None], start, 0.5))
        self.known_labels = None if attack.labels == "joint" else seen.labels
        self.logits = PerImageAdam(torch.randn(seen.batch_size, seen.num_classes, generator=rng).to(seen.device))

    def steps(self) -> Iterator[Step]:
        """One step per visit; the images are those with the lowest mean over all rounds, taken once per turn."""
        rounds, iterations = self.seen.rounds, self.attack.iterations
        best, images, labels = self.mean_losses(), self.images.values.clone(), self.hard_labels()
        for iteration in range(1, iterations + 1):
            rate = factor(self.attack.schedule, (iteration - 1) / iterations)
            terms = self.visit(rounds[(iteration - 1) % len(rounds)], rate * self.attack.lr)
            if iteration % len(rounds) == 0 or iteration == iterations:
                losses = self.mean_losses()
                if losses["total"] < best["total"]:
                    best, images, labels = losses, self.images.values.clone(), self.hard_labels()
            yield Step(
                iteration=iteration,
                iterations=iterations,
                losses=self.losses(terms),
                best=best,
                images=images,
                labels=labels,
                weighted={name: self.weights[name] * term.item() for name, term in terms.items()},
                tables=self.tables,
            )

    def visit(self, exchanged: Round, lr: float) -> Terms:
        """Move the images of one round, and where the labels are searched, those too; the terms before the move."""
        chosen = participants(exchanged, self.seen)
        images = self.images.values[chosen].requires_grad_()
        logits = self.logits.values[chosen].requires_grad_()
        searched = {"images": (self.images, images)}
        if self.known_labels is None:
            searched["labels"] = (self.logits, logits)
        terms = self.terms(exchanged, chosen, images, self.soft_labels(chosen, logits), differentiable=True)
        gradients = torch.autograd.grad(self.total(terms), [unknown for _, unknown in searched.values()])
        for (variable, _), gradient in zip(searched.values(), gradients, strict=True):
            variable.move(chosen, gradient, lr)
        self.images.values.clamp_(0, 1)
        return terms

    def terms(self, exchanged: Round, chosen: Tensor, images: Tensor, labels: Tensor, *, differentiable: bool) -> Terms:
        """What one round says of its images (K, C, H, W), which are those at ``chosen`` (K,) of all."""
        among_themselves = replace(exchanged, indices=None)
        update = self.seen.simulated(among_themselves, Batch(images, labels), differentiable=differentiable)
        received = split(exchanged.model).first_inputs(images)
        return {
            "matching": squared_l2(exchanged.compared(exchanged.update))(update),
            "features": self.feature_distance(received, chosen),
            "total variation": F.relu(torch.vmap(total_variation)(images) - self.attack.tv_threshold).mean(),
        }

    def feature_distance(self, received: list[Tensor], chosen: Tensor) -> Tensor:
        """Mean squared distance of the first layers' inputs to the targets: 1 for gray images, 0 where unknown."""
        distances = [
            (features - target.values[chosen]).square().sum(dim=1) / unit * target.found[chosen]
            for features, target, unit in zip(received, self.targets, self.units, strict=True)
        ]
        return torch.stack(distances).mean()

    def total(self, terms: Terms) -> Tensor:
        return torch.stack([self.weights[name] * term for name, term in terms.items()]).sum()

    def losses(self, terms: Terms) -> dict[str, float]:
        return {"total": self.total(terms).item(), **{name: term.item() for name, term in terms.items()}}

    def mean_losses(self) -> dict[str, float]:
        """At the present images, mean over all rounds."""
        every = []
        for exchanged in self.seen.rounds:
            chosen = participants(exchanged, self.seen)
            labels = self.soft_labels(chosen, self.logits.values[chosen])
            terms = self.terms(exchanged, chosen, self.images.values[chosen], labels, differentiable=False)
            every.append(self.losses(terms))
        return {name: sum(losses[name] for losses in every) / len(every) for name in every[0]}

    def soft_labels(self, chosen: Tensor, logits: Tensor) -> Tensor:
        """(K,) class indices where they are known, else (K, classes) probabilities."""
        return F.softmax(logits, dim=-1) if self.known_labels is None else self.known_labels[chosen]

    def hard_labels(self) -> Tensor:
        """(N,) class indices, UNKNOWN for images of which no round says anything."""
        if self.known_labels is not None:
            return self.known_labels
        return torch.where(self.took_part, self.logits.values.argmax(dim=-1), UNKNOWN)


class PerImageAdam:
    """Adam (Kingma and Ba, ICLR 2015) for values of which only some images' are moved at a time.

    Moments and number of steps are each image's own, so that the bias correction is right for rarely visited ones.
    """

    def __init__(self, values: Tensor) -> None:
        self.values = values
        self.first, self.second = torch.zeros_like(values), torch.zeros_like(values)
        self.steps = torch.zeros([len(values)] + [1] * (values.ndim - 1), device=values.device)

    def move(self, chosen: Tensor, gradient: Tensor, lr: float) -> None:
        """One step of the images at ``chosen`` (K,), down their ``gradient`` (K, …)."""
        fast, slow = BETAS
        self.steps[chosen] += 1
        self.first[chosen] = fast * self.first[chosen] + (1 - fast) * gradient
        self.second[chosen] = slow * self.second[chosen] + (1 - slow) * gradient.square()
        first = self.first[chosen] / (1 - fast ** self.steps[chosen])
        second = self.second[chosen] / (1 - slow ** self.steps[chosen])
        self.values[chosen] -= lr * first / (second.sqrt() + 1e-8)


def mean_distance(seen: Observation, batch: Batch) -> float:
    """Squared distance of the gradients that ``batch`` would give, as a share of those seen; mean over the rounds."""
    distances = [
        squared_l2(exchanged.compared(exchanged.update))(seen.simulated(exchanged, batch)).item()
        for exchanged in seen.rounds
    ]
    return sum(distances) / len(distances)


def split(model: nn.Module) -> SplitNetwork:
    """The model as a network between parties. Raises ValueError where it is none."""
    if not isinstance(model, SplitNetwork):
        raise ValueError("CAFE needs a model that is split between parties; choose quadrants.")
    return model


def participants(exchanged: Round, seen: Observation) -> Tensor:
    """(K,) indices of the images that took part."""
    every = torch.arange(seen.batch_size, device=seen.device)
    return every if exchanged.indices is None else exchanged.indices


def distances_from_gray(seen: Observation, targets: list[Inputs]) -> list[float]:
    """For each party, the mean squared distance of a mid-gray image from the targets that were found."""
    gray = torch.full((1, *seen.image_shape), 0.5, device=seen.device)
    with torch.no_grad():
        received = split(seen.rounds[0].model).first_inputs(gray)
    rests = [target.values[target.found] - features for features, target in zip(received, targets, strict=True)]
    return [max(rest.square().sum(dim=1).mean().item(), 1e-12) if len(rest) else 1.0 for rest in rests]
