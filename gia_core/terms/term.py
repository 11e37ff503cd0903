"""What an entry of the glossary is."""

from __future__ import annotations

from typing import NamedTuple


class Term(NamedTuple):
    """One entry of the glossary."""

    name: str
    plain: str
    """For somebody who has never trained a network."""
    expert: str
    """For somebody who wants to know what exactly is meant or computed; may be empty."""
    anchor: str
    """What a link to it ends with: lower case, with hyphens."""


def term(name: str, plain: str, expert: str = "", *, anchor: str = "") -> Term:
    return Term(name, plain, expert, anchor or name.lower().replace(" ", "-"))
