"""Which rows of a first layer's gradient saw a single image of the batch, and which images those are.

A row of a batch is a mixture of the images for which its neuron is active; with one such image it is that image.
Imports torch: only for use inside ``run``. R rows are R neurons, n = C·H·W pixels.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ...types import UNKNOWN, Observation, Step, Table
from ..inversion import only_step
from .explanation import labels_that_fit
from .first_layer import Rows, common_input

SAME = 1e-12
"""Rows whose cosine is within this of 1 hold the same image. Rounding leaves less than 1e-13; rows that mix two similar
images of one class in similar shares can come as close as 1e-6."""
ENOUGH = 3
"""Rows that have to agree: among hundreds that mix the same two images, some two are in the same shares by chance."""
OUTSIDE = 0.01
"""How far the pixels of an image may lie outside [0, 1] because of rounding; mixtures often lie further."""
ALIKE = 1e-3
"""An unconfirmed image this close, in mean squared error, to one already found is taken for a blurred copy of it."""
EQUAL = 1e-8
"""Confirmed images this close are the same."""
SHOWN = 20


@dataclass(frozen=True)
class Found:
    """An image that some rows hold."""

    image: Tensor
    """(C, H, W), in [0, 1] up to ``OUTSIDE``."""
    rows: int
    """How many rows agree on it."""
    label: int
    """The class with which it explains the signal of its strongest row; UNKNOWN if none does."""

    @property
    def evidence(self) -> tuple[bool, int]:
        """More is surer: a mixture does not explain a signal, and rows do not agree on one."""
        return self.rows >= ENOUGH or self.label != UNKNOWN, self.rows

    @property
    def confirmed(self) -> bool:
        return self.evidence[0]


def surest(found: Iterable[Found], most: int) -> list[Found]:
    """At most ``most`` different images, those first that most speaks for."""
    kept: list[Found] = []
    for candidate in sorted(found, key=lambda f: f.evidence, reverse=True):
        nearest = min((float((candidate.image - other.image).square().mean()) for other in kept), default=1.0)
        if len(kept) < most and nearest > (EQUAL if candidate.confirmed else ALIKE):
            kept.append(candidate)
    return kept


def step_of(seen: Observation, found: list[Found], *tables: Table) -> Step:
    """The images as the only step of an attack; further ones stay gray."""
    like = seen.rounds[0].update[0]
    images = torch.stack([f.image for f in found]) if found else torch.zeros(0, *seen.image_shape)
    labels = torch.full((seen.batch_size,), UNKNOWN)
    labels[: len(found)] = torch.tensor([f.label for f in found], dtype=labels.dtype)
    return only_step(seen, images.to(like), labels.to(like.device), tables=tables)


def isolated(rows: Rows, batch_size: int) -> list[Found]:
    """What could be an image: the rows that agree, or a row alone, and lie in the range of pixels.

    Without a bias only agreement counts, since any row can be scaled into the range.
    """
    images, groups = [], []
    for members in agreeing(rows):
        bias = None if rows.bias is None else rows.bias[members]
        image = rows.layer.pixels(common_input(rows.layer, rows.weight[members], bias))[0]
        inside = float(image.min()) >= -OUTSIDE and float(image.max()) <= 1 + OUTSIDE
        if inside and (bias is not None or len(members) > 1):
            images.append(image)
            groups.append(members)
    if not images:
        return []
    labels = torch.full((len(images),), UNKNOWN)
    if rows.bias is not None:
        strongest = torch.stack([members[0] for members in groups])
        pictures = torch.stack(images).clamp(0, 1).to(rows.layer.linear.weight)
        signals = rows.bias[strongest]
        labels = labels_that_fit(rows.model, rows.layer.linear, pictures, strongest, signals, batch_size)
    return [Found(*found) for found in zip(images, map(len, groups), labels.tolist(), strict=True)]


def agreeing(rows: Rows) -> list[Tensor]:
    """Indices of the rows that hold the same vector, one tensor per vector, strongest rows first; silent rows left out.

    The sign of a row is that of its bias; without a bias opposite rows agree too.
    """
    weight, bias = rows.weight, rows.bias
    order = rows.strength.argsort(descending=True)
    order = order[rows.strength[order] > 0]
    directions = normalize(weight[order] if bias is None else weight[order] * bias[order, None].sign(), dim=1)
    cosines = directions @ directions.T
    same = (cosines.abs() if bias is None else cosines) > 1 - SAME
    groups, left = [], torch.ones(len(order), dtype=torch.bool, device=weight.device)
    for row in range(len(order)):
        if left[row]:
            members = same[row] & left
            members[row] = True  # also where a row of zeros agrees with nothing
            groups.append(order[members])
            left &= ~members
    return groups


def confidence(found: list[Found], batch_size: int, note: str) -> Table:
    """What each image rests on."""
    lines = tuple((i + 1, f.rows, reason(f)) for i, f in enumerate(found[:SHOWN]))
    summary = f"{sum(f.confirmed for f in found)} of {batch_size} images are confirmed."
    return Table(
        "How sure each image is", ("Found as", "Rows that agree", "Confidence"), lines, f"{summary} {note}".strip()
    )


def reason(found: Found) -> str:
    if found.confirmed:
        reasons = [*["rows agree"][: found.rows >= ENOUGH], *["a label fits"][: found.label != UNKNOWN]]
        return f"confirmed: {' and '.join(reasons)}"
    return "likely: two rows agree" if found.rows > 1 else "open: this image or a mixture"
