"""Which runs are compared: from a link, from the list of runs, or picked here; and where that is kept."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from gia_core.jobs import AUDIT
from gia_core.store import Run

from . import address, compare_setups, controls, kinds, location, session
from .run_list import moment

COMPARED = "compared"
"""Ids of the runs that this session compares."""
PICKED = "compare-picked"
OFFERED = 60
"""Of the newest runs, how many can be picked here; Runs has them all."""


def arrive() -> None:
    """Take the runs that the address names, where this session did not write it itself."""
    query = st.query_params.to_dict()
    if address.COMPARE in query and not location.is_own(query):
        compare(address.run_ids(query[address.COMPARE]))


def compare(run_ids: Sequence[str]) -> None:
    st.session_state[COMPARED] = tuple(run_ids)


def draw() -> list[Run]:
    """The runs that can be compared, beside what can be done with all of them, and a word on those that cannot."""
    runs, words = present(st.session_state.get(COMPARED, ()))
    with st.container(horizontal=True, vertical_alignment="center", key="compare-head", gap="small"):
        st.title("Compare", anchor=False, width="stretch")
        stop(runs)
        with st.popover("Choose runs", icon=":material/checklist:"):
            pick(runs)
        if runs:
            asked = {address.REPORT: ",".join(run.id for run in runs)}
            st.page_link(kinds.REPORT, label="Report", icon=":material/description:", query_params=asked)
            with st.popover("Share", icon=":material/link:"):
                st.caption("Opens this comparison, live or finished, for everybody who reaches this server.")
                st.code(location.absolute("/", query(runs)), language=None, wrap_lines=True)
    if not runs:
        st.markdown(
            "Two to four runs side by side: one slider moves the pictures, curves and numbers of all of them. "
            "Start several that differ in one thing, or choose runs that there are."
        )
    elif len(runs) == 1:
        st.info("Choose one to three more runs to compare this one with, or start others below.", icon=":material/add:")
    for sentence in words:
        st.info(sentence, icon=":material/info:")
    return runs


def present(run_ids: Sequence[str]) -> tuple[list[Run], list[str]]:
    """The attacks among these runs, four at most, and one sentence for each reason why others are left out."""
    found, gone = [], 0
    for run_id in run_ids[: compare_setups.MOST]:
        try:
            found.append(session.store().run(run_id))
        except KeyError:
            gone += 1
    audits = [run for run in found if run.job is None or run.spec is not None]
    words = []
    if gone:
        which = "One of these runs does" if gone == 1 else f"{gone} of these runs do"
        words.append(f"{which} not exist any more. They may have been deleted; Runs lists those there are.")
    if len(audits) < len(found):
        words.append("Only attacks are compared here; a run of another kind is left out.")
    if len(run_ids) > compare_setups.MOST:
        words.append(f"At most {compare_setups.MOST} runs fit side by side; only the first ones are shown.")
    return audits, words


def stop(runs: Sequence[Run]) -> None:
    running = [run.id for run in runs if not run.status.is_over]
    if running:
        st.button("Stop all", icon=":material/stop:", on_click=end, args=(running,), help="Each keeps its best so far.")


def end(run_ids: Sequence[str]) -> None:
    for run_id in run_ids:
        controls.attempt(session.store().stop, run_id)


def pick(runs: Sequence[Run]) -> None:
    """Two to four of the newest runs."""
    newest = session.store().runs(limit=OFFERED, kind=AUDIT)
    offered = {run.id: run for run in (*runs, *newest)}
    st.session_state[PICKED] = [run.id for run in runs]
    st.multiselect(
        "Runs to compare",
        list(offered),
        key=PICKED,
        max_selections=compare_setups.MOST,
        format_func=lambda run_id: in_words(offered[run_id]),
        on_change=lambda: compare(st.session_state[PICKED]),
        placeholder="Choose two to four",
        width=460,
    )
    st.caption(f"The newest {OFFERED}. Older ones can be selected under Runs.")


def in_words(run: Run) -> str:
    """With its id, since Streamlit takes options that read alike for one."""
    parts = [kinds.in_short(run), *kinds.parts(run)[1:], str(run.status), moment(run.created_at), run.id]
    return " · ".join(parts)


def query(runs: Sequence[Run]) -> dict[str, str]:
    return {address.COMPARE: ",".join(run.id for run in runs)} if runs else {}


def write(runs: Sequence[Run]) -> None:
    """Put the runs into the address."""
    location.put(query(runs))
