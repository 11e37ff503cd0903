"""What is wrong with a spec, in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from .priors import Method
from .spec import Attack, Client, Dataset, Defense, Model, kinds

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


def fault(error: ValidationError) -> str:
    """The first fault as "field: reason", and how many more there are."""
    first = error.errors()[0]
    rest = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{field(first['loc'])}: {reason(first)}{rest}"


def field(place: tuple[int | str, ...]) -> str:
    """attack.iterations for ("attack", "dlg", "iterations"), since no spec has a field called dlg."""
    names = {name for union in (Dataset, Model, Client, Defense, Attack, Method) for name in kinds(union)}
    return ".".join(str(part) for part in place if part not in names) or "spec"


def reason(fault: ErrorDetails) -> str:
    match fault["type"]:
        case "union_tag_not_found":
            return "name is missing"
        case "union_tag_invalid":
            return f"there is no {fault['ctx']['tag']}; choose one of {fault['ctx']['expected_tags']}"
        case "extra_forbidden":
            return "there is no such field"
        case _:
            return fault["msg"]
