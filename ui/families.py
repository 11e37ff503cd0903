"""The kinds of attacks that a newcomer has to tell apart, by where a method is kept and what it needs; pure."""

from __future__ import annotations

from typing import NamedTuple

from gia_core.component import Component, Needs


class Family(NamedTuple):
    name: str
    summary: str
    """What such attacks do, as the end of a sentence."""


SEARCH = Family("search", "try out pictures until their update matches; the server only looks on")
GENERATIVE = Family("generator", "let a network draw the pictures; the server only looks on")
CLOSED_FORM = Family("closed form", "compute the pictures from the update instead of trying; the server only looks on")
ACTIVE = Family("malicious server", "send the client a model that was made to give its data away")
FAMILIES = (SEARCH, GENERATIVE, CLOSED_FORM, ACTIVE)
"""In the order in which they are offered."""


def family(kind: type[Component]) -> Family:
    needs: Needs = getattr(kind, "needs", Needs())
    if "malicious_server" in needs.knowledge:
        return ACTIVE
    folder = kind.__module__.split(".")[-2]
    return {"analytic": CLOSED_FORM, "generative": GENERATIVE}.get(folder, SEARCH)


def by_family(catalog: dict[str, type[Component]]) -> dict[str, type[Component]]:
    """The same catalog, family by family, each in its own order."""
    return dict(sorted(catalog.items(), key=lambda item: FAMILIES.index(family(item[1]))))
