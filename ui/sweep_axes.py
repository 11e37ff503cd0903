"""What a sweep can vary in a setup, how that is called, and what values to begin with; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

from gia_core import titles
from gia_core.component import Component
from gia_core.spec import AuditSpec
from gia_core.sweep import LOCAL_STEPS, NO_DEFENSE, Axis, Value

from . import compare_variants, setup

NAMES = {
    "batch_size": "Batch size",
    "attack": "Attack",
    "defenses": "Defense",
    "model.training": "Training epochs of the model",
    "model.activation": "Activation",
    "dataset.size": "Resolution",
    LOCAL_STEPS: "Local steps (FedAvg)",
    "rounds": "Rounds of the same batch",
    "clients": "Number of clients",
    "seed": "Seed",
}
"""Axes that have a name of their own; the others are called after the defense and its field."""


@dataclass(frozen=True)
class Way:
    """One thing that can be varied."""

    of: str
    usual: tuple[Value, ...]
    """Values to begin with."""
    options: Mapping[Any, str] = field(default_factory=dict)
    """What can be chosen, with what to call it; empty where numbers are typed in."""


def ways(spec: AuditSpec) -> dict[str, Way]:
    """Everything that this setup has to vary, by its place."""
    return {way.of: way for way in (*methods(spec), *strengths(spec), *numbers(spec))}


def methods(spec: AuditSpec) -> Iterator[Way]:
    yield Way("batch_size", (1, 2, 4, 8))
    attacks = {name: titles.title(kind) for name, kind in setup.CATALOGS["attack"].items()}
    others = [name for name in attacks if name != spec.attack.name]
    yield Way("attack", (spec.attack.name, *others[:1]), attacks)
    own = [defense.name for defense in spec.defenses] or list(setup.DEFENSES)[:1]
    yield Way("defenses", (NO_DEFENSE, *own), {name: word("defenses", name) for name in (NO_DEFENSE, *setup.DEFENSES)})
    if options := choices(spec.model, "activation"):
        yield Way("model.activation", options[:3], {value: titles.option(str(value)) for value in options})


def strengths(spec: AuditSpec) -> Iterator[Way]:
    """Every number of every defense."""
    for place, name in compare_variants.strengths(spec):
        usual = compare_variants.usual_strengths(spec, place, name)
        yield Way(f"defenses.{spec.defenses[place].name}.{name}", as_values(usual))


def numbers(spec: AuditSpec) -> Iterator[Way]:
    if "training" in type(spec.model).model_fields:
        yield Way("model.training", (0, 1, 5))
    if options := choices(spec.dataset, "size"):
        yield Way("dataset.size", options[:2], {value: f"{value} pixels" for value in options})
    elif "size" in type(spec.dataset).model_fields:
        yield Way("dataset.size", (16, 32))
    yield Way(LOCAL_STEPS, (1, 2, 5))
    yield Way("rounds", (1, 2, 4))
    yield Way("clients", (1, 2, 4))
    yield Way("seed", tuple(range(spec.seed, spec.seed + 5)))


def choices(component: Component, name: str) -> tuple[Value, ...]:
    """The fixed choices of a field; empty where there are none."""
    info = type(component).model_fields.get(name)
    return tuple(value for value in get_args(info.annotation) if isinstance(value, int | str)) if info else ()


def as_values(given: Sequence[float]) -> tuple[Value, ...]:
    return tuple(compare_variants.as_wanted(value) for value in given)


def name(of: str) -> str:
    """What an axis is called."""
    if of in NAMES:
        return NAMES[of]
    defense, _, own = of.removeprefix("defenses.").partition(".")
    return f"{title_in(setup.DEFENSES, defense)}: {titles.label(own).lower()}"


def word(of: str, value: Value) -> str:
    """What a value is called."""
    if of == "attack":
        return title_in(setup.CATALOGS["attack"], value)
    if of == "defenses":
        return "no defense" if value == NO_DEFENSE else title_in(setup.DEFENSES, value)
    if of == "dataset.size":
        return f"{value} px"
    return (
        f"{value:g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else titles.option(value)
    )


def title_in(catalog: Mapping[str, Any], value: Value) -> str:
    kind = catalog.get(str(value))
    return titles.title(kind) if kind else str(value)


def words(axis: Axis) -> list[str]:
    return [word(axis.of, value) for value in axis.values]


def in_words(axes: Sequence[Axis], cell: Sequence[Value]) -> str:
    """A cell: "batch size 4, Pruning"."""
    parts = []
    for axis, value in zip(axes, cell, strict=True):
        speaks = axis.of in ("attack", "defenses")
        parts.append(word(axis.of, value) if speaks else f"{name(axis.of).lower()} {word(axis.of, value)}")
    return ", ".join(parts)


def is_ordered(axis: Axis) -> bool:
    """Whether a line between two values means something."""
    return axis.of != "seed" and all(not isinstance(value, str) for value in axis.values)


def title(axes: Sequence[Axis]) -> str:
    """What a sweep is about: "Attack by batch size"."""
    first, *rest = [name(axis.of) for axis in axes]
    return f"{first} by {rest[0].lower()}" if rest else first
