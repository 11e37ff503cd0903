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

    from .april_tokens import System


class APRIL(Inversion):
    """APRIL: solves the first attention of a vision transformer for its input, the patches (Lu et al., CVPR 2022).

    The gradient of the learned positions is that of the tokens, and with it the gradient of the attention's weights
    becomes a linear equation for the tokens (the paper's closed-form attack). The token that holds no patch is known
    and left out of the unknowns, which the paper does not do.
    """

    name: Literal["april"] = "april"
    rank_tolerance: float = Field(1e-6, ge=1e-14, lt=1)
    """Singular values of the equations below this share of the largest count as zero; what only they tell is left out.
    Updates in 32 bits drown what is below 0.000001 in rounding errors; against noise, more is steadier."""

    needs: ClassVar[Needs] = Needs(
        batch_size=1,
        models=("vit",),
        conditions=(
            Condition(
                "model.first_block",
                ("bare",),
                "april needs a first attention that gets the patches as they are, since LayerNorm and a path around it "
                "hide its gradient; set the model's first block to bare.",
            ),
            one_gradient("april"),
        ),
    )

    def run(self, seen: Observation, rng: torch.Generator) -> Iterator[Step]:
        """Raises ValueError where the batch has several images, the model is no such transformer, or the update is not
        finite.
        """
        from ..labels.evidence import classifier_gradient
        from ..labels.idlg import idlg
        from .april_tokens import image_of, pixels

        gradient = gradient_of_one_image("april", seen)
        model = seen.rounds[0].model
        image, systems = image_of(model, gradient, seen.image_shape, self.rank_tolerance)
        images, labels = pixels(model, image).float().to(seen.device), seen.labels
        if systems[0].rank == 0:
            images = images[:0]
        elif labels is None:
            labels = idlg(*classifier_gradient(seen)).reshape(1)
        yield only_step(seen, images, labels, tables=(ranks(systems),))


def ranks(systems: tuple[System, ...]) -> Table:
    rows = tuple(
        (
            system.unknown,
            system.equations,
            system.unknowns,
            system.rank,
            None if system.condition is None else float(f"{system.condition:.2g}"),
            "nothing"
            if system.rank == system.unknowns
            else f"{system.unknowns - system.rank} of {system.unknowns} directions cannot be told",
        )
        for system in systems
    )
    return Table(
        "What the equations decide",
        ("Solved for", "Equations", "Unknowns", "Rank", "Condition number", "What is lost"),
        rows,
        "The image is found in full where both ranks equal the unknowns. For that the model's dim must be at least "
        "the number of patches, and of numbers in a patch, and the gradients of the patches must differ: larger "
        "patches, dim or position scale help. Errors of the update grow at most by both condition numbers.",
    )
