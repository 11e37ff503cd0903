"""Setups in words: every setting of one, and in what several of them differ; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import BaseModel

from . import attacker_card, titles
from .component import Component
from .spec import AuditSpec

ABSENT = "—"
WHOLE = {"dataset": "Data set", "knowledge": "Attacker is told", "victim": "Private images"}
"""Parts of a setup that stand under another name than their own."""
KNOWS_DEFENSE = "Attacker is told: defense"


@dataclass(frozen=True)
class Setting:
    """One field of a setup, wherever in it."""

    label: str
    """What it is called: "Attack: iterations"."""
    value: object
    words: str
    is_usual: bool
    """Whether it holds the default of its own component."""


class Difference(NamedTuple):
    label: str
    words: tuple[str, ...]
    """Of each setup, in order; ``ABSENT`` where it has no such field."""


def differences(specs: Sequence[AuditSpec]) -> list[Difference]:
    """Every setting in which the setups differ, and nothing else.

    A field that some of them lack, because they use another method, is left out where it is at its default: it comes
    with the choice of the method, which is listed.
    """
    tables = [dict(settings(spec)) for spec in specs]
    found = []
    for path in dict.fromkeys(path for table in tables for path in table):
        rows = [table.get(path) for table in tables]
        held = [row for row in rows if row is not None]
        chosen = len(held) < len(rows) and not all(row.is_usual for row in held)
        if chosen or any(row.value != held[0].value for row in held):
            found.append(Difference(held[0].label, tuple(row.words if row else ABSENT for row in rows)))
    return found


def settings(spec: AuditSpec) -> Iterator[tuple[str, Setting]]:
    """Every field by its path; a defense's under the defense's name, wherever in the stack it stands."""
    for name in AuditSpec.model_fields:
        if name == "knowledge":
            yield from (one for one in told(spec) if attacker_card.matters(one[0].removeprefix("knowledge."), spec))
        elif name == "defenses":
            stack = " + ".join(titles.title(type(defense)) for defense in spec.defenses) or "none"
            order = tuple(defense.name for defense in spec.defenses)
            yield name, Setting("Defense", order, stack, is_usual=not order)
            for defense in spec.defenses:
                yield from fields(f"defenses.{defense.name}", titles.title(type(defense)), defense)
        else:
            label = WHOLE.get(name, titles.label(name))
            yield from setting(name, label, getattr(spec, name), AuditSpec.model_fields[name])


def told(spec: AuditSpec) -> Iterator[tuple[str, Setting]]:
    """What the attacker is granted, also of what there is nothing to know in this setup."""
    return fields("knowledge", WHOLE["knowledge"], spec.knowledge)


def setting(path: str, label: str, value: Any, info: Any) -> Iterator[tuple[str, Setting]]:
    """A field, and those of the component that it holds."""
    usual = info.get_default(call_default_factory=True)
    if not isinstance(value, Component):
        yield path, Setting(label, value, in_words(value), is_usual=value == usual)
        return
    if name := getattr(value, "name", ""):
        yield path, Setting(label, name, titles.title(type(value)), is_usual=type(value) is type(usual))
    yield from fields(path, WHOLE.get(path, label), value)


def fields(path: str, owner: str, component: Component) -> Iterator[tuple[str, Setting]]:
    for name, info in type(component).model_fields.items():
        if name != "name":
            label = titles.label(name)
            label = label if label.isupper() else label[:1].lower() + label[1:]
            yield from setting(f"{path}.{name}", f"{owner}: {label}", getattr(component, name), info)


def in_words(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case None | ():
            return ABSENT
        case float():
            return f"{value:g}"
        case int():
            return f"{value:,}"
        case tuple() if isinstance(value[0], BaseModel):
            return titles.plural(len(value), "own picture")
        case tuple():
            return ", ".join(str(part) for part in value)
    return titles.option(str(value))
