"""One slider over everything that a run has kept, or several: a components-v2 component around an input of type range.

Streamlit's own slider waits a fifth of a second before it tells where it is, and its steps are all alike. This one
tells at once, but never more often than the page can draw, and its arrow keys lead from one kept moment to the next.
What is over can be played: its button moves the slider on, so that pictures, curves and numbers follow together.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

HTML = """
<div class="shared-slider">
  <button type="button" class="play"><span aria-hidden="true"></span></button>
  <label><span class="what"></span><input type="range" min="0" step="any"></label><output></output>
</div>
"""
STYLE = """
.shared-slider { display: flex; align-items: center; gap: 0.9rem; font-size: 0.9rem; }
.shared-slider label { flex: 1; display: flex; align-items: center; gap: 0.9rem; }
.shared-slider input {
  flex: 1; min-width: 6rem; height: 1.6rem; accent-color: var(--st-primary-color); cursor: pointer;
}
.shared-slider .what { white-space: nowrap; }
.shared-slider output { min-width: 9em; font-variant-numeric: tabular-nums; }
.shared-slider .play {
  width: 2.3rem; height: 2.3rem; flex: none; border-radius: 50%; border: 0; cursor: pointer; font-size: 1rem;
  line-height: 1; background: var(--st-primary-color); color: #fff;
}
.shared-slider .play[hidden] { display: none; }
.shared-slider .play:focus-visible, .shared-slider input:focus-visible {
  outline: 2px solid var(--st-primary-color); outline-offset: 2px;
}
"""
SCRIPT = Path(__file__).with_name("shared_slider.js").read_text()
TO_PLAY = "runs to be played"
"""Key of the slider that begins to play by itself as soon as it is on the page."""

_mount = st.components.v2.component("gia.shared_slider", html=HTML, css=STYLE, js=SCRIPT)


def shared_slider(
    positions: Sequence[int],
    *,
    most: int,
    live: bool,
    key: str,
    label: str = "All runs at",
    shortcut: str | None = None,
) -> int | None:
    """The iteration that the slider stands at; None at its end, which is the newest there is, however far that goes.

    ``positions``: the iterations that can be shown, in order, at least one; ``most``: the last one planned;
    ``shortcut``: a letter that plays and pauses wherever the focus is.
    """
    at = (st.session_state.get(key) or {}).get("at")
    plays = not live and len(positions) > 1
    begins = plays and at is None and st.session_state.get(TO_PLAY) == key
    if begins:
        at = positions[0]
    elif st.session_state.get(TO_PLAY) == key:
        del st.session_state[TO_PLAY]
    data = {
        "positions": list(positions),
        "most": max(most, positions[-1]),
        "live": live,
        "at": at,
        "label": label,
        "plays": plays,
        "begins": begins,
        "shortcut": shortcut,
    }
    # In a list, because Streamlit searches a bare dictionary for data frames, for which it imports pandas.
    _mount(key=key, data=[data], on_at_change=lambda: None)
    return at


def play_at_once(key: str) -> None:
    """Let the slider with this ``key`` play from its beginning as soon as it is on the page."""
    st.session_state.pop(key, None)
    st.session_state[TO_PLAY] = key


def play_nothing() -> None:
    """Take that back, where the slider has not begun yet."""
    st.session_state.pop(TO_PLAY, None)
