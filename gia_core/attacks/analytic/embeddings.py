"""The vectors that the first fully connected layer of a network receives, and images that cause given ones.

Imports torch: only for use inside ``run``. R images, d features of an embedding.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...types import Batch, Observation, Round, Step, Update, unchanged
from ..matching import Prior, Recipe, match_updates
from ..matching.distances import Mismatch
from ..matching.image_priors import total_variation


class Embedding:
    """What the first linear layer that receives one vector per image is given; a copy of the model computes it.

    It stands in for a client's rule, so that the search for images that match updates can match embeddings instead.
    Raises ValueError where the model has no such layer.
    """

    def __init__(self, model: nn.Module, image_shape: tuple[int, int, int]) -> None:
        self.model = copy.deepcopy(model)
        self.received: list[tuple[int, Tensor]] = []
        layers = [module for module in self.model.modules() if isinstance(module, nn.Linear)]
        for number, layer in enumerate(layers):
            layer.register_forward_pre_hook(partial(self.keep, number))
        self.of(next(model.parameters()).new_full((2, *image_shape), 0.5))
        numbers = [number for number, vectors in self.received if vectors.ndim == 2]
        if not numbers:
            raise ValueError("The model has no layer that receives one vector per image; choose another model.")
        self.number = numbers[0]

    def keep(self, number: int, layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self.received.append((number, inputs[0]))

    def of(self, images: Tensor) -> None:
        """Fill ``received`` anew."""
        self.received.clear()
        self.model(images)

    def __call__(self, model: nn.Module, batch: Batch, *, differentiable: bool = False) -> Update:
        """The embedding of each image, (d,), as one tensor each. ``model`` is not asked: the copy is."""
        with torch.set_grad_enabled(differentiable):
            self.of(batch.images)
        return tuple(next(vectors for number, vectors in self.received if number == self.number))

    def mean_gradient(self, update: Update, batch_size: int) -> Update:
        return update

    def local_steps(self, batch_size: int) -> int:
        return 1

    def layer(self, model: nn.Module) -> nn.Linear:
        """The same layer in ``model``."""
        return [module for module in model.modules() if isinstance(module, nn.Linear)][self.number]


def cosines(wanted: Update) -> Mismatch:
    """One minus the cosine between each embedding and the one wanted, the mean over images."""

    def distance(embeddings: Update) -> Tensor:
        return (1 - F.cosine_similarity(torch.stack(embeddings), torch.stack(wanted), dim=1)).mean()

    return distance


def invert(
    seen: Observation,
    embedding: Embedding,
    wanted: Tensor,
    *,
    iterations: int,
    lr: float,
    tv_weight: float,
    rng: torch.Generator,
) -> Iterator[Step]:
    """Search the images whose embeddings point where ``wanted`` (R, d) does; one step per iteration.

    Adam with a cosine schedule, boxed (Kariyappa et al., ICML 2023, section 5). The steps hold R images.
    """
    model = seen.rounds[0].model
    target = replace(
        seen,
        rounds=(Round(model, tuple(wanted.to(next(model.parameters())))),),
        rule=embedding,
        encoded_labels=unchanged,
        batch_size=len(wanted),
        labels=torch.zeros(len(wanted), dtype=torch.long, device=seen.device),  # embeddings do not depend on labels
    )
    recipe = Recipe(
        distance=cosines,
        optimizer=partial(torch.optim.Adam, lr=lr),
        iterations=iterations,
        labels="known",
        priors=(Prior("total variation", tv_weight, total_variation),),
        start="gray",
        schedule="cosine",
        boxed=True,
    )
    return match_updates(target, recipe, rng)
