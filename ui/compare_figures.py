"""What several runs recorded → one chart with a curve for each; pure. ``ui/live_plot.py`` draws it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from typing import Any

from gia_core.titles import HIGHER_IS_CLOSER, METRICS, UNITS, number, short

from .figures import Figure, positive, rounded, series
from .history import History, Point, finite

MAX_POINTS = 250
"""Points in one of up to four curves; they are sent again whenever the slider moves."""
LOSS = "loss"
MEASURES = METRICS | {LOSS: "Loss"}
"""What a curve may show, by the name under which points hold it."""


def measured(histories: Sequence[History]) -> list[str]:
    """The measures that at least one of the runs recorded."""
    points = [history.last for history in histories if history.last is not None]
    return [name for name in MEASURES if any(value(point, name) is not None for point in points)]


def value(point: Point, measure: str) -> float | None:
    """Mean over the batch; the loss is the total that the attack minimizes."""
    if measure != LOSS:
        return point.mean(measure)
    return finite(point.losses.get("total", next(iter(point.losses.values()), None)))


def overlaid(histories: Mapping[str, History], measure: str, *, cursor: int | None) -> Figure:
    """One curve for each run, by its name, over the iterations, and the best blind guesses as lines.

    Runs of different lengths end where they ended; one that was computed in one step is a single point.
    """
    curves, last = [], 0
    for i, (name, history) in enumerate(histories.items()):
        points = history.thinned(MAX_POINTS)
        show = positive if measure == LOSS else rounded
        curves.append(series(i, name, (show(value(p, measure)) for p in points)) | {"x": [p.iteration for p in points]})
        last = max(last, points[-1].iteration if points else 0)
    return {
        "x": [last],
        "series": curves,
        "guides": guides(histories, measure),
        "cursor": cursor,
        "log": measure == LOSS,
        "titles": {"x": "Iteration", "left": axis(measure), "right": None},
        "alt": in_words(histories, measure),
    }


def axis(measure: str) -> str:
    if measure == LOSS:
        return "Loss (log scale)"
    unit = UNITS.get(measure)
    return f"{METRICS[measure]} ({unit})" if unit else METRICS[measure]


def guides(histories: Mapping[str, History], measure: str) -> list[dict[str, Any]]:
    """The best blind guess; of each run, where they are after different pictures."""
    if measure == LOSS:
        return []
    found: dict[tuple[str, float], list[str]] = {}
    for name, history in histories.items():
        best = next(iter(history.blind_guess(measure, higher=HIGHER_IS_CLOSER[measure]).items()), None)
        if best is not None:
            found.setdefault((best[0], round(best[1], 3)), []).append(name.partition(" ")[0])
    return [
        {"label": f"blind guess ({guess.replace('-', ' ')}){whose(who, among=found)}", "y": level}
        for (guess, level), who in found.items()
    ]


def whose(letters: Sequence[str], *, among: Sized) -> str:
    """Nothing where there is one line for all."""
    return f" for {', '.join(letters)}" if len(among) > 1 else ""


def in_words(histories: Mapping[str, History], measure: str) -> str:
    """The chart for those who cannot see it."""
    ends = [
        f"{name}: {told(value(history.last, measure), measure)} after {history.last.iteration:,}"
        for name, history in histories.items()
        if history.last is not None
    ]
    what = "Loss" if measure == LOSS else f"Quality, mean {METRICS[measure]}"
    return f"{what} by iteration. {'; '.join(ends)}." if ends else f"{what}: nothing recorded yet."


def told(found: float | None, measure: str) -> str:
    return short(found) if measure == LOSS else number(found, measure)


def by_iteration(histories: Mapping[str, History], measure: str, *, rows: int) -> list[list[str]]:
    """The chart as a table: the iteration, then what each run had reached by then; a dash before it began."""
    moments = sorted({p.iteration for history in histories.values() for p in history.thinned(rows)})
    step = -(-len(moments) // rows) or 1
    kept = sorted({*moments[::step], *moments[-1:]})
    return [
        [f"{at:,}", *(told(reached(history, at, measure), measure) for history in histories.values())] for at in kept
    ]


def reached(history: History, iteration: int, measure: str) -> float | None:
    """What a run had at an iteration; None where it had not begun or had already ended."""
    if not history.points or not history.points[0].iteration <= iteration <= history.points[-1].iteration:
        return None
    point = history.at(iteration)
    return None if point is None else value(point, measure)
