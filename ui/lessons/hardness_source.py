"""Where the numbers of an experiment come from: the reader's own sweep where there is one, else the recorded one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from gia_core import titles
from gia_core.store import StoreError, Sweep
from gia_core.sweep import Planned, SweepSpec, plan
from gia_core.sweep_outcome import Outcome, State, total
from gia_core.theory import recorded
from gia_core.theory.experiments import Experiment
from gia_core.theory.levels import Level, complete
from gia_core.theory.recorded import RecordedGradients, RecordedSweep

from .. import address, kinds, session, sweep_queue


@dataclass(frozen=True)
class Own:
    """The reader's own sweep, and how far it has come."""

    sweep: Sweep
    cells: Sequence[Outcome]

    @property
    def is_live(self) -> bool:
        return bool(total(self.cells, State.RUNNING) + total(self.cells, State.WAITING))


def own(experiment: Experiment) -> Own | None:
    """The newest sweep of exactly this experiment; None where there is none, or where the store cannot be read."""
    store = session.store_or_reason()
    if isinstance(store, StoreError):
        return None
    found = next((one for one in store.sweeps.newest() if one.spec == experiment.sweep), None)
    return None if found is None else looked_at(found, experiment.sweep)


def looked_at(sweep: Sweep, spec: SweepSpec) -> Own | None:
    try:
        return Own(sweep, sweep_queue.read(sweep.id, planned(spec)))
    except KeyError:  # forgotten in this moment
        return None


def planned(spec: SweepSpec) -> list[Planned]:
    return plan(spec, session.settings().home)


def levels(experiment: Experiment, mine: Own | None) -> list[Level]:
    """What there is to show; nothing where no run is done yet, or nothing was recorded."""
    if mine is not None:
        return complete(mine.cells)
    known = recorded.sweep_of(experiment.name)
    return known.levels if known is not None else []


def told(experiment: Experiment, mine: Own | None) -> None:
    """Whose numbers these are, and how far they have come."""
    if mine is None:
        known = recorded.sweep_of(experiment.name)
        if known is None:
            st.info("Nothing was recorded of this experiment; run it yourself.", icon=":material/info:")
        else:
            st.badge("Recorded", icon=":material/inventory_2:", color="gray", help=origin(known))
        return
    runs, done = sum(len(cell.wanted) for cell in mine.cells), total(mine.cells, State.DONE)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.badge("Yours", icon=":material/person:", color="blue", help="Measured by your own sweep on this server.")
        if done < runs:
            st.progress(done / runs, text=f"{done} of {titles.plural(runs, 'run')} done", width=260)
        query = {address.SWEEP: mine.sweep.id}
        st.page_link(kinds.SWEEP, label="Open the sweep", icon=":material/grid_on:", query_params=query)


def origin(known: RecordedSweep) -> str:
    """The provenance of a sweep in one sentence."""
    return f"{titles.plural(runs_of(known), 'run')}. {measured_in(known)}"


def measured_in(known: RecordedSweep | RecordedGradients) -> str:
    """The provenance of anything that was recorded."""
    made = known.provenance
    return (
        f"Measured once, and it comes with GIA Lab: {titles.duration(known.seconds)} on one core of "
        f"{made['processor']}, torch {made['torch']}, commit {str(made['commit'])[:12]}."
    )


def runs_of(known: RecordedSweep) -> int:
    return sum(len(each.specs) for each in planned(known.spec))


def start(spec: SweepSpec) -> None:
    sweep_queue.start(spec)


def offer(experiment: Experiment, mine: Own | None) -> None:
    """The button that starts the experiment, with what it takes; none where it was started already."""
    if mine is not None:
        return
    runs = sum(len(each.specs) for each in planned(experiment.sweep))
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.button(
            "Run this yourself",
            icon=":material/play_arrow:",
            key=f"hardness-run-{experiment.name}",
            on_click=start,
            args=(experiment.sweep,),
        )
        st.caption(
            f"{titles.plural(runs, 'run')}{estimate(experiment)}. What you measure takes the place of the record."
        )


def estimate(experiment: Experiment) -> str:
    known = recorded.sweep_of(experiment.name)
    if known is None:
        return ""
    return f", about {titles.duration(known.seconds)} one after the other, as they took on one core; less side by side"
