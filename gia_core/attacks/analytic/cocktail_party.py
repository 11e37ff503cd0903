from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from ...component import Bound, Component, Needs, at
from ...types import Observation, Step
from ..inversion import Inversion, only_step

if TYPE_CHECKING:
    import torch

    from .mixtures import Mixed
    from .source_separation import Refined


def smaller_batch(spec: Component, classes: int | None) -> int | None:
    """The largest batch of which the layer tells all images apart, where this one is larger; else None.

    ``capacity`` in mixtures.py says the same of a network that was built; None also where K is not known.
    """
    images = at(spec, "images_attacked")
    if at(spec, "model.name") == "mlp":
        most = min(at(spec, "rounds") * at(spec, "model.width"), math.prod(at(spec, "dataset.image_shape")))
    elif classes is not None:
        most = classes - 1
    else:
        return None
    clients = images // at(spec, "batch_size")
    return max(1, most // clients) if images > most else None


class CocktailParty(Inversion):
    """Cocktail Party: unmixes a batch from one layer's gradient as voices are unmixed (Kariyappa et al., ICML 2023).

    Every row of a fully connected layer's weight gradient is a mixture of what the layer received, so independent
    component analysis finds the inputs: the images themselves where it is the first layer, else embeddings, for which
    images are then searched. Neither labels nor weights are needed for the separation. A convolutional model whose only
    fully connected layer is the classifier mixes images of one class almost alike, and gives away little this way.

    What it leaves open is the sign and scale of each source. The published figures choose them by the truth, and are
    higher for it; here they come from the bias gradient, in which every image has the same weight as in the weight
    gradient, or, without a bias, from the range of pixels. The released code also computes the contrast and then
    replaces it by 0; here it is used unless it is switched off.
    """

    needs: ClassVar[Needs] = Needs(
        conditions=(
            Bound(
                "batch_size",
                smaller_batch,
                "cocktail-party can tell no more images apart than the first fully connected layer has rows, one less "
                "where it is the classifier; take a smaller batch, or the model mlp with a wide first layer.",
            ),
        ),
    )

    name: Literal["cocktail-party"] = "cocktail-party"
    separated_by: Literal["differences", "pixels"] = "differences"
    """What has to be independent between images: the pixels themselves, as published, or the differences between
    neighboring pixels, which are sparse and hardly correlated, so that far more is recovered. Only for images."""
    contrast: bool = True
    """Start from FastICA and reward what is far from a normal distribution. Off, the search starts from uncorrelated
    mixtures and has only the other terms, as the released code does: it then takes many more iterations."""
    iterations: int = Field(1000, ge=1, le=1_000_000)
    """Adam steps on the unmixing; the paper takes 25,000."""
    lr: float = Field(1e-3, gt=0)
    """Adam's learning rate for the unmixing."""
    decorrelation_weight: float = Field(1.47, ge=0)
    """Weight of the term that keeps two sources from being the same."""
    decorrelation_sharpness: float = Field(12.4, gt=0, le=50)
    """How steeply that term grows with the correlation."""
    tv_weight: float = Field(3.1, ge=0)
    """Weight of the total variation of the separated images, each at unit contrast."""
    sparsity_weight: float = Field(0.0, ge=0)
    """Weight of the mean absolute value of separated embeddings, for layers that receive mostly zeros; the paper has 5
    after ReLU."""
    one_sign_weight: float = Field(0.13, ge=0)
    """Weight of the term that keeps separated embeddings from having both signs, as those after ReLU and sigmoid."""
    inversion_iterations: int = Field(1000, ge=1, le=1_000_000)
    """Adam steps that search an image for each embedding; the paper takes 25,000."""
    inversion_lr: float = Field(0.1, gt=0)
    """Adam's learning rate for these images."""
    inversion_tv_weight: float = Field(0.01, ge=0)
    """Weight of the total variation of these images."""

    def run(self, seen: Observation, rng: torch.Generator) -> Iterator[Step]:
        """Raises ValueError where the layer cannot tell so many images apart, or the model has no such layer."""
        from .mixtures import images_mixed

        mixed = images_mixed(seen)
        return self.unmix_images(seen, mixed) if mixed else self.unmix_embeddings(seen, rng)

    def unmix_images(self, seen: Observation, mixed: Mixed) -> Iterator[Step]:
        """A step per iteration of the refinement."""
        import torch

        from .mixtures import Separation
        from .source_separation import Term, centered, neighbor_differences

        assert mixed.layer is not None
        shape = mixed.layer.image_shape
        by_pixels = self.separated_by == "pixels" or max(shape[1:]) == 1
        features = centered(mixed.rows) if by_pixels else neighbor_differences(mixed.rows, shape)
        separation = Separation(self, features, seen.batch_size)
        differences = separation.whitener @ neighbor_differences(mixed.rows, shape)
        variation = Term("total variation", self.tv_weight, lambda rows: 2 * (rows @ differences).abs().mean())
        tables = separation.tables(mixed)
        if not separation.found:
            yield only_step(seen, torch.zeros(0, *shape).to(seen.rounds[0].update[0]), tables=tables)
            return
        held: Refined | None = None
        for number, refined in enumerate(separation.refine((variation,)), 1):
            if held is None or refined.unmixing is not held.unmixing:
                images = mixed.developed(refined.unmixing @ separation.whitener).to(seen.rounds[0].update[0])
            held = refined
            yield told(only_step(seen, images, tables=tables), refined, number, self.iterations)

    def unmix_embeddings(self, seen: Observation, rng: torch.Generator) -> Iterator[Step]:
        """A step per iteration of the refinement, which has no images yet, and of the search for images."""
        import torch

        from .embeddings import Embedding, invert
        from .mixtures import Separation, embeddings_mixed
        from .source_separation import Term, centered, one_signed

        embedding = Embedding(seen.rounds[0].model, seen.image_shape)
        mixed = embeddings_mixed(seen, embedding)
        separation = Separation(self, centered(mixed.rows), seen.batch_size)
        sources, tables = separation.whitener @ mixed.rows, separation.tables(mixed)
        nothing = only_step(seen, torch.zeros(0, *seen.image_shape).to(seen.rounds[0].update[0]), tables=tables)
        if not separation.found:
            yield nothing
            return
        terms = (
            Term("sparsity", self.sparsity_weight, lambda rows: (rows @ sources).abs().mean()),
            Term("one sign", self.one_sign_weight, lambda rows: one_signed(rows @ sources)),
        )
        total = self.iterations + self.inversion_iterations
        refined: Refined | None = None
        for number, refined in enumerate(separation.refine(terms), 1):
            yield told(nothing, refined, number, total)
        assert refined is not None  # there is at least one iteration
        steps = invert(
            seen,
            embedding,
            mixed.signed(refined.unmixing @ separation.whitener),
            iterations=self.inversion_iterations,
            lr=self.inversion_lr,
            tv_weight=self.inversion_tv_weight,
            rng=rng,
        )
        for step in steps:
            padded = only_step(seen, step.images, tables=tables)
            yield replace(
                step, images=padded.images, labels=padded.labels, tables=tables,
                iteration=self.iterations + step.iteration, iterations=total,
            )  # fmt: skip


def told(step: Step, refined: Refined, number: int, total: int) -> Step:
    """``step`` as that of one iteration of the refinement."""
    return replace(
        step,
        iteration=number,
        iterations=total,
        losses=refined.losses,
        best=refined.best,
        weighted=refined.weighted,
    )
