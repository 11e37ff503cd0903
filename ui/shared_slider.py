"""One slider for several runs: a components-v2 component around an input of type range.

Streamlit's own slider waits a fifth of a second before it tells where it is, and its steps are all alike. This one
tells at once, but never more often than the page can draw, and its arrow keys lead from one kept moment to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

HTML = """
<label class="shared-slider">
  <span>All runs at</span><input type="range" min="0" step="any" aria-label="Iteration of all runs"><output></output>
</label>
"""
STYLE = """
.shared-slider { display: flex; align-items: center; gap: 0.9rem; font-size: 0.9rem; }
.shared-slider input {
  flex: 1; min-width: 6rem; height: 1.6rem; accent-color: var(--st-primary-color); cursor: pointer;
}
.shared-slider span { white-space: nowrap; }
.shared-slider output { min-width: 9em; font-variant-numeric: tabular-nums; }
"""
SCRIPT = Path(__file__).with_name("shared_slider.js").read_text()

_mount = st.components.v2.component("gia.shared_slider", html=HTML, css=STYLE, js=SCRIPT)


def shared_slider(positions: Sequence[int], *, most: int, live: bool, key: str) -> int | None:
    """The iteration that the slider stands at; None at its end, which is the newest there is, however far that goes.

    ``positions``: the iterations that can be shown, in order, at least one; ``most``: the last one planned.
    """
    at = (st.session_state.get(key) or {}).get("at")
    data = {"positions": list(positions), "most": max(most, positions[-1]), "live": live, "at": at}
    # In a list, because Streamlit searches a bare dictionary for data frames, for which it imports pandas.
    _mount(key=key, data=[data], on_at_change=lambda: None)
    return at
