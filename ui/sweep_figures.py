"""What a sweep found → a heat map over two axes, or a curve over one, as Plotly's JSON; pure.

Every mark carries the number of its cell, so that a click on it can open the cell's runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gia_core import titles
from gia_core.sweep_outcome import Outcome, Spread, State

from .compare_figures import axis
from .figures import Figure

WORST, MEDIAN, GUESS = "#D55E00", "#0072B2", "#8A8A8A"
"""Okabe and Ito's colors, and a gray that both themes show; each curve has a dash and a marker of its own too."""
SHORT = {
    State.NOT_APPLICABLE: "n/a",
    State.FAILED: "failed",
    State.MISSING: "missing",
    State.WAITING: "waiting",
    State.RUNNING: "running",
}
BAR = {"orientation": "h", "thickness": 12, "len": 0.8, "y": 1.02, "yanchor": "bottom", "x": 0.5}
"""The color scale lies over the map: beside it, it would take half of a narrow screen."""
ROW, MARGIN = 84, 160
"""Pixels of the height of a heat map: for each row, and around them."""


def heat_map(
    cells: Sequence[Outcome], words: Sequence[Sequence[str]], names: Sequence[str], metric: str, *, typical: bool
) -> Figure:
    """Two axes: the first one downwards. ``words``: of each value, for each axis; ``names``: of the axes.

    The color is the worst case, or the median where ``typical``; the brighter, the more has leaked.
    """
    higher = titles.HIGHER_IS_CLOSER[metric]
    spreads = [cell.spread(metric, higher=higher) for cell in cells]
    colors = [None if s is None else s.median if typical else s.worst for s in spreads]
    rows, columns = words
    width = len(columns)
    grid = [colors[at : at + width] for at in range(0, len(cells), width)]
    level = guess_level(spreads, typical=typical)
    limits = extent([*colors, level])
    heat = {
        "type": "heatmap",
        "x": list(range(width)),
        "y": list(range(len(rows))),
        "z": grid,
        "zmin": limits[0],
        "zmax": limits[1],
        "colorscale": "Cividis",
        "reversescale": not higher,
        "hoverinfo": "skip",
        "xgap": 3,
        "ygap": 3,
        "colorbar": BAR | {"title": {"text": axis(metric), "side": "top"}} | ticks(limits, level, metric),
    }
    texts = [written(cell, spread, metric) for cell, spread in zip(cells, spreads, strict=True)]
    inks = [ink(color, limits, higher=higher) for color in colors]
    return {
        "data": [heat, targets(len(cells), width)],
        "layout": {
            "height": MARGIN + ROW * len(rows),
            "margin": {"l": 10, "r": 10, "t": 10, "b": 10},
            "showlegend": False,
            "dragmode": False,
            "clickmode": "event+select",
            "xaxis": scale(names[1], columns),
            "yaxis": scale(names[0], rows) | {"autorange": "reversed"},
            "annotations": [label(number, width, texts[number], inks[number]) for number in range(len(cells))],
        },
    }


def scale(name: str, words: Sequence[str]) -> dict[str, Any]:
    """Values at equal distances, whatever they are."""
    return {
        "title": {"text": name},
        "tickmode": "array",
        "tickvals": list(range(len(words))),
        "ticktext": list(words),
        "range": [-0.5, len(words) - 0.5],
        "automargin": True,
        "showgrid": False,
        "zeroline": False,
        "fixedrange": True,
    }


def targets(count: int, width: int) -> dict[str, Any]:
    """What a click on a cell hits: Plotly selects no cells of a heat map, but it does select invisible marks."""
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [number % width for number in range(count)],
        "y": [number // width for number in range(count)],
        "customdata": list(range(count)),
        "marker": {"size": 60, "symbol": "square", "opacity": 0},
        "selected": {"marker": {"opacity": 0}},
        "unselected": {"marker": {"opacity": 0}},
        "hoverinfo": "none",
    }


