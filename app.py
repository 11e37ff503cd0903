"""GIA Lab: the pages and their order."""

import streamlit as st

from ui.boot import shell

st.set_page_config(page_title="GIA Lab", page_icon="assets/icon.png", layout="wide")
st.logo("assets/logo.svg", icon_image="assets/icon.png", size="large")
page = st.navigation(
    {
        "Explore": [
            st.Page("pages/explore/lab.py", title="Lab", icon=":material/science:", default=True),
            st.Page("pages/explore/compare.py", title="Compare", icon=":material/compare:"),
            st.Page("pages/explore/sweep.py", title="Sweep", icon=":material/grid_on:"),
            st.Page("pages/explore/priors.py", title="Priors", icon=":material/auto_awesome:"),
            st.Page("pages/explore/utility.py", title="Cost", icon=":material/balance:"),
            st.Page("pages/explore/present.py", title="Present", icon=":material/slideshow:", visibility="hidden"),
        ],
        "Review": [
            st.Page("pages/review/runs.py", title="Runs", icon=":material/photo_library:"),
            st.Page("pages/review/report.py", title="Report", icon=":material/description:"),
            st.Page("pages/review/advisor.py", title="Advisor", icon=":material/shield_question:"),
        ],
        "Learn": [
            st.Page("pages/learn/how_a_gradient_leaks.py", title="How a gradient leaks", icon=":material/water_drop:"),
            st.Page("pages/learn/what_makes_it_hard.py", title="What makes it hard", icon=":material/fitness_center:"),
            st.Page("pages/learn/what_helps.py", title="What helps", icon=":material/health_and_safety:"),
            st.Page("pages/learn/glossary.py", title="Glossary", icon=":material/menu_book:"),
        ],
        "System": [st.Page("pages/system/doctor.py", title="Doctor", icon=":material/stethoscope:")],
    },
    expanded=True,  # more than twelve pages would be folded away
)
shell().draw(page)
