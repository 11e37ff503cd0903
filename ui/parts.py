"""Which fields of a component are components themselves; pure."""

from __future__ import annotations

import types
from typing import Annotated, Any, Union, get_args, get_origin

from gia_core.component import Component


def kinds_of(annotation: Any) -> dict[str, type[Component]]:
    """The components that a field may hold, by name; one without a name under "". Empty for all other fields."""
    if get_origin(annotation) is Annotated:
        return kinds_of(get_args(annotation)[0])
    members = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    if not all(isinstance(member, type) and issubclass(member, Component) for member in members):
        return {}
    return {own_name(member): member for member in members}


def own_name(kind: type[Component]) -> str:
    return str(kind.model_fields["name"].default) if "name" in kind.model_fields else ""
