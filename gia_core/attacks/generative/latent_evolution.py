"""GGL's loop (Li et al., CVPR 2022, algorithm 1): ask for codes, draw, compare, tell."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...priors.generator import Generator
from ...types import Observation, Step
from ..labels.restored import RestoredLabels
from ..matching.distances import squared_l2
from .evolution import CMAES
from .population import population_objective

if TYPE_CHECKING:
    from .ggl import GGL


def evolved(
    attack: GGL, seen: Observation, generator: Generator, restored: RestoredLabels, rng: torch.Generator
) -> Iterator[Step]:
    """One step per generation.

    The paper divides the squared distance by the number of tensors, ``squared_l2`` by the observed update's squared
    norm: a constant factor, which changes nothing but the meaning of ``code_weight``.
    """
    matching = population_objective(seen, squared_l2)
    asked = restored.labels.expand(attack.population) if generator.num_classes == seen.num_classes else None
    size = math.prod(generator.latent_shape)
    search = CMAES(torch.zeros(size), attack.step_size, population=attack.population, rng=rng)
    weights = {"matching": 1.0, "code": attack.code_weight}
    best = dict.fromkeys(("total", *weights), math.inf)
    images, dropped = torch.full((1, *seen.image_shape), 0.5, device=seen.device), 0
    for iteration in range(1, attack.iterations + 1):
        asked_codes = search.ask()
        codes = asked_codes.float().to(seen.device)
        drawn = draw(generator, codes.tanh() if attack.squash else codes, asked)
        terms = {"matching": matching(drawn, restored.labels), "code": codes.square().mean(1)}
        total = torch.stack([weights[name] * term for name, term in terms.items()]).sum(0)
        search.tell(asked_codes, total)
        dropped += int((~total.isfinite()).sum())
        leader = int(total.nan_to_num(math.inf).argmin())
        losses = {"total": total[leader].item(), **{name: term[leader].item() for name, term in terms.items()}}
        if losses["total"] < best["total"]:
            best, images = losses, drawn[leader : leader + 1]
        yield Step(
            iteration=iteration,
            iterations=attack.iterations,
            losses=losses,
            best=best,
            images=images,
            labels=restored.labels,
            dropped=dropped,
            weighted={name: weight * losses[name] for name, weight in weights.items()},
            tables=restored.tables(),
        )


def draw(generator: Generator, codes: Tensor, labels: Tensor | None) -> Tensor:
    """(P, C, H, W) of codes (P, n)."""
    with torch.no_grad():
        drawn: Tensor = generator(codes.unflatten(1, generator.latent_shape), labels)
    return drawn