def label(number: int, width: int, text: str, color: str | None) -> dict[str, Any]:
    """The text in a cell, in the theme's own color where it is None."""
    place = {"x": number % width, "y": number // width, "text": text, "showarrow": False}
    return place if color is None else place | {"font": {"color": color}}


def ink(color: float | None, limits: tuple[float, float], *, higher: bool) -> str | None:
    """White on the dark half of the scale, black on the bright one; the theme's own where a cell has no color."""
    if color is None:
        return None
    low, high = limits
    share = (color - low) / (high - low)
    return "#000000" if (share if higher else 1 - share) > 0.5 else "#ffffff"


def written(cell: Outcome, spread: Spread | None, metric: str) -> str:
    """What stands in a cell: the worst case, the median, and how far it has come where it is not done."""
    state = progress(cell)
    if spread is None:
        return state
    numbers = [titles.number(value, metric).removesuffix(" dB") for value in (spread.worst, spread.median)]
    notes = ["≤ guess"] if better_than_guess(spread, metric) is False else []
    return "<br>".join([f"<b>{numbers[0]}</b>", numbers[1], *notes, *([state] if state else [])])


def progress(cell: Outcome) -> str:
    """Nothing where all is done."""
    if cell.state is State.DONE:
        return ""
    word = SHORT[cell.state]
    return word if len(cell.wanted) < 2 else f"{word}<br>{cell.count(State.DONE)} of {len(cell.wanted)}"


def better_than_guess(spread: Spread, metric: str) -> bool | None:
    """Whether the worst case is closer than a blind guess; None where that is not known."""
    if spread.guess_worst is None:
        return None
    sign = 1 if titles.HIGHER_IS_CLOSER[metric] else -1
    return sign * (spread.worst - spread.guess_worst) > 0


def guess_level(spreads: Sequence[Spread | None], *, typical: bool) -> float | None:
    """The best blind guess of all cells, which the color scale marks."""
    levels = [s.guess_median if typical else s.guess_worst for s in spreads if s is not None]
    found = sorted(level for level in levels if level is not None)
    return found[len(found) // 2] if found else None


def extent(values: Sequence[float | None]) -> tuple[float, float]:
    """Ends of the color scale, which are never the same."""
    known = [value for value in values if value is not None] or [0.0]
    low, high = min(known), max(known)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def ticks(limits: tuple[float, float], level: float | None, metric: str) -> Figure:
    """The color scale with the blind guess drawn in, and with those of its ends that leave room for that."""
    low, high = limits
    room = 0.4 * (high - low)
    named = {end: titles.number(end, metric) for end in limits if level is None or abs(end - level) > room}
    if level is not None:
        named[level] = f"blind guess {titles.number(level, metric)}"
    return {"tickmode": "array", "tickvals": list(named), "ticktext": list(named.values()), "ticks": "inside"}


def curve(cells: Sequence[Outcome], words: Sequence[str], name: str, metric: str, *, ordered: bool) -> Figure:
    """One axis: the worst case, the median with the middle half of the images, and the best blind guess.

    Values that are ``ordered`` are joined by lines.
    """
    higher = titles.HIGHER_IS_CLOSER[metric]
    spreads = [cell.spread(metric, higher=higher) for cell in cells]
    mode = "lines+markers" if ordered else "markers"
    traces = [
        line("worst case", [None if s is None else s.worst for s in spreads], mode, WORST, "solid", "circle"),
        line(
            "median, middle half of the images",
            [None if s is None else s.median for s in spreads],
            mode,
            MEDIAN,
            "dash",
            "square",
        )
        | {"error_y": interval(spreads)},
        line(
            "best blind guess, worst case",
            [None if s is None else s.guess_worst for s in spreads],
            mode,
            GUESS,
            "dot",
            "x",
        ),
    ]
    notes = [
        {"x": at, "y": 0.02, "yref": "paper", "text": progress(cell), "showarrow": False, "yanchor": "bottom"}
        for at, cell in enumerate(cells)
        if progress(cell)
    ]
    return {
        "data": traces,
        "layout": {
            "height": 420,
            "margin": {"l": 10, "r": 10, "t": 10, "b": 10},
            "dragmode": False,
            "clickmode": "event+select",
            "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
            "xaxis": scale(name, words),
            "yaxis": {"title": {"text": axis(metric)}, "automargin": True, "fixedrange": True},
            "annotations": notes,
        },
    }


def line(name: str, values: Sequence[float | None], mode: str, color: str, dash: str, symbol: str) -> dict[str, Any]:
    """One curve; the places of its points are the numbers of the cells."""
    return {
        "type": "scatter",
        "name": name,
        "mode": mode,
        "x": list(range(len(values))),
        "y": list(values),
        "customdata": list(range(len(values))),
        "line": {"color": color, "dash": dash},
        "marker": {"color": color, "symbol": symbol, "size": 10},
        "unselected": {"marker": {"opacity": 1}},
    }


def interval(spreads: Sequence[Spread | None]) -> dict[str, Any]:
    """From the lower to the upper quartile."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [None if s is None else s.quartiles[1] - s.median for s in spreads],
        "arrayminus": [None if s is None else s.median - s.quartiles[0] for s in spreads],
        "color": MEDIAN,
    }


HEADER = ("Worst case", "Median", "Middle half", "Blind guess, worst", "Blind guess, median", "Images", "Runs")


def row(cell: Outcome, metric: str) -> list[str]:
    """A cell in numbers, under ``HEADER``."""
    spread = cell.spread(metric, higher=titles.HIGHER_IS_CLOSER[metric])
    if spread is None:
        return ["—"] * (len(HEADER) - 1) + [runs_in_words(cell)]
    low, high = spread.quartiles
    return [
        titles.number(spread.worst, metric),
        titles.number(spread.median, metric),
        f"{titles.number(low, metric)} to {titles.number(high, metric)}",
        titles.number(spread.guess_worst, metric),
        titles.number(spread.guess_median, metric),
        f"{spread.images:,}",
        runs_in_words(cell),
    ]


def runs_in_words(cell: Outcome) -> str:
    """How many of a cell's runs have come how far, and how many were there before."""
    if cell.planned.reason is not None:
        return f"not applicable: {cell.planned.reason}"
    states = (State.DONE, State.RUNNING, State.WAITING, State.FAILED, State.MISSING)
    found = [f"{count} {state}" for state in states if (count := cell.count(state))]
    reused = sum(each.reused for each in cell.wanted)
    return ", ".join(found) + (f" ({reused} taken from the store)" if reused else "")


def in_words(cells: Sequence[Outcome], metric: str) -> str:
    """The figure for those who cannot see it."""
    higher = titles.HIGHER_IS_CLOSER[metric]
    worst = [s.worst for cell in cells if (s := cell.spread(metric, higher=higher)) is not None]
    if not worst:
        return "Sweep: nothing is done yet."
    low, high = titles.number(min(worst), metric), titles.number(max(worst), metric)
    return (
        f"Sweep: worst-case {titles.METRICS[metric]} of {len(worst)} of {len(cells)} cells, from {low} to {high}. "
        "The table below has every cell."
    )
