"""The glossary on its page, and links to it from everywhere else."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

import streamlit as st

from gia_core.glossary import entries, sections
from gia_core.terms import Term

PAGE = "glossary"
"""The address of the page, seen from any other page."""
TERM = "term"
"""The parameter of a link that names the term to show."""


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
            st.header(heading, anchor=False)
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
