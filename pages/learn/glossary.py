"""Every term that the product uses, explained once."""

import streamlit as st

from ui import glossary

st.title("Glossary", anchor=False)
st.caption("Each term in plain words first, then precisely. Links from other pages lead to the term they use.")
glossary.draw()
