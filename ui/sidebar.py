"""What every page shows beside its menu: the runs under way, and what this tool is for."""

from __future__ import annotations

import streamlit as st

from gia_core.store import Run

from . import kinds, live, session
from .keeper import LIVE

SHOWN = 6
EVERY = 3.0


def draw() -> None:
    with st.sidebar:
        st.fragment(under_way, run_every=EVERY)()
        st.caption(
            "An audit tool for data that you may use. Reconstructions are as sensitive as the originals: "
            "handle them alike."
        )


def under_way() -> None:
    """Links to the runs that are not over."""
    with session.explained():
        runs = session.store().runs(statuses=LIVE, limit=SHOWN + 1, sort="status")
        if not runs:
            return
        st.markdown("**Under way**")
        for run in runs[:SHOWN]:
            link(run)
        if len(runs) > SHOWN:
            st.caption("and more, see Runs")


def link(run: Run) -> None:
    icon = f":material/{live.ICONS[str(run.status)]}:"
    label = f"{kinds.in_short(run)}, {run.status}"
    if st.button(label, key=f"under-way-{run.id}", type="tertiary", icon=icon, help="Show this run."):
        st.switch_page(kinds.page_of(run), query_params={"run": run.id})
