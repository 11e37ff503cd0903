"""What would help: a setup held against a published rubric, with what was measured of it."""

import streamlit as st

from ui import advice, location

location.arrive()

st.title("Advisor", anchor=False)
st.caption("Holds a setup against a rubric from published work, and shows what was measured of each point here.")
spec = st.session_state[location.DRAFT] or st.session_state[location.SEED]
advice.draw(spec)
location.write(spec)
