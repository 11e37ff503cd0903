"""What a layer's gradient mixes, and how it is prepared to be unmixed. Imports torch: only for use inside ``run``.

M rows are M neurons, n what one image gives the layer, R sources.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ...models import classifier
from ...types import Observation, Table
from .embeddings import Embedding
from .first_layer import FirstLayer, fill_range, first_layer, rows
from .source_separation import (
    Refined,
    Term,
    correlation,
    fast_ica,
    largest_fit,
    negentropy,
    refine,
    scaled_by_sums,
    whitening,
)

if TYPE_CHECKING:
    from .cocktail_party import CocktailParty


@dataclass(frozen=True)
class Mixed:
    """Rows that mix what one layer received of each image. M rows, n entries each."""

    rows: Tensor
    """(M, n) float64."""
    sums: Tensor | None
    """(M,) float64: the sum of the weights with which a row mixes the images, which is its bias gradient."""
    layer: FirstLayer | None
    """The layer where its input are the images, None where they are embeddings."""

    def signed(self, unmixing: Tensor) -> Tensor:
        """(R, M) to the sources (R, n) with the sign, and where there is a bias the scale, that they entered with.

        Without a bias an embedding gets the sign that leaves it more positive.
        """
        sources = unmixing @ self.rows
        sums = sources.mean(dim=1) if self.sums is None else unmixing @ self.sums
        return scaled_by_sums(sources, sums)

    def developed(self, unmixing: Tensor) -> Tensor:
        """(R, M) to images (R, C, H, W).

        Without a bias each spans the most of [0, 1]. With one the scale is known, but where two images mix in almost
        opposite ways an error makes it too large: an image is shrunk until 99 % of its pixels lie in [0, 1].
        """
        assert self.layer is not None
        if self.sums is None:
            return torch.cat([self.layer.pixels(fill_range(self.layer, source)) for source in unmixing @ self.rows])
        sources = self.signed(unmixing)
        low, high = -self.layer.mean / self.layer.std, (1 - self.layer.mean) / self.layer.std
        fit = largest_fit(sources, low, high, tolerated=0.01).clamp_max(1)
        return self.layer.pixels(sources * fit[:, None])


class Separation:
    """The mixtures' features made uncorrelated, and the start of the unmixing."""

    def __init__(self, attack: CocktailParty, features: Tensor, count: int) -> None:
        self.attack = attack
        self.whitener, self.spread = whitening(features, count)
        """(R, M), and the largest over the smallest eigenvalue."""
        self.features, self.wanted = self.whitener @ features, count

    @property
    def found(self) -> int:
        """R, the sources that can be told apart."""
        return len(self.whitener)

    def refine(self, terms: tuple[Term, ...]) -> Iterator[Refined]:
        ours = self.attack
        apart = Term(
            "correlation", ours.decorrelation_weight, lambda rows: correlation(rows, ours.decorrelation_sharpness)
        )
        start, all_terms = torch.eye(self.found).to(self.features), (apart, *terms)
        if ours.contrast:
            start = fast_ica(self.features)
            all_terms = (Term("contrast", -1.0, lambda rows: negentropy(rows @ self.features)), *all_terms)
        return refine(start, all_terms, lr=ours.lr, iterations=ours.iterations)

    def tables(self, mixed: Mixed) -> tuple[Table, ...]:
        scale = "the bias gradient" if mixed.sums is not None else "the range of values"
        lines = (
            ("what the layer receives", "images" if mixed.layer else "embeddings"),
            ("mixtures", len(mixed.rows)),
            ("sources told apart", self.found),
            ("images in the batch", self.wanted),
            ("largest over smallest eigenvalue", self.spread if self.found else None),
            ("sign and scale from", scale),
        )
        note = (
            "Each row of the layer's gradient is one mixture. Where fewer sources than images can be told apart, some "
            "images left no trace, or noise or pruning hides them; a large ratio of eigenvalues amplifies noise."
        )
        return (Table("What was separated", ("", "value"), lines, note),)


def images_mixed(seen: Observation) -> Mixed | None:
    """The first layer's rows of all rounds, or None where it does not see all pixels.

    Raises ValueError where they are fewer than the images.
    """
    try:
        layer = first_layer(seen.rounds[0].model, seen.image_shape)
    except ValueError:
        return None
    parts = [rows(seen, one.model, one.update) for one in seen.rounds]
    refuse_too_many(seen.batch_size, capacity(layer.linear, seen.rounds[0].model, rounds=len(parts)))
    sums = [part.bias for part in parts if part.bias is not None]
    return Mixed(torch.cat([part.weight for part in parts]), torch.cat(sums) if sums else None, layer)


def embeddings_mixed(seen: Observation, embedding: Embedding) -> Mixed:
    """The rows of the layer that receives ``embedding``, of the first round: later models embed in another way.

    Raises ValueError where they are fewer than the images.
    """
    model, update = seen.rounds[0].model, seen.rounds[0].update
    linear = embedding.layer(model)
    refuse_too_many(seen.batch_size, capacity(linear, model))
    sent = {id(parameter): u.double() for parameter, u in zip(model.parameters(), update, strict=True)}
    return Mixed(sent[id(linear.weight)], None if linear.bias is None else sent[id(linear.bias)], None)


def capacity(linear: nn.Linear, model: nn.Module, *, rounds: int = 1) -> int:
    """How many images the layer's rows can tell apart: one less for scores, whose gradients add up to zero."""
    return min(rounds * (linear.out_features - (linear is classifier(model))), linear.in_features)


def refuse_too_many(batch_size: int, most: int) -> None:
    if batch_size > most:
        raise ValueError(
            f"The first fully connected layer of this model can tell at most {most} images apart; choose a batch of at "
            "most that size, or a model with a wider layer."
        )
