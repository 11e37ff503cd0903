"""What a defense costs: a paired training experiment, followed live, and those there are."""

import streamlit as st

from ui import controls, live, session, utility
from ui.chapters import Chapters

run = utility.arrive()
st.title("Cost of a defense", anchor=False)

with st.container(horizontal=True, key="lab", gap="large"):
    if run is not None:
        with st.container(width=350, key="setup", gap="small"):
            utility.again(run)

    with st.container(key="live"):
        if run is not None:
            controls.draw(run)
            live.follow_as(run, Chapters, utility.draw)
            st.button("Show all experiments", icon=":material/arrow_back:", type="tertiary", on_click=utility.leave)
        else:
            utility.shelf()

session.keeper().want_runner()  # last: nothing that is drawn should wait for the processor that Ray takes to start
