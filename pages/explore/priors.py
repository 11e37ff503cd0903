"""Priors: what there is, and how another one is trained, with its samples getting better live."""

import streamlit as st

from ui import controls, live, priors, session
from ui.chapters import Chapters

run = priors.arrive()
st.title("Priors", anchor=False)

with st.container(horizontal=True, key="lab", gap="large"):
    with st.container(width=350, key="setup", gap="small"):
        priors.form()

    with st.container(key="live"):
        if run is not None:
            controls.draw(run)
            live.follow_as(run, Chapters, priors.draw)
            st.button("Show all priors", icon=":material/arrow_back:", type="tertiary", on_click=priors.leave)
        else:
            priors.shelf()

session.keeper().want_runner()  # last: nothing that is drawn should wait for the processor that Ray takes to start
