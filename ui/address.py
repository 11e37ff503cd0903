"""A setup as the query string of a link, and back; pure.

The visible choices always appear by name, everything else only where it differs from its default, under its path:
``?dataset=photos&model=lenet&batch_size=1&attack=dlg&attack.restarts=3&defenses=pruning&defenses.0.ratio=0.99``.
A link can be read, and written, by hand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from gia_core.spec import AuditSpec

from .parts import kinds_of

RUN = "run"
"""The one other parameter: the run that is shown."""

REPORT = "report"
"""On the page that writes reports: its runs, with commas between them."""

COMPARE = "compare"
"""On the page that compares: its runs, with commas between them."""

SWEEP = "sweep"
"""On the page of sweeps: the one that is shown."""

PRESENT = "present"
"""In the lab: present the gallery to an audience instead."""

RUN_ID = re.compile(r"[0-9a-f]{16}")

ALWAYS = ("dataset", "model", "batch_size", "attack")


def run_ids(text: str) -> tuple[str, ...]:
    """The runs that a link names, each once, in order; what cannot be one is kept as a run that does not exist."""
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def to_query(spec: AuditSpec) -> dict[str, str]:
    """Parameters that ``from_query`` turns back into ``spec``; without a data set that holds pictures of its own."""
    query, usual = {}, AuditSpec()
    for name in AuditSpec.model_fields:
        value = getattr(spec, name)
        if name == "defenses" or not holds_components(value):
            query.update(dict(written(name, value, getattr(usual, name), always=name in ALWAYS)))
    return query


def holds_components(value: Any) -> bool:
    """Whether a component is made of others, as one with uploaded pictures is: too long for a link."""
    parts = (getattr(value, name) for name in type(value).model_fields) if isinstance(value, BaseModel) else ()
    return any(isinstance(part, tuple) and any(isinstance(item, BaseModel) for item in part) for part in parts)


def from_query(query: Mapping[str, str]) -> AuditSpec | None:
    """The setup that ``query`` describes; None where it describes none. Raises ValueError, in one sentence."""
    own = {path: value for path, value in query.items() if path.split(".")[0] in AuditSpec.model_fields}
    if not own:
        return None
    try:
        return AuditSpec.model_validate(nested(own))
    except (ValidationError, ValueError, TypeError, KeyError, IndexError):
        raise ValueError("The link holds a setup that this version cannot read, so the usual one is shown.") from None


def written(path: str, value: Any, default: Any, *, always: bool = False) -> Iterator[tuple[str, str]]:
    """Path and text of everything in ``value`` that differs from ``default``."""
    if isinstance(value, BaseModel):
        yield from written_component(path, value, default, always=always)
    elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
        yield path, ",".join(part.name for part in value)
        for i, part in enumerate(value):
            yield from written(f"{path}.{i}", part, part)
    elif always or value != default:
        yield path, as_text(value)


def written_component(path: str, value: BaseModel, default: Any, *, always: bool) -> Iterator[tuple[str, str]]:
    """A component is its name, where it has one, and what differs from the defaults of its own kind."""
    if "name" in type(value).model_fields and (always or type(value) is not type(default)):
        yield path, value.name
    for name, field in type(value).model_fields.items():
        if name != "name":
            own = field.get_default(call_default_factory=True)
            yield from written(f"{path}.{name}", getattr(value, name), own)


def nested(query: Mapping[str, str]) -> dict[str, Any]:
    """Paths as the nested JSON that ``AuditSpec`` validates. Raises KeyError or ValueError for unknown paths."""
    return {name: understood(node, AuditSpec.model_fields[name]) for name, node in branches(query).items()}


def branches(query: Mapping[str, str]) -> dict[str, Any]:
    """Dotted paths as a tree of dictionaries, in which each node has its own text under the empty string."""
    tree: dict[str, Any] = {}
    for path, text in query.items():
        node = tree
        for part in path.split("."):
            node = node.setdefault(part, {})
        node[""] = text
    return tree


def understood(node: dict[str, Any], info: FieldInfo) -> Any:
    """What the link says about one field: a component with its fields, several of them, or a value."""
    if kinds := kinds_of(info.annotation):
        return one_of(kinds, node, info.get_default(call_default_factory=True))
    if several := kinds_of(next(iter(get_args(info.annotation)), None)):
        return list_of(several, node)
    (text,) = node.values()
    return as_value(text)


def one_of(kinds: Mapping[str, type[BaseModel]], node: Mapping[str, Any], usual: Any = None) -> dict[str, Any]:
    """A component: its name, the usual one's where the link does not tell, and the fields that it sets."""
    name = node.get("", getattr(usual, "name", ""))
    fields = {field: child for field, child in node.items() if field}
    found = {field: understood(child, kinds[name].model_fields[field]) for field, child in fields.items()}
    return found | {"name": name} if name else found


def list_of(kinds: Mapping[str, type[BaseModel]], node: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The list names its components in order, and comes first; a number and a field set something of one of them."""
    names = [name for name in node[""].split(",") if name]
    if set(node) - {"", *map(str, range(len(names)))}:
        raise ValueError("a component that is not in the list")
    return [one_of(kinds, {**node.get(str(i), {}), "": name}) for i, name in enumerate(names)]


def as_text(value: Any) -> str:
    """Text as it is, everything else as JSON; text that looks like JSON is quoted."""
    if not isinstance(value, str):
        return json.dumps(value)
    try:
        json.loads(value)
    except ValueError:
        return value
    return json.dumps(value)


def as_value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
