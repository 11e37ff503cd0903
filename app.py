"""GIA Lab: the pages and their order."""

import streamlit as st

from ui.boot import shell

st.set_page_config(page_title="GIA Lab", page_icon="assets/icon.png", layout="wide")
st.logo("assets/logo.svg", icon_image="assets/icon.png", size="large")
page = st.navigation(
    {
        "Explore": [st.Page("pages/explore/lab.py", title="Lab", icon=":material/science:", default=True)],
        "Review": [st.Page("pages/review/runs.py", title="Runs", icon=":material/photo_library:")],
        "System": [st.Page("pages/system/doctor.py", title="Doctor", icon=":material/stethoscope:")],
    }
)
shell().draw(page)
