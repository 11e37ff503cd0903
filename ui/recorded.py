"""What marks the runs that came with GIA Lab."""

from __future__ import annotations

import streamlit as st

from gia_core import gallery
from gia_core.store import Run


def badge(run: Run) -> None:
    """Beside the status of a recorded run; nothing beside that of any other."""
    if gallery.is_recorded(run.id):
        st.badge(
            "recorded", icon=":material/movie:", color="violet", help="It came with GIA Lab and was not made here."
        )
