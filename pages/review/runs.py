"""Every run: filter, sort, open, export, delete."""

import streamlit as st

from ui import run_list

st.title("Runs", anchor=False)
run_list.draw()
