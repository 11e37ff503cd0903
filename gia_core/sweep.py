"""Many runs from one setup: every combination of the values of one or two axes, with some images and seeds each; pure.

A sweep holds no results. Every one of its runs is an ordinary run, which `AuditSpec` describes in full.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Self, TypeAlias, TypeVar

from pydantic import Field, ValidationError, model_validator

from .attacks import Attack
from .clients import FedAvg
from .component import Component
from .defenses import Defense
from .spec import MAX_BATCH, AuditSpec, Victim, kinds

Value: TypeAlias = int | float | str
C = TypeVar("C", bound=Component)
Cell: TypeAlias = tuple[Value, ...]
"""One value of each axis, in order."""

MOST_VALUES = 12
"""Of one axis; more do not fit on a screen."""
MOST_RUNS = 1000
MAX_SEEDS = 50
"""In one cell."""
NO_DEFENSE = "none"
"""On the axis of defenses."""
LOCAL_STEPS = "local_steps"
"""The axis that makes the client train: so many steps of FedAvg on its whole batch."""


class Axis(Component):
    """What is varied, and the values that it takes."""

    of: str
    """A place in the spec: ``batch_size``, ``model.activation``, ``defenses.pruning.ratio``, …; or ``local_steps``."""
    values: tuple[Value, ...] = Field(min_length=1, max_length=MOST_VALUES)
    """Numbers, options, or names from a catalog; ``none`` is no defense."""

    @model_validator(mode="after")
    def _takes_every_value_once(self) -> Self:
        if len(set(self.values)) < len(self.values):
            raise ValueError("A value is given twice; give each one once.")
        return self


class SweepSpec(Component):
    """One setup, what is varied in it, and how many runs each combination gets."""

    setup: AuditSpec
    """What all runs share, as far as no axis varies it."""
    axes: tuple[Axis, ...] = Field(min_length=1, max_length=2)
    """One axis makes a curve, two make a heat map."""
    images: int | None = Field(None, ge=1, le=MAX_BATCH)
    """How many private images every cell attacks, the same ones in all cells, drawn from the whole data set: cut into
    batches, they make several runs of each seed. None attacks the one batch that the setup itself draws for a seed."""
    seeds: int = Field(1, ge=1, le=MAX_SEEDS)
    """How often each batch is attacked, with the setup's seed and the ones after it."""

    @model_validator(mode="after")
    def _is_one_sweep(self) -> Self:
        places = [axis.of for axis in self.axes]
        if len(set(places)) < len(places):
            raise ValueError("Both axes vary the same; choose another second axis.")
        if "seed" in places and self.seeds > 1:
            raise ValueError("An axis varies the seed, so each cell has one seed; set the seeds per cell to 1.")
        if self.images is None and self.most_runs > MOST_RUNS:
            raise ValueError(f"A sweep has at most {MOST_RUNS:,} runs; take fewer values or seeds.")
        return self

    @property
    def most_runs(self) -> int:
        """Cells times seeds, before images are cut into batches."""
        return len(self.cells) * self.seeds

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Every combination, the last axis fastest."""
        return tuple(product(*(axis.values for axis in self.axes)))


def key(cell: Cell) -> str:
    """How a cell is stored: it stays the same where a sweep is extended."""
    return json.dumps(list(cell))


@dataclass(frozen=True)
class Planned:
    """What a cell asks for."""

    cell: Cell
    specs: tuple[AuditSpec, ...]
    """Of its runs; empty where it is not applicable."""
    reason: str | None = None
    """Why it is not applicable, in one sentence."""


def plan(sweep: SweepSpec, home: Path) -> list[Planned]:
    """What every cell asks for, with the data sets in ``home``. Raises ValueError where that are too many runs."""
    planned = [plan_cell(sweep, cell, home) for cell in sweep.cells]
    if (count := sum(len(each.specs) for each in planned)) > MOST_RUNS:
        raise ValueError(f"These are {count:,} runs, and a sweep has at most {MOST_RUNS:,}; take fewer of something.")
    return planned


def plan_cell(sweep: SweepSpec, cell: Cell, home: Path) -> Planned:
    try:
        specs = tuple(runs_of(sweep, cell, home))
    except ValueError as error:
        return Planned(cell, (), str(error))
    # Its runs differ in seed and images alone, so what stands against one of them stands against all.
    reasons = [objection.reason for objection in specs[0].objections(home)]
    return Planned(cell, () if reasons else specs, " ".join(dict.fromkeys(reasons)) or None)


def runs_of(sweep: SweepSpec, cell: Cell, home: Path) -> Iterator[AuditSpec]:
    """The spec of every run of a cell, batch by batch, seed by seed. Raises ValueError, one sentence."""
    spec = combined(sweep, cell)
    for victim in batches(sweep.images, spec, home):
        for seed in range(spec.seed, spec.seed + sweep.seeds):
            yield spec.model_copy(update={"victim": victim, "seed": seed})


def combined(sweep: SweepSpec, cell: Cell) -> AuditSpec:
    """The setup with a cell's values. Raises ValueError, one sentence, where one of them is not possible."""
    chosen = zip((axis.of for axis in sweep.axes), cell, strict=True)
    spec = sweep.setup
    for of, value in sorted(chosen, key=lambda pair: "." in pair[0]):  # first the methods, then their fields
        spec = varied(spec, of, value)
    return spec


