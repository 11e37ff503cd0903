"""Tables as a report prints them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Table(NamedTuple):
    """Every cell is text that anybody may have written; the page escapes it."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
