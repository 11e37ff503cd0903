"""What this installation has and lacks."""

import streamlit as st

from gia_core import doctor
from ui import health, session

st.title("Doctor", anchor=False)
st.caption(
    "What this installation has, what it lacks, and how to get it. Nothing here names this machine or its folders."
)

checks = doctor.checkup(session.settings(), session.store_or_reason())
health.draw(checks)
