"""Lesson 3: what each phase of the defense pipeline leaves to attackers who know of it, and to those who do not."""

import streamlit as st

from ui import glossary, session
from ui.lessons import before_after, page
from ui.lessons.remedies import PHASES

with page.lesson("What helps"):
    pipeline = glossary.link("defense", "Defenses")
    st.markdown(
        f"{pipeline} come in three phases. Choose one in each phase and wipe between the picture that an attack "
        "finds without it and with it. **Not recovered** always means: by this attack, within this budget."
    )
    for phase in PHASES:
        with session.explained():
            before_after.draw(phase)

session.keeper().want_runner()  # last: nothing that is drawn should wait for the processor that Ray takes to start
