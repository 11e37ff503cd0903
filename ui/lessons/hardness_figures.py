"""What an experiment of the second lesson measured → its figure, its table and the figure in words; pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gia_core import titles
from gia_core.theory.fits import Interval, band
from gia_core.theory.levels import CONTROLS, Level
from gia_core.theory.recorded import Checkpoint
from gia_core.theory.verdicts import between

from ..figures import Figure

ATTACKS = (("#D55E00", "solid", "circle"), ("#E69F00", "longdash", "square"))
"""Color, dash and marker of the first attack's curve and of the second one's: Okabe and Ito's colors."""
ROOT_LINE = ("#0072B2", "dash")
GUESSES = {
    "dataset-mean": ("#009E73", "dot", "x"),
    "another-image": ("#CC79A7", "dashdot", "diamond"),
    "gray": ("#8A8A8A", "longdashdot", "triangle-up"),
}
HEIGHT = 420
STILL = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False}
"""How Plotly is asked to draw a figure: it answers to the pointer, and does not move."""
WHOLE, PIXEL = "of the whole batch", "of one pixel"
"""Which error a figure shows."""
HEADER = ("Error of one pixel", "95 % interval", "Error of the batch", "PSNR", *CONTROLS.values(), "Images")
"""After a column for what is varied."""


def growth(
    curves: Sequence[tuple[str, Sequence[Level]]], words: dict[int, str], axis: str, shown: str, chosen: Level
) -> Figure:
    """Error over the number of unknowns, both logarithmic, with the √ law and the controls.

    ``curves``: the name and the levels of each attack; ``words``: what each number of unknowns is called; ``chosen``:
    the level that the reader looks at.
    """
    whole = shown == WHOLE
    levels = sorted((level for _, found in curves for level in found), key=lambda level: level.unknowns)
    traces = [trace for number, curve in enumerate(curves) for trace in attack(number, *curve, whole=whole)]
    traces += [law(curves[0][1], levels, whole=whole)] if curves[0][1] else []
    traces += [guess(name, levels, [level.unknowns for level in levels], whole=whole) for name in known(levels)]
    traces.append(ring(chosen.unknowns, scaled(chosen, chosen.rmse, whole)))
    layout = frame(f"Error {shown}", axis)
    layout["xaxis"] |= {"type": "log", "tickvals": list(words), "ticktext": list(words.values())}
    layout["yaxis"] |= {"type": "log", "dtick": "D2", "tickformat": "~g"}
    return {"data": traces, "layout": layout}


def change(levels: Sequence[Level], words: Sequence[str], axis: str, chosen: Level, *, ordered: bool) -> Figure:
    """Error of one pixel at every level, at equal distances, with the controls; ``ordered`` values are joined."""
    places = list(range(len(levels)))
    color, dash, symbol = ATTACKS[0]
    mode = "lines+markers" if ordered else "markers"
    values = [level.rmse for level in levels]
    attacked = trace("attack, with the 95 % interval", places, values, mode, color, dash, symbol)
    traces = [attacked | {"error_y": bars(levels, color)}]
    traces += [guess(name, levels, places, whole=False) for name in known(levels)]
    traces.append(ring(levels.index(chosen), chosen.rmse))
    layout = frame(f"Error {PIXEL}", axis)
    layout["xaxis"] |= {"tickvals": places, "ticktext": list(words), "range": [-0.4, len(places) - 0.6]}
    layout["yaxis"] |= {"rangemode": "tozero"}
    return {"data": traces, "layout": layout}


def checkpoints(found: Sequence[Checkpoint]) -> Figure:
    """How far apart the gradients of two pictures are, along one training."""
    places = list(range(len(found)))
    curves = {
        "two pictures of one class": [at.same_class for at in found],
        "two pictures of two classes": [at.other_class for at in found],
    }
    traces = [
        trace(name, places, values, "lines+markers", *style)
        for (name, values), style in zip(curves.items(), ATTACKS, strict=True)
    ]
    layout = frame("1 − cosine, median", "Epochs of training before the attack")
    layout["xaxis"] |= {"tickvals": places, "ticktext": [str(at.epochs) for at in found]}
    layout["yaxis"] |= {"rangemode": "tozero"}
    return {"data": traces, "layout": layout}


def known(levels: Sequence[Level]) -> list[str]:
    """The controls that every level has."""
    return [name for name in GUESSES if levels and all(name in level.controls for level in levels)]