def batches(images: int | None, spec: AuditSpec, home: Path) -> list[Victim]:
    """Which images are private in each of the cell's batches. Raises ValueError, one sentence."""
    if images is None:
        return [spec.victim]
    if images % spec.batch_size:
        raise ValueError(f"{images} images cannot be cut into batches of {spec.batch_size}.")
    if absent := spec.dataset.absent(home):
        raise ValueError(absent)
    if images > (most := sum(spec.dataset.class_sizes(home))):
        raise ValueError(f"{spec.dataset.name} has only {most} images to attack; take fewer images.")
    drawn = drawn_images(most)[:images]
    return [Victim(indices=drawn[at : at + spec.batch_size]) for at in range(0, images, spec.batch_size)]


def drawn_images(most: int) -> tuple[int, ...]:
    """The numbers of ``most`` images in a random order that is always the same, so that cells share their images."""
    import numpy as np

    return tuple(int(index) for index in np.random.default_rng(0).permutation(most))


def varied(spec: AuditSpec, of: str, value: Value) -> AuditSpec:
    """The setup with another value at the place ``of``. Raises ValueError, one sentence, where that is not possible.

    A method that the setup uses already keeps its fields; any other comes with its defaults.
    """
    head, _, rest = of.partition(".")
    if of == "attack":
        return spec.model_copy(update={"attack": spec.attack if spec.attack.name == value else named(Attack, value)})
    if of == "defenses":
        return spec.model_copy(update={"defenses": defended(spec, value)})
    if of == LOCAL_STEPS:
        usual = spec.client if isinstance(spec.client, FedAvg) else FedAvg()
        return spec.model_copy(update={"client": changed(usual, local_batch_size=0, local_epochs=value)})
    if head == "defenses":
        return spec.model_copy(update={"defenses": strengthened(spec, rest, value)})
    if rest:
        return spec.model_copy(update={head: changed(part(spec, head), **{rest: value})})
    return changed(spec, **{of: value})


def named(catalog: Any, name: Value) -> Component:
    found = kinds(catalog).get(str(name))
    if found is None:
        raise ValueError(f"There is no {name}; choose one of {', '.join(kinds(catalog))}.")
    return found()


def defended(spec: AuditSpec, name: Value) -> tuple[Component, ...]:
    """This defense alone."""
    if name == NO_DEFENSE:
        return ()
    return next(((own,) for own in spec.defenses if own.name == name), None) or (named(Defense, name),)


def strengthened(spec: AuditSpec, place: str, value: Value) -> tuple[Component, ...]:
    """The setup's defenses, of which one has another value: ``place`` is its name and the field."""
    name, _, field = place.partition(".")
    if name not in [defense.name for defense in spec.defenses]:
        raise ValueError(f"There is no {name} here whose {field.replace('_', ' ')} could be varied.")
    return tuple(changed(own, **{field: value}) if own.name == name else own for own in spec.defenses)


def part(spec: AuditSpec, name: str) -> Component:
    found = getattr(spec, name, None)
    if not isinstance(found, Component):
        raise ValueError(f"A setup has no {name} whose fields could be varied.")
    return found


def changed(component: C, **values: Value) -> C:
    """Another value of a field. Raises ValueError, one sentence, where there is no such field or value."""
    for field, value in values.items():
        words = field.replace("_", " ")
        if field not in type(component).model_fields:
            raise ValueError(f"{getattr(component, 'name', 'A setup')} has no {words} that could be varied.")
        try:
            component = type(component).model_validate(dict(component) | {field: value})
        except ValidationError as error:
            reason = error.errors()[0]["msg"].removeprefix("Value error, ").removeprefix("Input ")
            raise ValueError(f"{words} {value} is not possible; it {reason}.") from None
    return component


def extended(sweep: SweepSpec, values: Sequence[Sequence[Value]], *, images: int | None, seeds: int) -> SweepSpec:
    """The same sweep with more ``values`` on its axes, in order, and another number of images and seeds.

    Raises ValueError, one sentence, where it cannot be extended so.
    """
    axes = {axis.of: tuple(dict.fromkeys((*axis.values, *more))) for axis, more in zip(sweep.axes, values, strict=True)}
    return swept(sweep.setup, axes, images=images, seeds=seeds)


def swept(setup: AuditSpec, axes: Mapping[str, Sequence[Value]], *, images: int | None, seeds: int) -> SweepSpec:
    """A sweep that varies these places. Raises ValueError, one sentence, where there is none."""
    try:
        varying = tuple(Axis(of=of, values=tuple(values)) for of, values in axes.items())
        return SweepSpec(setup=setup, axes=varying, images=images, seeds=seeds)
    except ValidationError as error:
        problem = error.errors()[0]
        if problem["type"] == "too_long":
            raise ValueError(f"An axis has at most {MOST_VALUES} values; take fewer.") from None
        if problem["type"] == "too_short":
            raise ValueError("Choose what to vary, and at least one value of it.") from None
        raise ValueError(problem["msg"].removeprefix("Value error, ")) from None
