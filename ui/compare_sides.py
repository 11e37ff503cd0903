"""The runs of a comparison as the store has them now; what does not change again is read once in a session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import streamlit as st

from gia_core.store import Frame, Run

from . import compare_setups, session
from .history import History, Point

MEMORY = "compared runs"


@dataclass
class Memory:
    """What a session keeps of a run, so that each turn reads only what is new."""

    history: History = field(default_factory=History)
    truth: bytes | None = None
    kept: list[tuple[int, int]] = field(default_factory=list)
    """(seq, iteration) of every kept frame."""
    is_whole: bool = False
    """Whether the run was over when it was last read, so that nothing can follow."""


@dataclass(frozen=True)
class Side:
    """One run among those compared."""

    name: str
    """ "A · no defense": its letter, and what is special about it."""
    run: Run
    history: History
    truth: bytes | None
    kept: list[tuple[int, int]]

    @property
    def letter(self) -> str:
        return self.name[0]

    @property
    def count(self) -> int:
        """Images in its batch."""
        return len((self.history.started or {}).get("labels") or [1])

    @property
    def planned(self) -> int:
        """The last iteration that it may have."""
        last = self.kept[-1][1] if self.kept else 0
        if self.run.status.is_over or self.history.last is None:
            return last
        return max(last, self.history.last.iterations)

    def frame(self, at: int | None) -> Frame | None:
        """The last picture kept by then; the first one where all came later, the newest one for None."""
        before = [seq for seq, iteration in self.kept if at is None or iteration <= at]
        seq = before[-1] if before else self.kept[0][0] if self.kept else None
        try:
            return None if seq is None else session.store().frame(self.run.id, seq)
        except KeyError:  # deleted since it was read; the next turn says so
            return None

    def point(self, frame: Frame | None) -> Point | None:
        """The numbers that belong to a picture."""
        return None if frame is None else self.history.at(frame.iteration)


def read(run_ids: Sequence[str]) -> tuple[list[Side], list[str]]:
    """Every run that there is, and the ids of those that there are not."""
    memory = remembered(run_ids)
    runs, gone = [], []
    for run_id in run_ids:
        try:
            run = session.store().run(run_id)
            refresh(run, memory[run_id])
            runs.append(run)
        except KeyError:
            gone.append(run_id)
    names = compare_setups.names([run.spec for run in runs])
    held = [memory[run.id] for run in runs]
    sides = [Side(n, run, m.history, m.truth, m.kept) for n, run, m in zip(names, runs, held, strict=True)]
    return sides, gone


def remembered(run_ids: Sequence[str]) -> dict[str, Memory]:
    """What this session knows of these runs; it forgets all others."""
    before: dict[str, Memory] = st.session_state.get(MEMORY, {})
    now = {run_id: before.get(run_id) or Memory() for run_id in run_ids}
    st.session_state[MEMORY] = now
    return now


def refresh(run: Run, memory: Memory) -> None:
    """Read what is new. Raises KeyError where the run was deleted meanwhile."""
    if memory.is_whole:
        return
    store = session.store()
    memory.history.add(store.events(run.id, after=memory.history.seq))
    memory.kept = store.frames(run.id)
    memory.truth = memory.truth or store.truth(run.id)
    memory.is_whole = run.status.is_over


def positions(sides: Sequence[Side]) -> list[int]:
    """Every iteration of which some run has kept a picture."""
    return sorted({iteration for side in sides for _, iteration in side.kept})


def same_pictures(sides: Sequence[Side]) -> bool | None:
    """Whether the private batches are equal, pixel by pixel; None as long as one of them is not known."""
    truths = [side.truth for side in sides]
    return None if None in truths else len(set(truths)) == 1
