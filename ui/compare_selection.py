"""Runs that are ticked in the list of runs, to be compared."""

from __future__ import annotations

import streamlit as st

from gia_core.store import Run

from . import address, kinds
from .compare_setups import MOST

SELECTED = "selected runs"


def checkbox(run: Run) -> None:
    """Beside a run that can be compared; the list may be turned over and filtered meanwhile."""
    key = f"select-{run.id}"
    st.session_state[key] = run.id in selected()
    st.checkbox(
        f"Select run {run.id}",
        key=key,
        label_visibility="collapsed",
        width=24,
        disabled=run.spec is None,
        on_change=toggle,
        args=(run.id,),
        help="Select two to four attacks to compare them." if run.spec else "Only attacks can be compared.",
    )


def selected() -> list[str]:
    run_ids: list[str] = st.session_state.setdefault(SELECTED, [])
    return run_ids


def toggle(run_id: str) -> None:
    (selected().remove if run_id in selected() else selected().append)(run_id)


def bar() -> None:
    """How many are ticked, and what can be done with them."""
    count = len(selected())
    if not count:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="selection"):
        hint = "select another one" if count == 1 else f"at most {MOST} fit side by side" if count > MOST else ""
        st.caption(f"{count} selected" + (f"; {hint}" if hint else ""), width="content")
        if st.button("Compare", icon=":material/compare:", disabled=bool(hint), key="compare-selected"):
            run_ids = ",".join(selected())
            selected().clear()
            st.switch_page(kinds.COMPARE, query_params={address.COMPARE: run_ids})
        if st.button("Report", icon=":material/description:", type="tertiary", key="report-selected"):
            run_ids = ",".join(selected())
            selected().clear()
            st.switch_page(kinds.REPORT, query_params={address.REPORT: run_ids})
        st.button("Clear", type="tertiary", key="clear-selection", on_click=selected().clear)
