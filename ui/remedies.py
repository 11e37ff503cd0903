"""The one change that meets an objection, found by trying; pure.

Tried is what the attack asks for, then every other value that the field in question can have. A change is offered only
if the setup then has fewer objections and no new one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin

import annotated_types
from pydantic import ValidationError

from gia_core import titles
from gia_core.component import Component
from gia_core.spec import AuditSpec, Objection

from .parts import kinds_of

ALSO = {
    "attack.labels": ("knowledge.labels", "batch_size"),
    "batch_size": ("model",),
    "clients": ("aggregation",),
    "defenses": ("model.normalization", "client"),
    "model.first_block": ("attack.equations",),
}
"""Other fields that an objection to this one depends on."""
WITHHELD = (False, "none")


class Remedy(NamedTuple):
    words: str
    """What a button says."""
    spec: AuditSpec
    """The setup with this change."""


def remedies(spec: AuditSpec, objection: Objection, home: Path) -> list[Remedy]:
    """One for each field that could be changed; none where it takes more than one change, or something from outside."""
    places = (objection.field, *ALSO.get(objection.field, ()))
    return [found for place in places if (found := remedy(spec, place, home)) is not None]


def remedy(spec: AuditSpec, place: str, home: Path) -> Remedy | None:
    known = set(spec.objections(home))
    for value in alternatives(spec, place, home):
        try:
            changed = with_value(spec, place, value)
        except ValidationError:
            continue
        if set(changed.objections(home)) < known:
            return Remedy(in_words(place, value), changed)
    return None


def all_met(spec: AuditSpec, home: Path) -> AuditSpec | None:
    """``spec`` after one remedy after the other; None where some objection has none."""
    while objections := spec.objections(home):
        found = next((r for objection in objections for r in remedies(spec, objection, home)), None)
        if found is None:
            return None
        spec = found.spec
    return spec


def alternatives(spec: AuditSpec, place: str, home: Path) -> Iterator[Any]:
    """Other values of the field at ``place``, those that the attack asks for first."""
    owner, name = spec, place
    for part in place.split(".")[:-1]:
        owner, name = getattr(owner, part, None), place.rpartition(".")[2]
    if not isinstance(owner, Component) or name not in type(owner).model_fields:
        return
    info, now = type(owner).model_fields[name], getattr(owner, name)
    kinds = kinds_of(info.annotation)
    wanted = [value for value in asked_for(spec, place, home) if value != now]
    if kinds:
        names = [name for name in (*wanted, *kinds) if name in kinds and kinds[name] is not type(now)]
        yield from (made for name in names if (made := fitting(kinds[name], place, spec)) is not None)
        return
    yield from wanted
    if isinstance(now, bool):
        yield not now
    elif get_origin(info.annotation) is Literal:
        yield from (value for value in get_args(info.annotation) if value != now)
    else:
        yield from (limit.ge for limit in info.metadata if isinstance(limit, annotated_types.Ge))


def asked_for(spec: AuditSpec, place: str, home: Path) -> list[Any]:
    """What the attack's needs name for this field: values, or names of components."""
    needs = spec.attack.needs
    classes = None if spec.dataset.absent(home) else spec.dataset.class_count(home)
    here = [condition for condition in needs.conditions if condition.field == place]
    conditions = [value for condition in here for value in condition.lacking(spec, classes)]
    largest = () if needs.batch_size is None else (needs.batch_size,)
    named = {"client": needs.clients, "model": needs.models, "batch_size": largest}
    return [*conditions, *named.get(place, ())]


def fitting(kind: type[Component], place: str, spec: AuditSpec) -> Component | None:
    """A component as the attack's conditions want it; None where it has to be filled in first."""
    values = {}
    for condition in spec.attack.needs.conditions:
        head, _, name = condition.field.rpartition(".")
        if head == place and name in kind.model_fields:
            wanted = condition.lacking(spec.model_copy(update={head: kind.model_construct()}), None)
            if wanted:
                values[name] = wanted[0]
    try:
        return kind(**values)
    except ValidationError:
        return None


def with_value(owner: Any, place: str, value: Any) -> Any:
    """A copy of a component with one field changed, however deep. Raises ValidationError where it cannot have it."""
    head, _, rest = place.partition(".")
    inner = with_value(getattr(owner, head), rest, value) if rest else value
    return type(owner).model_validate(dict(owner) | {head: inner})


def in_words(place: str, value: Any) -> str:
    """A change as a button offers it: "Set the batch size to 1", "Use the model MLP", "Grant: malicious server"."""
    head, _, name = place.rpartition(".")
    label = titles.label(name)
    label = label if label.isupper() else label[:1].lower() + label[1:]
    if isinstance(value, Component):
        kind = type(value)
        set_too = [titles.option(str(new)) for field, new in value if new != kind.model_fields[field].default]
        extra = f" with {' and '.join(set_too)}" if set_too else ""
        return f"Use the {label} {titles.title(kind)}{extra}"
    if head == "knowledge":
        which = f" ({titles.option(value)})" if isinstance(value, str) and value not in WITHHELD else ""
        return f"{'Withhold' if value in WITHHELD else 'Grant'}: {label}{which}"
    if isinstance(value, bool):
        return f"Turn {label} {'on' if value else 'off'}"
    return f"Set the {label} to {titles.option(str(value))}"
