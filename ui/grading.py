"""The grade of a setup with everything that has to stand beside it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import streamlit as st

from gia_core import grade, titles
from gia_core.advisor import Setup, formal
from gia_core.advisor.evidence import Evidence, alike, attacked, is_within
from gia_core.grade import Attacked, Grade, Graded
from gia_core.store import Run

from . import kinds, session

BADGES = {
    None: ("gray", ":material/help:", "not graded"),
    Grade.CRITICAL: ("red", ":material/dangerous:", Grade.CRITICAL),
    Grade.HIGH: ("orange", ":material/error:", Grade.HIGH),
    Grade.MEDIUM: ("yellow", ":material/warning:", Grade.MEDIUM),
    Grade.LOW: ("blue", ":material/arrow_downward:", Grade.LOW),
    Grade.FORMAL: ("violet", ":material/functions:", Grade.FORMAL),
}
COUNTED = 30
"""Runs of one setup that a grade counts, those of attackers who knew the defense first."""


def draw(setup: Setup, runs: Sequence[Run]) -> None:
    """The grade for the attacker as declared, and the one for every attacker that was tried."""
    same = [e for e in alike(setup.spec, runs) if not e.differs][:COUNTED]
    declared = [e for e in same if is_within(e.spec.knowledge, setup.spec.knowledge)]
    promised = formal.mechanism(setup)
    with st.container(border=True, key="grade", gap="xsmall"):
        found = graded(declared, promised)
        shown("Grade", found, declared)
        if found.grade is None:
            st.page_link(kinds.LAB, label="Measure it in the lab", icon=":material/science:")
        if len(same) > len(declared):
            shown("Upper bound", graded(same, promised), same)
            st.caption("The upper bound also counts attackers who were granted more than this setup grants.")
        if promised:
            st.caption(f":material/functions: Formal mechanism: {promised}")
        if same and not any(e.is_adaptive for e in same):
            st.caption(
                ":material/warning: Only attackers who did not know the defense were tried: the grade is preliminary."
            )
        st.caption(f"{grade.CAVEAT} {grade.NOT_COUNTED}")


def graded(found: Sequence[Evidence], promised: str | None) -> Graded:
    return grade.grade([outcome(e.run.id) for e in found], formal=promised is not None)


@lru_cache(maxsize=500)
def outcome(run_id: str) -> Attacked:
    """A run that is over never changes again."""
    run = session.store().run(run_id)
    assert run.spec is not None
    return attacked(run, session.store().events(run_id), title=titles.title(type(run.spec.attack)))


def shown(heading: str, found: Graded, counted: Sequence[Evidence]) -> None:
    color, icon, word = BADGES[found.grade]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{heading}**", width="content")
        st.badge(word, color=color, icon=icon)
        if counted:
            st.caption(f"from {titles.plural(len(counted), 'run')} of this very setup", width="content")
    st.markdown(grade.reason(found))
    st.caption(f":material/swap_vert: {grade.outlook(found)}")
