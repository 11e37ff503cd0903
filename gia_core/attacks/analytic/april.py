from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    """APRIL: solves a vision transformer's gradient for the one image behind it (Lu et al., CVPR 2022).

    The gradient of the learned positions is that of the tokens, and with it the gradient of weights that the tokens
    pass through becomes a linear equation for them. The paper takes the weights of the first attention, which must get
    the tokens as they are, and then inverts the patch embedding. Our own variant, the default, takes the weights of the
    patch embedding itself: its equation holds whatever the network does with the tokens, so standard transformers leak
    as well, and there is no second system whose errors multiply with those of the first. Either way the model's dim
    must be at least the number of patches, one more where LayerNorm follows; the paper's way it must also be at least
    the number of values in a patch.
    """

    name: Literal["april"] = "april"
    equations: Literal["embedding", "attention"] = "embedding"
    """Whose weights' gradient is solved: that of the patch embedding, which is steadier and works on every transformer
    with learned positions, or that of the first attention, as published, for a bare first block only."""
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
                "april's published equations need a first attention that gets the patches as they are, since LayerNorm "
                "and a path around it hide its gradient; set the model's first block to bare, or the equations to "
                "embedding.",
                where=("attack.equations", "attention"),
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
        image, systems = image_of(model, gradient, seen.image_shape, self.equations, self.rank_tolerance)
        images, labels = pixels(model, image).float().to(seen.device), seen.labels
        if systems[0].rank == 0:
            images = images[:0]
        elif labels is None:
            labels = idlg(*classifier_gradient(seen)).reshape(1)
        yield only_step(seen, images, labels, tables=(ranks(systems),))


def ranks(systems: Sequence[System]) -> Table:
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
        "The image is found in full where every rank equals the unknowns. For all patches the model's dim must be at "
        "least their number, one more where LayerNorm follows, for one patch the number of its values, and the "
        "gradients of the patches must differ: larger patches, dim or position scale help. Errors of the update grow "
        "at most by the product of the condition numbers.",
    )
