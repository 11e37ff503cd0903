"""Every term that the product uses, explained once: what is hand-written, the metrics, and every component; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from . import titles
from .component import Component
from .spec import Aggregation, Attack, Client, Dataset, Defense, Model, kinds
from .terms import FORMULAS, HAND_WRITTEN, Term, term

CITED = re.compile(r"\s*\((?:[^()]*\b(?:19|20)\d\d\b[^()]*|[^()]*public code[^()]*)\)")
"""A reference in parentheses."""


@cache
def sections() -> dict[str, tuple[Term, ...]]:
    """All terms, by the heading under which they stand."""
    catalogs = {
        "Attacks": kinds(Attack),
        "Defenses": kinds(Defense),
        "Aggregations": kinds(Aggregation),
        "Update rules of a client": kinds(Client),
        "Models": kinds(Model),
        "Data sets": kinds(Dataset),
    }
    components = {heading: tuple(map(explained, catalog.values())) for heading, catalog in catalogs.items()}
    return {**HAND_WRITTEN, "Metrics": tuple(metrics()), **components}


def metrics() -> Iterable[Term]:
    names = titles.METRICS | {"labels": "Labels found"}
    return (term(names[key], text, FORMULAS[key], anchor=key) for key, text in titles.EXPLAINED.items())


def explained(kind: type[Component]) -> Term:
    """A component: its first sentence is plain, what follows and the references are for experts."""
    name = str(kind.model_fields["name"].default)
    summary, text = titles.summary(kind), " ".join((kind.__doc__ or "").split())
    sources = " ".join(f"Source: {found.strip(' ()')}." for found in CITED.findall(summary))
    more = text.removeprefix(titles.first_paragraph(kind)).strip()
    anchor = "no-aggregation" if name == "none" else name
    return Term(titles.title(kind), CITED.sub("", summary), f"{more} {sources}".strip(), anchor)


@cache
def entries() -> dict[str, Term]:
    """Every term by its anchor."""
    return {entry.anchor: entry for terms in sections().values() for entry in terms}
