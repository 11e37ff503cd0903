"""What the experiments came to once, on one machine: numbers that come with GIA Lab, so that a lesson shows something
before anything has run. Written by ``benchmarks/theory.py --record``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Self, TypeVar

from pydantic import Field, ValidationError, model_validator

from ..component import Component
from ..sweep import Cell, SweepSpec
from .levels import Level, Sample

C = TypeVar("C", bound=Component)
SHIPPED = Path(__file__).parents[2] / "assets" / "theory"
GRADIENTS = "gradients"
"""The name under which Proposition 1's measurements are kept; sweeps are kept under those of their experiments."""
DIGITS = 4
"""Of a number in a file."""


class RecordedLevel(Component):
    """One cell of a sweep."""

    cell: Cell
    """One value of each axis."""
    unknowns: int = Field(gt=0)
    """B·C·H·W."""
    errors: tuple[float, ...]
    """Mean squared error of each of the sweep's samples."""
    controls: dict[str, tuple[float, ...]]
    """The same of guesses that look at no update."""


class RecordedSweep(Component):
    """What came out of one sweep."""

    spec: SweepSpec
    """What was asked for."""
    provenance: dict[str, str | int | None]
    """Versions and processor."""
    seconds: float = Field(gt=0)
    """That all runs took, one after the other, on one core."""
    samples: tuple[Sample, ...]
    """Image and seed of every number in the levels."""
    recorded: tuple[RecordedLevel, ...]
    """In the order of the sweep's cells."""
    kappas: tuple[float, ...] = ()
    """Theorem 1's κ̂ of each level, the mean over the batches; only where rounds are varied."""

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        rows = [row for level in self.recorded for row in (level.errors, *level.controls.values())]
        if any(len(row) != len(self.samples) for row in rows):
            raise ValueError("Each level has one number for each sample.")
        return self

    @property
    def levels(self) -> list[Level]:
        return [
            Level(
                level.cell,
                level.unknowns,
                dict(zip(self.samples, level.errors, strict=True)),
                {name: dict(zip(self.samples, row, strict=True)) for name, row in level.controls.items()},
            )
            for level in self.recorded
        ]


class Checkpoint(Component):
    """The gradients of single images after some epochs of training."""

    epochs: int
    """Of training before."""
    median: float
    """Of 1 − cos over all pairs of images."""
    same_class: float
    """Of pairs of one class."""
    other_class: float
    """Of pairs of two classes."""
    norm: float
    """Median length of a gradient."""
    swapped: float
    """Median of 1 − cos between the gradients of two batches of four that differ in one image."""


class Consecutive(Component):
    """Two checkpoints compared, as Proposition 1 asks: is every image's gradient more crowded at the later one?"""

    earlier: int
    """Epochs."""
    later: int
    """Epochs."""
    more: float
    """Share of images and radii at which the later one has more neighbors."""
    as_many: float
    """Share at which both have as many."""
    fewer: float
    """Share at which the later one has fewer: the premise asks for 0."""
    ahead: float
    """One-sided Kolmogorov–Smirnov statistic."""
    behind: float
    """The same to the other side; 0 under stochastic dominance."""


class SharedLabel(Component):
    """Batches of four of which some images share a label."""

    sharing: int
    """Images with the same label; 0 where all are different."""
    psnr: float
    """Mean over the images."""
    images: int
    """Attacked."""


class RecordedGradients(Component):
    """What became of Proposition 1."""

    spec: SweepSpec
    """The sweep whose attacks are set beside the gradients."""
    provenance: dict[str, str | int | None]
    """Versions and processor."""
    seconds: float = Field(gt=0)
    """On one core, without the sweep."""
    images: int
    """Whose gradients were compared."""
    checkpoints: tuple[Checkpoint, ...]
    """In the order of training."""
    steps: tuple[Consecutive, ...]
    """From each checkpoint to the next one."""
    correlation: float | None
    """Spearman's ρ of an image's median distance and its PSNR, over all images and checkpoints."""
    partial: float | None
    """The same with the length of the gradient held fixed."""
    shared_labels: tuple[SharedLabel, ...]
    """In the order of how many share it."""


def as_recorded(levels: Sequence[Level]) -> tuple[tuple[Sample, ...], tuple[RecordedLevel, ...]]:
    """Levels as a file keeps them. Raises ValueError where they did not measure the same samples."""
    samples = tuple(sorted(levels[0].errors))
    if any(level.errors.keys() != set(samples) for level in levels):
        raise ValueError("The levels measured different images; only complete sweeps are kept.")
    return samples, tuple(
        RecordedLevel(
            cell=level.cell,
            unknowns=level.unknowns,
            errors=rounded(level.errors[sample] for sample in samples),
            controls={name: rounded(found[sample] for sample in samples) for name, found in level.controls.items()},
        )
        for level in levels
    )


def rounded(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(float(f"{value:.{DIGITS}g}") for value in values)


@cache
def sweep_of(name: str, folder: Path = SHIPPED) -> RecordedSweep | None:
    """What was recorded of an experiment; None where nothing was, or another version wrote it."""
    return read(RecordedSweep, folder / f"{name}.json")


@cache
def gradients(folder: Path = SHIPPED) -> RecordedGradients | None:
    """What was recorded of Proposition 1; None likewise."""
    return read(RecordedGradients, folder / f"{GRADIENTS}.json")


def read(kind: type[C], file: Path) -> C | None:
    try:
        return kind.model_validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return None


def write(outcome: RecordedSweep | RecordedGradients, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(outcome.model_dump_json() + "\n")
