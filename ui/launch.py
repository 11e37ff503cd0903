"""The left half of the lab: the setup, what to know before the start, and Start."""

from __future__ import annotations

import streamlit as st

from gia_core import attacker_card
from gia_core.spec import AuditSpec
from gia_core.store import StoreError

from . import compare_start, fit, location, preflight, session, setup
from .setup import Draft


def draw() -> Draft:
    """The whole column; starts a run where Start was pressed."""
    draft = setup.draw(st.session_state[location.SEED], session.settings().home)
    st.session_state[location.DRAFT] = draft.spec
    if draft.spec is not None:
        knowledge_card(draft.spec)
    start(draft)
    return draft


def knowledge_card(spec: AuditSpec) -> None:
    with st.container(border=True, key="knowledge", gap="xsmall"):
        st.markdown("**What the attacker is granted**")
        st.caption(":material/check: " + ", ".join(attacker_card.granted(spec)))
        st.caption(":material/close: Not: " + ", ".join(attacker_card.withheld(spec)))
    for caution in preflight.cautions(spec):
        st.caption(f":material/warning: {caution}")


def start(draft: Draft) -> None:
    """Start, or every reason why not; and the setup as a link."""
    if draft.obstacles:
        st.warning(" ".join(draft.obstacles), icon=":material/block:")
    if draft.spec is not None:
        for objection in draft.objections:
            fit.offer(draft.spec, objection, session.settings().home)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="start"):
        pressed = st.button(
            "Start", type="primary", icon=":material/play_arrow:", disabled=bool(draft.obstacles), width="stretch"
        )
        with st.popover("Copy link", icon=":material/link:", disabled=draft.spec is None):
            if draft.spec is not None:
                st.caption("Opens the lab with exactly this setup. Uploaded pictures are not part of it.")
                st.code(location.link(draft.spec), language=None, wrap_lines=True)
    if draft.spec is None:
        return
    st.caption(":material/timer: " + preflight.estimate(draft.spec, session.store()))
    if not draft.obstacles:
        compare_start.offer(draft.spec)
    if pressed and not is_under_way(draft.spec):
        submit(draft.spec)


def is_under_way(spec: AuditSpec) -> bool:
    """Whether the run that is looked at is this very one: a double click asks for one run, not two."""
    run = session.selected_run()
    return run is not None and not run.status.is_over and run.spec == spec


def submit(spec: AuditSpec) -> None:
    try:
        session.select_run(session.store().submit(spec))
    except (ValueError, StoreError) as error:
        st.error(str(error), icon=":material/block:")
