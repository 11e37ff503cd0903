"""Which of a run's kept frames is shown: one slider moves images, numbers and the cursor in the curves."""

from __future__ import annotations

import streamlit as st

from gia_core.store import Frame, Run

from . import session
from .history import History
from .shared_slider import shared_slider

SCRUBBED = "scrubbed"
"""(run id, iteration) that this session looks at; absent while it follows the live end."""
TRUTH = "truth"


def choose(run: Run, history: History) -> tuple[bytes | None, Frame | None]:
    """The truth, and the frame that the slider is at: by default the newest one."""
    kept = session.store().frames(run.id)
    several = len({at for _, at in kept}) > 1
    truth = truth_of(run.id)
    iteration = None
    with st.container(key="scrubber"):  # there while it is empty too: the charts below it would be mounted anew
        if several:
            iteration = among(run, kept) if run.status.is_over else along(run, history, kept)
    if iteration is None:
        return truth, session.store().latest_frame(run.id)
    before = [seq for seq, at in kept if at <= iteration] or [kept[0][0]]
    return truth, session.store().frame(run.id, before[-1])


def truth_of(run_id: str) -> bytes | None:
    """The private batch never changes, so it is read once."""
    held = st.session_state.get(TRUTH)
    if held is None or held[0] != run_id or held[1] is None:
        held = st.session_state[TRUTH] = (run_id, session.store().truth(run_id))
    return held[1]


def along(run: Run, history: History, kept: list[tuple[int, int]]) -> int | None:
    """A slider over all planned iterations, so that it stays the same while the run grows; None at the live end."""
    planned = history.last.iterations if history.last else kept[-1][1]
    key, newest = f"frame-{run.id}", kept[-1][1]
    if scrubbed(run.id) is None:
        st.session_state[key] = newest
    st.slider(
        "Frame", 0, max(planned, newest, 1), key=key, format="iteration %d", on_change=scrub, args=(run.id, key, newest)
    )
    return scrubbed(run.id)


def among(run: Run, kept: list[tuple[int, int]]) -> int | None:
    """A slider over the kept frames of a run that grows no more, which can be played; None at its end."""
    iterations = list(dict.fromkeys(at for _, at in kept))
    return shared_slider(iterations, most=iterations[-1], live=False, key=slider(run.id), label="Frame")


def slider(run_id: str) -> str:
    """Key of the slider over the frames of a run that is over."""
    return f"kept-{run_id}"


def scrub(run_id: str, key: str, newest: int) -> None:
    """Hold the frame that the slider was moved to; at the newest one, follow the run again."""
    at = st.session_state[key]
    st.session_state[SCRUBBED] = None if at >= newest else (run_id, at)


def scrubbed(run_id: str) -> int | None:
    held = st.session_state.get(SCRUBBED)
    return held[1] if held is not None and held[0] == run_id else None
