"""The title and the buttons of a run. They stand outside the fragment, so that no refresh takes a click away."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from gia_core.spec import AuditSpec
from gia_core.store import Control, Run, Status, StoreError

from . import address, kinds, location, session


def draw(run: Run, draft: AuditSpec | None = None) -> None:
    """``draft``: the setup in the form beside the run, where there is one."""
    with st.container(horizontal=True, key="controls", vertical_alignment="center", gap="small"):
        st.markdown(f"## {kinds.heading(run)}", width="stretch")
        if not run.status.is_over:
            buttons(run)
        if run.spec is not None:
            query = {address.COMPARE: run.id}
            st.page_link(kinds.COMPARE, label="Compare with…", icon=":material/compare:", query_params=query)
        with st.popover("Share", icon=":material/link:"):
            st.caption("Opens this run, live or finished, for everybody who reaches this server.")
            st.code(location.link_to(run), language=None, wrap_lines=True)
    if run.spec is not None and draft is not None and draft != run.spec:
        with st.container(horizontal=True, vertical_alignment="center", key="differs"):
            st.caption("This run was made by another setup than the one on the left.")
            st.button("Show its setup", type="tertiary", on_click=location.load, args=(run.spec,))


def buttons(run: Run) -> None:
    """Pause or Resume, Step and Stop; what makes no sense now is disabled."""
    store = session.store()
    stoppable = run.control is not Control.STOP
    paused = run.control is Control.PAUSE
    if paused:
        button("Resume", ":material/play_arrow:", store.resume, run.id, help="Go on from here.")
    else:
        possible = stoppable and run.status is not Status.QUEUED
        button("Pause", ":material/pause:", store.pause, run.id, enabled=possible, help="Hold the attack where it is.")
    button("Step", ":material/skip_next:", store.step, run.id, enabled=paused, help="One iteration, then hold again.")
    button("Stop", ":material/stop:", store.stop, run.id, enabled=stoppable, help="End it and keep the best so far.")


def button(
    label: str, icon: str, action: Callable[[str], None], run_id: str, *, enabled: bool = True, help: str
) -> None:
    key = f"control-{label.lower()}"
    st.button(label, key=key, icon=icon, disabled=not enabled, help=help, on_click=attempt, args=(action, run_id))


def attempt(action: Callable[[str], None], run_id: str) -> None:
    """A run that is gone or over needs no button; what else went wrong is said."""
    try:
        action(run_id)
    except StoreError as error:
        st.toast(str(error), icon=":material/database_off:")
    except KeyError:
        st.toast("This run does not exist any more.")
