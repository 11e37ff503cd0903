"""From a finished attack to the same one against a defense: by who does not know of it, and by who does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import streamlit as st

from gia_core import titles
from gia_core.component import Component
from gia_core.store import Run, Status

from . import address, compare_start, glossary, kinds, session, setup
from .compare_protection import Trio, trio


def draw(run: Run) -> None:
    """A list of the defenses that fit; nothing for a run that has one already, or is no fair start."""
    offered = list(possible(run, session.settings().home))
    if not offered:
        return
    with st.popover("Add a defense", icon=":material/shield:"):
        adaptive = glossary.link("adaptive-attacker", "one who does")
        st.caption(f"Runs the attack twice more: by an attacker who does not know of the defense, and by {adaptive}.")
        columns = st.grid(2, min_column_width=150, gap="xsmall")
        for kind, wanted in offered:
            name = str(kind.model_fields["name"].default)
            with columns.cell():
                if st.button(titles.title(kind), key=f"add-{name}", type="tertiary", help=titles.summary(kind)):
                    compare(run, wanted)


def possible(run: Run, home: Path) -> Iterator[tuple[type[Component], Trio]]:
    """The defenses that nothing speaks against, each with the three runs that show what it is worth."""
    if run.spec is None or run.status is not Status.FINISHED or not run.scores or run.spec.control != "none":
        return
    for kind in setup.DEFENSES.values():
        wanted = trio(run.spec.model_copy(update={"defenses": (kind(),)}))
        if wanted.undefended == run.spec and not any(spec.objections(home) for spec in wanted):
            yield kind, wanted


def compare(run: Run, wanted: Trio) -> None:
    """Start what is missing beside this run, and show all of it."""
    if run_ids := compare_start.submit((wanted.naive, wanted.adaptive)):
        st.switch_page(kinds.COMPARE, query_params={address.COMPARE: ",".join([run.id, *run_ids])})
