"""Which images are the private batch, and why a choice may be impossible."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from ..types import Batch, LabeledImages
from .source import Source

if TYPE_CHECKING:
    import numpy as np
    import torch


class Choice(Protocol):
    """What a spec says about the private batch."""

    @property
    def labels(self) -> Literal["any", "different", "equal"]: ...
    @property
    def label(self) -> int | None: ...
    @property
    def indices(self) -> tuple[int, ...]: ...


def sample(victims: LabeledImages, batch_size: int, victim: Choice, rng: torch.Generator) -> Batch:
    """Draw the private batch without replacement. Raises ValueError with one sentence where that is impossible.

    A larger batch begins with the images of a smaller one from the same seed, except that for equal labels the size
    decides which classes are large enough.
    """
    import numpy as np

    if reason := impossible(np.bincount(victims.labels).tolist(), batch_size, victim):
        raise ValueError(reason)
    return read(victims, victim.indices or drawn(victims.labels, batch_size, victim, rng))


def read(victims: LabeledImages, indices: Sequence[int]) -> Batch:
    """The images with these numbers."""
    import numpy as np
    import torch

    images = torch.from_numpy(np.stack([victims.image(index) for index in indices]))
    labels = torch.from_numpy(victims.labels[list(indices)])
    return Batch(images.permute(0, 3, 1, 2).contiguous().float() / 255, labels)


def drawn(labels: np.ndarray, batch_size: int, victim: Choice, rng: torch.Generator) -> list[int]:
    """Indices in random order that fit the choice, which must be possible."""
    import numpy as np
    import torch

    order = torch.randperm(len(labels), generator=rng).numpy()
    if victim.labels == "different":
        order = order[np.sort(np.unique(labels[order], return_index=True)[1])]
    if victim.label is not None:
        order = order[labels[order] == victim.label]
    elif victim.labels == "equal":
        # The class of the first image in the random order whose class is large enough.
        large = np.bincount(labels)[labels[order]] >= batch_size
        order = order[labels[order] == labels[order][large][0]]
    return [int(index) for index in order[:batch_size]]


def objection(dataset: Source, batch_size: int, victim: Choice, home: Path) -> str | None:
    """Why this batch cannot be drawn, in one sentence, or None; known before the data set is opened, without torch."""
    try:
        return dataset.absent(home) or impossible(dataset.class_sizes(home), batch_size, victim)
    except ValueError as damage:
        return str(damage)


def impossible(sizes: Sequence[int], batch_size: int, victim: Choice) -> str | None:
    """Why no such batch exists in a data set with ``sizes`` images per class, or None."""
    if victim.indices:
        return wrong_indices(victim.indices, batch_size, sum(sizes))
    if victim.label is not None:
        return wrong_label(victim.label, batch_size, sizes, different=victim.labels == "different")
    if victim.labels == "different" and batch_size > (classes := sum(size > 0 for size in sizes)):
        return (
            f"All-different labels allow a batch of at most {classes}, one image of each class; choose a smaller one."
        )
    if victim.labels == "equal" and batch_size > (largest := max(sizes, default=0)):
        return f"Equal labels allow a batch of at most {largest}, the size of the largest class; choose a smaller one."
    if batch_size > sum(sizes):
        return f"This data set allows a batch of at most {sum(sizes)}; choose a smaller one."
    return None


def wrong_label(label: int, batch_size: int, sizes: Sequence[int], *, different: bool) -> str | None:
    if not 0 <= label < len(sizes):
        return f"There is no class {label}; the classes are numbered from 0 to {len(sizes) - 1}."
    if different and batch_size > 1:
        return "Images of one class cannot have all-different labels; give up one of the two choices."
    if batch_size > sizes[label]:
        return f"Class {label} allows a batch of at most {sizes[label]}; choose a smaller one."
    return None


def wrong_indices(indices: tuple[int, ...], batch_size: int, count: int) -> str | None:
    if len(indices) != batch_size:
        return f"A batch of {batch_size} takes as many image numbers, not {len(indices)}; give one for each image."
    if len(set(indices)) < len(indices):
        return "An image number is given twice; a batch holds every image at most once."
    if outside := [index for index in indices if not 0 <= index < count]:
        return f"There is no image {outside[0]}; the images are numbered from 0 to {count - 1}."
    return None
