"""Beside what leaks through a defense: what the defense costs the model, measured or to be asked."""

from __future__ import annotations

import streamlit as st

from gia_core.reports import protections
from gia_core.store import Run
from gia_core.utility import UtilitySpec
from gia_core.utility.spec import of_audit

from . import address, kinds, session, utility

QUESTION = "What does this defense cost the model?"


def draw(audit: Run) -> None:
    """Nothing where the audit has no defense."""
    if audit.spec is None or not audit.spec.defenses:
        return
    asked = of_audit(audit.spec)
    known = measured(asked)
    with st.container(border=True, key="utility"):
        st.markdown("**Cost of the defense**")
        if known is not None and known.scores:
            st.markdown(known.scores["sentence"])
            st.page_link(kinds.UTILITY, label="Open", icon=":material/balance:", query_params={address.RUN: known.id})
        else:
            offer(asked)


def measured(asked: UtilitySpec) -> Run | None:
    """The newest experiment with an answer to the same question, at whatever budget."""
    return protections.measured(session.store(), asked)


def offer(asked: UtilitySpec) -> None:
    """The button; disabled, with the reason, where the experiment is not possible."""
    objections = asked.objections(session.settings().home)
    st.caption(
        "How well a network learns with and without it was not measured yet: a training experiment of its own, a few "
        "minutes for a small network."
    )
    for objection in objections[:1]:
        st.caption(f":material/block: {objection.reason}")
    if st.button(QUESTION, icon=":material/balance:", disabled=bool(objections), key="ask-utility"):
        utility.start(asked)
