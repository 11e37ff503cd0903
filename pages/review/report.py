"""A report of one run or several, as a file to hand on; and runs that others handed on."""

import streamlit as st

from ui import report_choice

st.title("Report", anchor=False)
report_choice.draw()
