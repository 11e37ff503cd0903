"""From a sweep to queued runs: what is still missing is asked for, or taken from the store."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import streamlit as st

from gia_core import titles
from gia_core.store import Run, StoreError
from gia_core.sweep import Planned, SweepSpec, key, plan
from gia_core.sweep_outcome import Outcome, State, Wanted, outcomes

from . import controls, preflight, session

KNOWN = "sweep-known"
"""Runs that are over, with their last events: they never change, so a session reads each of them once."""
AGAIN = (State.MISSING, State.FAILED)


def read(sweep_id: str, planned: Sequence[Planned]) -> list[Outcome]:
    """How far every cell has come. Raises KeyError where there is no such sweep any more."""
    sweeps = session.store().sweeps
    entries = sweeps.entries(sweep_id)
    known: dict[str, tuple[Run, Mapping[str, Any]]] = st.session_state.setdefault(KNOWN, {})
    there = {entry.run_id for entry in entries}
    live = {run.id: run for run in sweeps.runs(there - known.keys())}
    over = [run.id for run in live.values() if run.status.is_over]
    endings = sweeps.endings(over)
    known |= {run_id: (live[run_id], endings.get(run_id, {})) for run_id in over}
    runs = live | {run_id: known[run_id][0] for run_id in there & known.keys()}
    return outcomes(planned, entries, runs, {run_id: known[run_id][1] for run_id in there & known.keys()})


def fill(sweep_id: str, cells: Sequence[Outcome]) -> None:
    """Ask for every run that is missing or failed; where the store has no room, keep what is there and say so."""
    wanted = [(key(cell.cell), each) for cell in cells for each in cell.wanted if each.state in AGAIN]
    done = 0
    try:
        for cell, each in wanted:
            session.store().sweeps.enter(sweep_id, cell, each.spec)
            done += 1
    except (ValueError, StoreError) as error:
        left = titles.plural(len(wanted) - done, "run")
        st.toast(f"{error} The sweep ends with what it has: {left} could not be queued.", icon=":material/block:")
    except KeyError:
        st.toast("This sweep does not exist any more.")


def start(spec: SweepSpec) -> str | None:
    """Keep a sweep and queue all its runs; None, and a word on it, where the store does not take it."""
    try:
        planned = plan(spec, session.settings().home)
        sweep_id = session.store().sweeps.add(spec)
    except (ValueError, StoreError) as error:
        st.toast(str(error), icon=":material/block:")
        return None
    fill(sweep_id, unasked(planned))
    return sweep_id


def extend(sweep_id: str, spec: SweepSpec) -> None:
    """Let a sweep ask for more, and queue that."""
    try:
        session.store().sweeps.extend(sweep_id, spec)
        fill(sweep_id, read(sweep_id, plan(spec, session.settings().home)))
    except (ValueError, StoreError) as error:
        st.toast(str(error), icon=":material/block:")
    except KeyError:
        st.toast("This sweep does not exist any more.")


def unasked(planned: Sequence[Planned]) -> list[Outcome]:
    """Every cell before anything was queued."""
    return [Outcome(each, tuple(Wanted(spec, State.MISSING) for spec in each.specs)) for each in planned]


def stop(cells: Collection[Outcome]) -> None:
    """Stop the sweep's own runs; those that it shares with others go on."""
    for each in {each.run.id: each for cell in cells for each in cell.wanted if each.run is not None}.values():
        if each.run is not None and not each.run.status.is_over and not each.reused:
            controls.attempt(session.store().stop, each.run.id)


def forecast(cells: Sequence[Outcome]) -> str:
    """How many runs the cells still ask for, and how long they may take."""
    store = session.store()
    wanted = [each.spec for cell in cells for each in cell.wanted if each.state in AGAIN]
    known = store.sweeps.known(wanted)
    new = [spec for spec, run_id in zip(wanted, known, strict=True) if run_id is None]
    words = titles.plural(len(wanted), "run")
    if len(new) < len(wanted):
        words += f", of which {len(wanted) - len(new)} are in the store already and are not run again"
    if not new:
        return f"{words}."
    earlier: dict[tuple[str, str, str], list[Run]] = {}
    seconds, unknown = 0.0, 0
    for spec in new:
        names = (spec.attack.name, spec.model.name, spec.dataset.name)
        if names not in earlier:
            earlier[names] = preflight.earlier(spec, store)
        found = preflight.expected(spec, earlier[names])
        seconds, unknown = (seconds, unknown + 1) if found is None else (seconds + found.seconds, unknown)
    if unknown == len(new):
        return f"{words}. First runs of their kind: no estimate of the time yet."
    least = f"At least {titles.duration(seconds)}" if unknown else f"About {titles.duration(seconds)}"
    beside = f"; {titles.plural(unknown, 'run')} of a kind that never ran here come on top" if unknown else ""
    return f"{words}. {least} one after the other, judging by earlier runs{beside}; less where several run at once."
