"""The one base class: a frozen, validated value that round-trips through JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict


class Component(BaseModel):
    """Something a user picks and the audit runs.

    Its fields are its hyper-parameters. The docstring under a field is its help text, in the form,
    the report and the JSON schema alike.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Objection(NamedTuple):
    """One reason why a setup cannot be carried out."""

    field: str
    reason: str
    """A sentence that says what to change."""


@dataclass(frozen=True)
class Condition:
    """One choice of the setup that a method depends on."""

    field: str
    """Its place in the spec: "model.activation" for instance. Where a setup has no such field, it is met."""
    among: tuple[object, ...]
    """The values that the method can handle."""
    because: str
    """One sentence that says why the others do not work and what to choose."""
    where: tuple[str, object] | None = None
    """A place in the spec and the value there without which this does not matter; None where it always does."""

    def lacking(self, spec: Component, classes: int | None) -> tuple[object, ...]:
        """The values of which ``spec`` has none, the best first; empty where this is met."""
        if self.where is not None and at(spec, self.where[0]) != self.where[1]:
            return ()
        value = at(spec, self.field)
        return () if value is None or value in self.among else self.among


@dataclass(frozen=True)
class Bound:
    """A number of the setup that the rest of it limits."""

    field: str
    """Its place in the spec: "rounds" for instance."""
    better: Callable[[Component, int | None], int | None]
    """Of a spec and the number of classes, None where that is not known: what would do; None where nothing is wrong."""
    because: str
    """One sentence that says why the number does not work and what to choose."""

    def lacking(self, spec: Component, classes: int | None) -> tuple[object, ...]:
        """The one number that would do; empty where this is met."""
        better = self.better(spec, classes)
        return () if better is None else (better,)


def at(spec: Component, place: str) -> Any:
    """The value at a place in the spec, "model.activation" for instance; None where it has no such field."""
    value: Any = spec
    for name in place.split("."):
        value = getattr(value, name, None)
    return value


@dataclass(frozen=True)
class Needs:
    """What a method cannot do without; the form disables it, with the reason, where it is missing."""

    batch_size: int | None = None
    """Largest private batch, None for any."""
    clients: tuple[str, ...] = ("fedsgd", "fedavg")
    """Names of the client rules it can handle; unless it says otherwise, those whose updates are of the whole batch."""
    models: tuple[str, ...] = ()
    """Names of the models it can handle, empty for any."""
    knowledge: tuple[str, ...] = ()
    """Fields of ``Knowledge`` that must be granted."""
    conditions: tuple[Condition | Bound, ...] = ()
    """What else of the setup matters."""
