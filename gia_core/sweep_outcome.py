"""What the runs of a sweep say, cell by cell: how far each cell has come, and how its images leaked; pure.

Privacy is about the image that leaked most, so a cell shows its worst case and its median, and never a mean alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median, quantiles
from typing import Any, TypeAlias

from .spec import AuditSpec
from .store import Entry, Run, Status
from .sweep import Cell, Planned, key

Summary: TypeAlias = Callable[[Sequence[float]], float]


class State(StrEnum):
    """How far a cell, or a run that it wants, has come; the words that the screen shows."""

    NOT_APPLICABLE = "not applicable"
    FAILED = "failed"
    MISSING = "missing"
    """Never queued, stopped, or deleted since."""
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"


STATES = {
    Status.QUEUED: State.WAITING,
    Status.RUNNING: State.RUNNING,
    Status.PAUSED: State.RUNNING,
    Status.STOPPING: State.RUNNING,
    Status.STOPPED: State.MISSING,
    Status.FINISHED: State.DONE,
    Status.FAILED: State.FAILED,
}
"""A stopped run had less time than the others: it is no result of the sweep, and resuming it asks for it again."""
BY_PROGRESS = (State.MISSING, State.FAILED, State.WAITING, State.RUNNING, State.DONE)
"""Of several runs of the same spec, the last one in this order counts."""


@dataclass(frozen=True)
class Wanted:
    """One run that a cell asks for, and what became of it."""

    spec: AuditSpec
    state: State
    run: Run | None = None
    """None where there is none."""
    reused: bool = False
    """Whether it was there before the sweep asked for it."""
    baselines: Mapping[str, Any] | None = None
    """Scores of the blind guesses, by their name; None as long as they are not known."""


@dataclass(frozen=True)
class Spread:
    """How one metric is spread over all images of a cell."""

    worst: float
    """Of the image that leaked most."""
    median: float
    quartiles: tuple[float, float]
    """Half of the images lie between them."""
    images: int
    guess_worst: float | None
    """What the best blind guess reaches for one of the images; None where it is not known."""
    guess_median: float | None


@dataclass(frozen=True)
class Outcome:
    """One cell."""

    planned: Planned
    wanted: tuple[Wanted, ...]

    @property
    def cell(self) -> Cell:
        return self.planned.cell

    @property
    def state(self) -> State:
        """What there is to say of the cell first: done only where all its runs are."""
        if self.planned.reason is not None:
            return State.NOT_APPLICABLE
        order = (State.RUNNING, State.FAILED, State.MISSING, State.WAITING, State.DONE)
        return next(state for state in order if self.count(state))

    def count(self, state: State) -> int:
        return sum(each.state is state for each in self.wanted)

    def spread(self, metric: str, *, higher: bool) -> Spread | None:
        """Over the images of all runs that are done; ``higher``: whether a higher value is closer to the truth.

        None where there is none, or where nothing was measured.
        """
        done = [each for each in self.wanted if each.state is State.DONE and each.run is not None]
        values = [value for each in done for value in finite((each.run.scores or {}).get(metric))]  # type: ignore[union-attr]
        if not values:
            return None
        most: Summary = max if higher else min
        guesses = [each.baselines for each in done if each.baselines]
        return Spread(
            worst=most(values),
            median=median(values),
            quartiles=quartiles(values),
            images=len(values),
            guess_worst=best_guess(guesses, metric, most, most),
            guess_median=best_guess(guesses, metric, median, most),
        )


def finite(values: Sequence[float | None] | None) -> list[float]:
    """Those that are numbers: what diverged, and what is not known, is none."""
    return [value for value in values or () if value is not None and math.isfinite(value)]


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    if len(values) == 1:
        return values[0], values[0]
    low, _, high = quantiles(values, n=4, method="inclusive")
    return low, high


def best_guess(
    runs: Sequence[Mapping[str, Any]], metric: str, summary: Summary, most: Callable[[Sequence[float]], float]
) -> float | None:
    """What the best of the blind guesses has, of all images of all runs, in the same summary as the attack."""
    by_name: dict[str, list[float]] = {}
    for baselines in runs:
        for name, scores in baselines.items():
            by_name.setdefault(name, []).extend(finite(scores.get(metric)))
    levels = [summary(values) for values in by_name.values() if values]
    return most(levels) if levels else None


def outcomes(
    planned: Sequence[Planned],
    entries: Sequence[Entry],
    runs: Mapping[str, Run],
    endings: Mapping[str, Mapping[str, Any]],
) -> list[Outcome]:
    """Each cell with its runs: ``runs`` and their last events, ``endings``, by their id, as far as they are known."""
    by_cell: dict[str, list[Entry]] = {}
    for entry in entries:
        by_cell.setdefault(entry.cell, []).append(entry)
    return [
        Outcome(each, tuple(found_for(each.specs, by_cell.get(key(each.cell), ()), runs, endings))) for each in planned
    ]


def found_for(
    specs: Sequence[AuditSpec],
    entries: Sequence[Entry],
    runs: Mapping[str, Run],
    endings: Mapping[str, Mapping[str, Any]],
) -> list[Wanted]:
    """For each spec the run that has come furthest."""
    best: dict[AuditSpec, Wanted] = {}
    for entry in entries:
        run = runs.get(entry.run_id)
        if run is None or run.spec is None:
            continue
        baselines = endings.get(run.id, {}).get("baselines")
        wanted = Wanted(run.spec, STATES[run.status], run, entry.reused, baselines)
        known = best.get(run.spec)
        if known is None or BY_PROGRESS.index(wanted.state) >= BY_PROGRESS.index(known.state):
            best[run.spec] = wanted
    return [best.get(spec, Wanted(spec, State.MISSING)) for spec in specs]


def total(cells: Sequence[Outcome], state: State) -> int:
    """Runs of the whole sweep in this state; cells, where it is about those that are not applicable."""
    if state is State.NOT_APPLICABLE:
        return sum(cell.state is state for cell in cells)
    return sum(cell.count(state) for cell in cells)