def attack(number: int, name: str, levels: Sequence[Level], *, whole: bool) -> list[dict[str, Any]]:
    """A curve, and behind it the band where the error of other images like these may lie."""
    color, dash, symbol = ATTACKS[number]
    x = [level.unknowns for level in levels]
    curve = trace(name, x, [scaled(level, level.rmse, whole) for level in levels], "lines+markers", color, dash, symbol)
    bands = [(level, found) for level in levels if (found := band(level)) is not None]
    if not bands:
        return [curve]
    low, high = ([scaled(level, found[end], whole) for level, found in bands] for end in (0, 1))
    places = [level.unknowns for level, _ in bands]
    around = {
        "type": "scatter",
        "x": [*places, *reversed(places)],
        "y": [*high, *reversed(low)],
        "fill": "toself",
        "fillcolor": translucent(color),
        "line": {"width": 0},
        "mode": "lines",
        "hoverinfo": "skip",
        "showlegend": False,
    }
    return [around, curve]


def law(first: Sequence[Level], levels: Sequence[Level], *, whole: bool) -> dict[str, Any]:
    """What the first level's error would become if there were nothing but more pixels to get wrong."""
    start = min(first, key=lambda level: level.unknowns)
    x = [level.unknowns for level in levels]
    y = [scaled(level, start.rmse, whole) for level in levels]
    color, dash = ROOT_LINE
    return trace("√ law: only more pixels", x, y, "lines", color, dash, "circle")


def guess(name: str, levels: Sequence[Level], places: Sequence[int], *, whole: bool) -> dict[str, Any]:
    """A control: what a guess that looks at no update gets."""
    color, dash, symbol = GUESSES[name]
    y = [scaled(level, level.control(name).rmse, whole) for level in levels]
    return trace(f"no update: {CONTROLS[name]}", places, y, "lines+markers", color, dash, symbol) | {"opacity": 0.9}


def ring(x: float, y: float) -> dict[str, Any]:
    """Around the point that the reader has chosen."""
    around = trace("chosen", [x], [y], "markers", ATTACKS[0][0], "solid", "circle-open")
    return around | {"marker": around["marker"] | {"size": 18}, "showlegend": False, "hoverinfo": "skip"}


def scaled(level: Level, rmse: float, whole: bool) -> float:
    return rmse * math.sqrt(level.unknowns) if whole else rmse


def trace(
    name: str, x: Sequence[float], y: Sequence[float], mode: str, color: str, dash: str, symbol: str
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "name": name,
        "mode": mode,
        "x": list(x),
        "y": [float(f"{value:.4g}") for value in y],
        "line": {"color": color, "dash": dash, "width": 2},
        "marker": {"color": color, "symbol": symbol, "size": 8},
        "hovertemplate": "%{y:.3g}<extra>%{fullData.name}</extra>",
    }


def bars(levels: Sequence[Level], color: str) -> dict[str, Any]:
    """The 95 % intervals; none where there are too few images."""
    found: list[Interval | None] = [band(level) for level in levels]
    pairs = list(zip(levels, found, strict=True))
    return {
        "type": "data",
        "symmetric": False,
        "array": [0 if one is None else one[1] - level.rmse for level, one in pairs],
        "arrayminus": [0 if one is None else level.rmse - one[0] for level, one in pairs],
        "color": color,
    }


def translucent(color: str) -> str:
    """A color of the form "#D55E00", of which a sixth is left."""
    red, green, blue = (int(color[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, 0.16)"


def frame(error: str, axis: str) -> dict[str, Any]:
    return {
        "height": HEIGHT,
        "margin": {"l": 10, "r": 10, "t": 10, "b": 10},
        "dragmode": False,
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
        "xaxis": {"title": {"text": axis}, "automargin": True, "fixedrange": True, "zeroline": False},
        "yaxis": {"title": {"text": error}, "automargin": True, "fixedrange": True, "zeroline": False},
    }


def row(level: Level, name: str) -> list[str]:
    """A level in numbers, under its name and ``HEADER``."""
    guesses = [f"{level.control(each).rmse:.3f}" if each in level.controls else "—" for each in CONTROLS]
    return [
        name,
        f"{level.rmse:.3f}",
        between(band(level), 3),
        f"{level.error:.2f}",
        titles.number(level.psnr, "psnr"),
        *guesses,
        f"{len(level.errors):,}",
    ]


def in_words(levels: Sequence[Level], names: Sequence[str]) -> str:
    """The figure for those who cannot see it."""
    if not levels:
        return "Error: nothing is measured yet."
    ends = [f"{levels[at].rmse:.3f} for {names[at]}" for at in (0, -1)]
    best = levels[-1].best_control
    guessed = "" if best is None else f"; the best guess without any update has {best:.3f} there"
    return f"Error of one pixel: {' and '.join(dict.fromkeys(ends))}{guessed}. The table below has every number."
