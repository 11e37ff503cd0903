"""The one base class: a frozen, validated value that round-trips through JSON."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict


class Component(BaseModel):
    """Something a user picks and the audit runs.

    Its fields are its hyper-parameters. The docstring under a field is its help text, in the form,
    the report and the JSON schema alike.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


@dataclass(frozen=True)
class Condition:
    """One choice of the setup that a method depends on."""

    field: str
    """Its place in the spec: "model.activation" for instance. Where a setup has no such field, it is met."""
    among: tuple[object, ...]
    """The values that the method can handle."""
    because: str
    """One sentence that says why the others do not work and what to choose."""


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
    conditions: tuple[Condition, ...] = ()
    """What else of the setup matters."""
