"""Which sweep is shown: from a link, or from those in the store; and what can be done with it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from gia_core import titles
from gia_core.store import Sweep
from gia_core.sweep import Planned, plan
from gia_core.sweep_outcome import Outcome, State, total

from . import address, location, session, sweep_axes, sweep_queue
from .controls import attempt
from .run_list import moment

SHOWN, PICKED = "sweep", "sweep-picked"
"""The id of the sweep that this session looks at."""


def arrive() -> None:
    """Take the sweep that the address names, where this session did not write it itself."""
    query = st.query_params.to_dict()
    if address.SWEEP in query and not location.is_own(query):
        show(query[address.SWEEP])


def show(sweep_id: str | None) -> None:
    st.session_state[SHOWN] = sweep_id


def draw() -> Sweep | None:
    """The title, the choice of a sweep, and the one that is shown; a word where there is none."""
    sweep = selected()
    with st.container(horizontal=True, vertical_alignment="center", key="sweep-head", gap="small"):
        st.title("Sweep", anchor=False, width="stretch")
        with st.popover("Choose a sweep", icon=":material/checklist:"):
            pick(sweep)
        if sweep is not None:
            with st.popover("Share", icon=":material/link:"):
                st.caption("Opens this sweep, live or finished, for everybody who reaches this server.")
                st.code(location.absolute("/", query(sweep)), language=None, wrap_lines=True)
    if sweep is None:
        if st.session_state.get(SHOWN):
            st.info("This sweep does not exist any more; its runs may still be listed under Runs.")
            show(None)
        st.markdown(
            "Many runs from one setup: vary one or two things, and see how much leaks in every combination. "
            "Each run stays an ordinary run that can be opened."
        )
    elif sweep.spec is None:
        st.info("Another version of GIA Lab made this sweep, and this one cannot read it. Its runs are under Runs.")
    return sweep


def selected() -> Sweep | None:
    try:
        return session.store().sweeps.get(st.session_state.get(SHOWN) or "")
    except KeyError:
        return None


def pick(sweep: Sweep | None) -> None:
    """One of the newest sweeps; the one that is shown can be forgotten."""
    newest = {found.id: found for found in session.store().sweeps.newest()}
    if not newest:
        st.caption("There is none yet.")
        return
    st.session_state[PICKED] = sweep.id if sweep is not None and sweep.id in newest else None
    st.selectbox(
        "Sweep",
        list(newest),
        key=PICKED,
        format_func=lambda sweep_id: in_words(newest[sweep_id]),
        on_change=lambda: show(st.session_state[PICKED]),
        placeholder="Choose one",
        width=420,
    )
    if sweep is not None:
        st.button(
            "Forget this sweep", icon=":material/delete:", on_click=forget, args=(sweep.id,), help="Its runs are kept."
        )


def in_words(sweep: Sweep) -> str:
    about = "another version" if sweep.spec is None else sweep_axes.title(sweep.spec.axes)
    return f"{about} · {moment(sweep.created_at)} · {sweep.id}"


def forget(sweep_id: str) -> None:
    attempt(session.store().sweeps.forget, sweep_id)
    show(None)


def query(sweep: Sweep | None) -> dict[str, str]:
    return {address.SWEEP: sweep.id} if sweep is not None else {}


def planned(sweep: Sweep) -> list[Planned]:
    """What every cell asks for here and now: a data set that was fetched since counts."""
    return [] if sweep.spec is None else plan(sweep.spec, session.settings().home)


def controls(sweep: Sweep, cells: Sequence[Outcome]) -> None:
    """Stop what runs, resume what is missing. They stand outside the fragment: no refresh takes a click away."""
    live = total(cells, State.RUNNING) + total(cells, State.WAITING)
    again = total(cells, State.MISSING) + total(cells, State.FAILED)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="sweep-controls"):
        about = sweep_axes.title(sweep.spec.axes) if sweep.spec else ""
        st.markdown(f"## {about}", width="stretch")
        if live:
            help_text = "Ends the runs of this sweep; finished ones stay. Runs that were there before go on."
            st.button("Stop", icon=":material/stop:", on_click=sweep_queue.stop, args=(cells,), help=help_text)
        elif again:
            st.button(
                "Resume",
                icon=":material/play_arrow:",
                on_click=sweep_queue.fill,
                args=(sweep.id, cells),
                help=f"Runs again what is missing, was stopped or failed: {titles.plural(again, 'run')}.",
            )


def write(sweep: Sweep | None) -> None:
    """Put the sweep into the address."""
    location.put(query(sweep))
