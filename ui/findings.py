"""What an attack found out beside the images, as the tables that it told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import streamlit as st

from gia_core import titles
from gia_core.store import Run

from . import location
from .history import History
from .tables import table
from .whatifs import what_ifs

Found: TypeAlias = Mapping[str, Any]
"""A ``Table`` as an event holds it: title, columns, rows, note."""

CHANGED = "What the server changed"
"""Title of the table with which an attack tells how it tampered with the model."""
LABELS = "Restored labels"
"""Title of the table of class indices and how often each was restored; the page knows the truth to put beside them."""


def tampering(history: History) -> None:
    """A strip that says that this was no bystander: what the server did to the model before it sent it."""
    with st.container(key="tampering"):  # there while it is empty too: what stands below would be mounted anew
        found = next((found for found in history.tables if found["title"] == CHANGED), None)
        if found is None:
            return
        with st.container(border=True, gap="xsmall"):
            st.badge("the server changed the model", icon=":material/build:", color="orange")
            shown(found)


def draw(history: History) -> None:
    """Every other table, one below the other."""
    for found in history.tables:
        if found["title"] != CHANGED:
            st.markdown(f"**{found['title']}**")
            shown(beside_truth(found, history.started or {}) if found["title"] == LABELS else found)


def exchange(run: Run, history: History) -> None:
    """What it took to add the clients' updates up, and what can still be tried against it."""
    told = (history.started or {}).get("exchange") or ()
    for found in told:
        st.markdown(f"**{found['title']}**")
        shown(found)
    offered = [] if not told or run.spec is None else list(what_ifs(run.spec))
    if not offered:
        return
    st.caption("Try it: a button fills in the setup, and Start runs it.")
    with st.container(horizontal=True, gap="small", key="what-ifs"):
        for one in offered:
            st.button(
                one.words,
                key=f"what-if-{one.words}",
                icon=":material/science:",
                on_click=location.load,
                args=(one.spec,),
            )


def shown(found: Found) -> None:
    rows = [[in_words(value) for value in row] for row in found["rows"]]
    numeric = [are_numbers(row[i] for row in found["rows"]) for i in range(len(found["columns"]))]
    header = [name[:1].upper() + name[1:] for name in found["columns"]]
    table(header, rows, caption=found["title"], numeric=numeric)
    if found["note"]:
        st.caption(found["note"])


def are_numbers(values: Iterable[object]) -> bool:
    """Whether a column holds nothing but numbers and gaps."""
    known = [value for value in values if value is not None]
    return bool(known) and all(isinstance(value, int | float) and not isinstance(value, bool) for value in known)


def in_words(value: object) -> str:
    """A cell: four digits of a number, an em dash for what is not known."""
    match value:
        case None:
            return "—"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.0f}" if value.is_integer() and abs(value) < 1e6 else titles.short(value)
    return str(value)


def beside_truth(found: Found, started: Mapping[str, Any]) -> Found:
    """Restored labels with the classes' names and how often each really occurs, differences marked.

    Only the classes of the private batch have a name here; others keep their number. What does not look like class
    index and count stays as it is. Classes of the batch that are not in the table were missed, if the table is whole.
    """
    true = Counter(started.get("labels") or ())
    rows = found["rows"]
    if not true or not all(len(row) > 1 and isinstance(row[0], int) and isinstance(row[1], int) for row in rows):
        return found
    names = dict(zip(started["labels"], started.get("label_names") or (), strict=False))
    index, restored, *others = found["columns"]
    is_whole = sum(row[1] for row in rows) >= true.total()
    missing = set(true) - {row[0] for row in rows} if is_whole else ()
    missed = [[label, 0, *[None] * len(others)] for label in missing]
    told = [
        [f"{row[0]}", names.get(row[0], "—"), row[1], true[row[0]], verdict(row[1] - true[row[0]]), *row[2:]]
        for row in sorted([*rows, *missed], key=lambda row: row[0])
    ]
    columns = [index, "Name", restored, "True count", "Difference", *others]
    return {**found, "columns": columns, "rows": told}


def verdict(difference: int) -> str:
    """How far a count is off, with a sign that is not told by color."""
    if not difference:
        return "✓ right"
    return f"✗ {abs(difference)} too {'many' if difference > 0 else 'few'}"
