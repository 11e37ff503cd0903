from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from ...component import Condition, Needs
from ...types import Observation, Step, Table
from ..inversion import Inversion, only_step
from .one_image import gradient_of_one_image, one_gradient

if TYPE_CHECKING:
    import torch

    from .r_gap_head import Candidate


class RGAP(Inversion):
    """R-GAP: solves one layer after the other for its input, from the scores back to the image (Zhu and Blaschko, ICLR
    2021).

    Each layer gives linear equations: what it put out, and what its weights' gradient adds up. Their ranks, told in a
    table, decide how much of the image can be had. Where the published code descends from zero to one solution of the
    last layer, every solution is followed back here and the one whose equations fit is taken, so images that the model
    classifies correctly are recovered too.
    """

    name: Literal["r-gap"] = "r-gap"
    rank_tolerance: float = Field(1e-10, ge=1e-14, lt=1)
    """Singular values of a layer's equations below this share of the largest count as zero; what only they tell is left
    out. More makes the answer steadier against noise, and coarser."""

    needs: ClassVar[Needs] = Needs(
        batch_size=1,
        models=("cnn6", "lenet", "mlp"),
        conditions=(
            Condition(
                "model.activation",
                ("leaky-relu", "sigmoid", "tanh", "elu"),
                "r-gap computes what an activation received from what it put out, which this one forbids; choose "
                "leaky-relu, sigmoid, tanh or elu.",
            ),
            one_gradient("r-gap"),
        ),
    )

    def run(self, seen: Observation, rng: torch.Generator) -> Iterator[Step]:
        """Raises ValueError where the batch has several images, the model is no chain of layers that can be undone, a
        layer is too large, or the update is not finite.
        """
        import torch

        from .r_gap_layers import chain
        from .r_gap_recursion import followed_back, likeliest

        gradient = gradient_of_one_image("r-gap", seen)
        network = chain(seen.rounds[0].model, gradient, seen.image_shape)
        label = None if seen.labels is None else int(seen.labels[0])
        found = followed_back(network, self.rank_tolerance, label)
        if not found:
            yield only_step(seen, torch.empty(0, *seen.image_shape, device=seen.device), tables=(NOTHING,))
            return
        taken, image = likeliest(found, network, seen.image_shape)
        labels = torch.tensor([taken.label], device=seen.device)
        tables = (ranks(taken), answers(found, taken))
        yield only_step(seen, image[None].float().to(seen.device), labels, tables=tables)


NOTHING = Table(
    "Nothing to solve",
    ("Layer", "Gradient"),
    (("classifier", 0.0),),
    "R-GAP starts at the gradient of the layer that scores the classes, and that is zero: nothing comes before it.",
)


def ranks(taken: Candidate) -> Table:
    rows = []
    for layer in reversed(taken.layers):
        missing = layer.unknowns - layer.rank
        cost = f"{missing} of {layer.unknowns} directions cannot be told" if missing else "nothing"
        condition = None if layer.condition is None else short(layer.condition)
        size = (layer.equations, layer.unknowns, layer.rank)
        rows.append((layer.name, *size, condition, short(layer.residual), cost))
    return Table(
        "What each layer's equations decide",
        ("Layer", "Equations", "Unknowns", "Rank", "Condition number", "Residual", "What is lost"),
        tuple(rows),
        "A layer's input is found in full where the rank equals the unknowns. Errors grow at most by the condition "
        "number, from each layer to the one before. A residual far above 0.0001 says that the update was changed, or "
        "that a layer further down lost something.",
    )


def answers(found: list[Candidate], taken: Candidate) -> Table:
    rows = tuple(
        (
            one.label,
            short(one.feature_norm),
            short(one.head_residual),
            short(one.residual),
            "taken" if one is taken else "",
        )
        for one in found[:20]
    )
    return Table(
        "Solutions of the last layer",
        ("Label", "Size of its input", "Residual there", "Residual of all layers", "Choice"),
        rows,
        "Without a bias a classifier's gradient can have several explanations, with two classes often. The one whose "
        "equations fit in all layers is taken; where several fit alike, the one that looks most like an image.",
    )


def short(number: float) -> float:
    """Two digits, which is all that a residual or a condition number means."""
    return float(f"{number:.2g}")
