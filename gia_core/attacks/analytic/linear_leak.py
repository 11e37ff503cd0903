from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from ...component import Needs
from ...types import Observation, Step, Table
from ..inversion import Inversion, only_step

if TYPE_CHECKING:
    import torch
    from torch import Tensor

MOST_ROWS = 4096
"""Rows of all rounds together that one image is computed from; more would only take memory."""


class LinearLeak(Inversion):
    """Linear leak: divides the first layer's weight gradient by its bias gradient (Phong et al., IEEE TIFS 2018).

    For one image the ratio is the image, exactly, however the gradient was scaled: clipping alone does not protect. In
    a batch every neuron that is active for a single image gives that image away; it is confirmed where other neurons
    agree, or where some label explains the strength of the neuron's signal.
    """

    name: Literal["linear-leak"] = "linear-leak"

    needs: ClassVar[Needs] = Needs(models=("mlp",), clients=("fedsgd", "fedavg"))

    def run(self, seen: Observation, rng: torch.Generator) -> Iterator[Step]:
        """Raises ValueError where the model's first layer does not see all pixels."""
        yield single(seen, rng) if seen.batch_size == 1 else several(seen)


def single(seen: Observation, rng: torch.Generator) -> Step:
    """The one image behind all rows, and its label."""
    import torch

    from .first_layer import common_input, label_of_one, rows

    first = rows(seen, seen.rounds[0].model, seen.rounds[0].update)
    used = seen.rounds[1 : max(1, MOST_ROWS // len(first.weight))]
    every = [first, *(rows(seen, r.model, r.update) for r in used)]
    weight = torch.cat([r.weight for r in every])
    bias = None if first.bias is None else torch.cat([r.bias for r in every if r.bias is not None])
    active = sum(int((r.strength > 0).sum()) for r in every)
    received = common_input(first.layer, weight, bias)
    images = first.layer.pixels(received)[: 1 if active else 0]
    # Of each row its part along the image: what is left fits no single image, whatever the length of the row.
    along = (weight @ received) / received.square().sum().clamp_min(1e-300)
    left = (weight - along[:, None] * received) * (weight != 0)
    lines = (
        ("Rows of the first layer, all rounds", len(weight)),
        ("Rows with a signal", active),
        ("Share of the gradient that one image does not explain", float(f"{left.norm() / weight.norm():.2g}")),
    )
    table = Table("What the first layer gave away", ("What", "Value"), lines[: 3 if active else 2], note_on(bias))
    labels, told = label_of_one(seen, rng)
    return only_step(seen, images.to(seen.rounds[0].update[0]), labels, tables=(table, *told))


def several(seen: Observation) -> Step:
    """The images that single neurons saw alone, in any round."""
    from .first_layer import rows
    from .isolation import confidence, isolated, step_of, surest

    every = [rows(seen, r.model, r.update) for r in seen.rounds]
    found = surest((one for r in every for one in isolated(r, seen.batch_size)), seen.batch_size)
    return step_of(seen, found, confidence(found, seen.batch_size, note_on(every[0].bias)))


def note_on(bias: Tensor | None) -> str:
    """What a reader has to know about the scale of the images."""
    if bias is None:
        return (
            "The layer has no bias, so brightness and contrast are unknown: each image is stretched over the range of "
            "pixels, and may be a negative."
        )
    return "The images have their true brightness: the ratio to the bias gradient cancels every scaling."
