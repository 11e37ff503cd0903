"""A Component class → widgets → a Component; the only place that knows how a field becomes an input.

Every widget's key is the path of what it sets, ``setup.attack.dlg.restarts`` for instance. A widget that is drawn for
the first time shows the value of a *seed*, a component that came from a link, a scenario or a run; after that its own.
"""

from __future__ import annotations

import types
from dataclasses import dataclass, field
from typing import Any, Literal, Union, get_args, get_origin

import annotated_types
import streamlit as st
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from gia_core import titles
from gia_core.component import Component

from . import prior_choice
from .parts import kinds_of, own_name

PREFIX = "setup."
SHORT = 12
"""Characters of all options together up to which they are shown side by side."""


@dataclass
class Problems:
    """What is wrong with the inputs, one sentence each."""

    sentences: list[str] = field(default_factory=list)

    def add(self, error: ValidationError, kind: type[Component]) -> None:
        """Every complaint of the validation, with the field's name as the form shows it."""
        for problem in error.errors():
            place = next((str(part) for part in reversed(problem["loc"]) if part in kind.model_fields), "")
            label, message = titles.label(place), problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
            if problem["type"] in ("missing", "string_too_short"):
                self.sentences.append(f"Fill in \u201c{label}\u201d under Advanced.")
            elif problem["type"] == "value_error":
                self.sentences.append(message)
            else:
                self.sentences.append(f"\u201c{label}\u201d {message}.")


def forget() -> None:
    """Let every widget take its seed's value again."""
    for key in [key for key in st.session_state if str(key).startswith(PREFIX)]:
        del st.session_state[key]


def component(
    kind: type[Component], path: str, seed: Component | None, problems: Problems, given: dict[str, Any]
) -> Component | None:
    """Draw one input per field that is not ``given``; what they describe, or None where that is not valid."""
    values = {name: value for name, value in given.items() if name in kind.model_fields}
    wanted = {name: info for name, info in kind.model_fields.items() if name != "name" and name not in values}
    shown = {name: getattr(seed, name) if type(seed) is kind else initial(info) for name, info in wanted.items()}
    inner = {name: info for name, info in wanted.items() if kinds_of(info.annotation)}
    with st.grid(2, min_column_width=125, vertical_alignment="bottom"):
        for name, info in wanted.items():
            if name not in inner:
                values[name] = field_input(name, info, f"{path}.{name}", shown[name], problems)
    for name, info in inner.items():
        values[name] = part(name, info, f"{path}.{name}", shown[name], problems)
        if values[name] is None:
            return None
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        problems.add(error, kind)
        return None


def part(name: str, info: FieldInfo, path: str, seed: Component | None, problems: Problems) -> Component | None:
    """Draw a field that is a component itself: which one, where there is a choice, and its fields."""
    kinds = kinds_of(info.annotation)
    seeded(path, own_name(type(seed)) if seed is not None else next(iter(kinds)))
    chosen = st.session_state[path]
    if len(kinds) > 1:
        shown = {option: titles.title(kind) for option, kind in kinds.items()}
        chosen = st.selectbox(titles.label(name), kinds, key=path, format_func=shown.get, help=info.description)
    st.markdown(f"**{titles.label(name)}: {titles.title(kinds[chosen])}**")
    return component(kinds[chosen], f"{path}.{chosen}" if chosen else path, seed, problems, {})


def initial(info: FieldInfo) -> Any:
    """A field's default; None where it has to be filled in."""
    return None if info.is_required() else info.get_default(call_default_factory=True)


def has_fields(kind: type[Component]) -> bool:
    return len(set(kind.model_fields) - {"name"}) > 0


def field_input(name: str, info: FieldInfo, key: str, default: Any, problems: Problems) -> Any:
    """The widget that fits the field's type, showing ``default`` unless it has a value already."""
    label, help_text = titles.label(name), info.description
    kind, optional = without_none(info.annotation)
    origin = get_origin(kind)
    if origin is Literal:
        return choice(label, get_args(kind), key, default, help_text)
    if kind is bool:
        seeded(key, default)
        return st.toggle(label, key=key, help=help_text)
    if kind in (int, float):
        return number(label, kind, info, key, default, help_text, optional=optional)
    if origin is tuple and get_args(kind)[0] is int:
        return whole_numbers(label, key, default, help_text, problems)
    if kind is not str:
        return default  # a type without an input keeps its value
    seeded(key, "" if default is None else default)
    if name == "prior":
        return prior_choice.draw(label, key, help_text)
    return st.text_input(label, key=key, help=help_text) or (None if optional else "")


def without_none(annotation: Any) -> tuple[Any, bool]:
    """``int | None`` as (int, True)."""
    if get_origin(annotation) in (Union, types.UnionType):
        rest = [part for part in get_args(annotation) if part is not type(None)]
        return rest[0], len(rest) < len(get_args(annotation))
    return annotation, False


def choice(label: str, options: tuple[Any, ...], key: str, default: Any, help_text: str | None) -> Any:
    seeded(key, default)
    if len(options) <= 3 and sum(len(str(option)) for option in options) <= SHORT:
        return st.segmented_control(
            label, options, key=key, required=True, format_func=lambda o: titles.option(str(o)), help=help_text
        )
    return st.selectbox(label, options, key=key, format_func=lambda o: titles.option(str(o)), help=help_text)


def number(
    label: str, kind: type, info: FieldInfo, key: str, default: Any, help_text: str | None, *, optional: bool
) -> Any:
    """An empty input is None where that is allowed. Bounds that are themselves excluded are left to the validation."""
    seeded(key, default if default is None else kind(default))
    low, high = bounds(info)
    return st.number_input(
        label,
        min_value=None if low is None else kind(low),
        max_value=None if high is None else kind(high),
        value=None if optional else "min",
        step=1 if kind is int else step(default),
        format="%d" if kind is int else "%g",
        placeholder="any" if optional else None,
        key=key,
        help=help_text,
    )


def bounds(info: FieldInfo) -> tuple[float | None, float | None]:
    low = [m.ge for m in info.metadata if isinstance(m, annotated_types.Ge)]
    low += [m.gt for m in info.metadata if isinstance(m, annotated_types.Gt)]
    high = [m.le for m in info.metadata if isinstance(m, annotated_types.Le)]
    high += [m.lt for m in info.metadata if isinstance(m, annotated_types.Lt)]
    return next(iter(low), None), next(iter(high), None)


def step(default: float | None) -> float:
    """What one press of + adds: the first digit of the default, 0.001 for 0.003."""
    return float(f"1e{f'{default:e}'.split('e')[1]}") if default else 0.1


def whole_numbers(label: str, key: str, default: tuple[int, ...], help_text: str | None, problems: Problems) -> Any:
    seeded(key, ", ".join(str(value) for value in default))
    text = st.text_input(label, key=key, help=help_text, placeholder="for example 0, 5, 7")
    try:
        return tuple(int(part) for part in text.replace(",", " ").split())
    except ValueError:
        problems.sentences.append(f"{label}: write whole numbers with commas between them, for example 0, 5, 7.")
        return default


def seeded(key: str, value: Any) -> None:
    if key not in st.session_state:
        st.session_state[key] = value
