from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from ...component import Condition, Needs
from ...types import Observation, Step, Table
from ..inversion import Inversion

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from .first_layer import FirstLayer
    from .traps import Tuning


class TrapWeights(Inversion):
    """Trap weights: a first layer whose neurons fire for few images each (Boenisch et al., EuroS&P 2023).

    Half of a neuron's weights are negative, the other half are the same in positive and a little smaller, so that most
    images keep it silent; a neuron that fires for one image of the batch gives it away. This works on pixels that are
    never negative: where the model normalizes its input, the weights take that back.
    """

    name: Literal["trap-weights"] = "trap-weights"
    scale: float | None = Field(None, gt=0, lt=1)
    """How large the positive weights are compared with the negative ones. Empty: the scale that gives away the most
    images of a batch, tried out on the public images where they are granted, else computed for typical pictures."""

    needs: ClassVar[Needs] = Needs(
        models=("mlp",),
        clients=("fedsgd", "fedavg"),
        knowledge=("malicious_server",),
        conditions=(
            Condition(
                field="model.activation",
                among=("relu",),
                because="trap-weights needs neurons that are silent below zero; choose the activation relu.",
            ),
        ),
    )

    def run(self, seen: Observation, rng: torch.Generator) -> Iterator[Step]:
        """Raises ValueError where no queries are granted, or the first layer does not see all pixels with a bias."""
        from .first_layer import first_layer, rows
        from .isolation import confidence, isolated, step_of, surest
        from .traps import mirrored_rows, scaled, trapped, tuned

        if seen.query is None:
            raise ValueError("trap-weights needs a server that may send a tampered model; grant a malicious server.")
        model = seen.rounds[0].model
        layer = first_layer(model, seen.image_shape)
        if layer.linear.bias is None:
            raise ValueError("trap-weights needs a first layer with a bias; choose the model mlp.")
        mirrored = mirrored_rows(layer.linear.out_features, layer.linear.in_features, rng).to(layer.linear.weight)
        tuning = tuned(self.scale, mirrored, seen.public, seen.batch_size, rng)
        bait = trapped(model, layer, scaled(mirrored, tuning.scale))
        caught = rows(seen, bait, seen.query(bait))
        found = surest(isolated(caught, seen.batch_size), seen.batch_size)
        fired = rows_that_fired(seen, tuning, caught.strength, sum(f.confirmed for f in found))
        yield step_of(seen, found, fired, confidence(found, seen.batch_size, ""), changes(caught.layer, tuning))


def rows_that_fired(seen: Observation, tuning: Tuning, strength: Tensor, found: int) -> Table:
    """The rule's forecast beside what the gradient shows; None where that cannot be told."""
    silent = float((strength == 0).double().mean())
    firing = 1 - silent ** (1 / seen.batch_size) if silent else None
    lines = (
        ("Share of the images for which a row fires", rounded(tuning.firing), rounded(firing)),
        ("Share of the rows that stay silent", rounded(tuning.silent), rounded(silent)),
        ("Images that a row has for itself", round(tuning.distinct, 1), found),
    )
    known = "public images" if seen.public is not None else "typical pictures"
    note = f"The forecast is that for {known}. Dark pictures rich in contrast fire many rows and hide the others."
    return Table("How the traps worked", ("What", "Forecast", "Measured"), lines, note)


def changes(layer: FirstLayer, tuning: Tuning) -> Table:
    """What a client could notice."""
    weights = layer.linear.weight
    lines = (
        ("Rows of the first layer set", len(weights)),
        ("Parameters set", weights.numel() + len(weights)),
        ("Layers or parameters added", 0),
        ("Positive weights over negative ones", rounded(tuning.scale)),
    )
    note = "In every row the negative weights outweigh the positive ones, which weights drawn at random do not."
    return Table("What the server changed", ("What", "Value"), lines, note)


def rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
