"""The doctor's findings, to read and to copy."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from gia_core.doctor import Check

from .tables import table

SIGNS = {True: "✓ fine", False: "✗ broken", None: "– missing"}


def draw(checks: Sequence[Check]) -> None:
    broken = [check for check in checks if check.ok is False]
    if broken:
        st.error(f"{len(broken)} of {len(checks)} checks found something broken.", icon=":material/error:")
    else:
        st.success("Everything that is essential works.", icon=":material/check_circle:")
    rows = [(check.name, SIGNS[check.ok], check.finding, check.advice or "") for check in checks]
    table(["What", "State", "Found", "What to do"], rows, caption="What was looked at", prose=True)
    with st.expander("As text, to copy into a question", icon=":material/content_copy:"):
        st.code(as_text(checks), language=None, wrap_lines=True)


def as_text(checks: Sequence[Check]) -> str:
    lines = [f"{SIGNS[check.ok]:<12} {check.name}: {check.finding}" for check in checks]
    return "\n".join(lines)
