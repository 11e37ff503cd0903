"""Every term that the product uses, explained once: what is hand-written, the metrics, and every component."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from html import escape

import streamlit as st

from gia_core.aggregation import Aggregation
from gia_core.component import Component
from gia_core.spec import kinds

from . import setup, titles
from .terms import FORMULAS, HAND_WRITTEN, Term, term

PAGE = "glossary"
"""The address of the page, seen from any other page."""
TERM = "term"
"""The parameter of a link that names the term to show."""
CITED = re.compile(r"\s*\((?:[^()]*\b(?:19|20)\d\d\b[^()]*|[^()]*public code[^()]*)\)")
"""A reference in parentheses."""


@cache
def sections() -> dict[str, tuple[Term, ...]]:
    """All terms, by the heading under which they stand."""
    catalogs = {
        "Attacks": setup.CATALOGS["attack"],
        "Defenses": setup.DEFENSES,
        "Aggregations": kinds(Aggregation),
        "Update rules of a client": setup.CATALOGS["client"],
        "Models": setup.CATALOGS["model"],
        "Data sets": setup.CATALOGS["dataset"],
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


def link(anchor: str, words: str = "") -> str:
    """Markdown that leads to a term. Raises KeyError where the glossary has no such term."""
    return f"[{words or entries()[anchor].name}]({PAGE}?{TERM}={entries()[anchor].anchor})"


def draw() -> None:
    """The term that a link asked for, a search, and everything section by section."""
    asked = entries().get(st.query_params.get(TERM, ""))
    if asked is not None:
        with st.container(border=True, key="asked-term"):
            st.html(listed([asked]))
    words = st.text_input("Search", placeholder="epsilon, BatchNorm, recovered…", key="glossary-search")
    sought = words.strip().lower()
    found = {heading: matching(terms, sought) for heading, terms in sections().items()}
    if not any(found.values()):
        st.info("No entry has these words. Try fewer letters.", icon=":material/search_off:")
    for heading, terms in found.items():
        if terms:
            st.subheader(heading, anchor=False)
            st.html(listed(terms))


def matching(terms: Iterable[Term], sought: str) -> list[Term]:
    """Those that mention it."""
    return [entry for entry in terms if sought in f"{entry.name} {entry.anchor} {entry.plain} {entry.expert}".lower()]


def listed(terms: Iterable[Term]) -> str:
    """A list of definitions as HTML."""
    rows = []
    for entry in terms:
        expert = f'<dd class="gia-expert"><span>Precisely: </span>{escape(entry.expert)}</dd>' if entry.expert else ""
        rows.append(f"<div><dt>{escape(entry.name)}</dt><dd>{escape(entry.plain)}</dd>{expert}</div>")
    return f'<dl class="gia-terms">{"".join(rows)}</dl>'
