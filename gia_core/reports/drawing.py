"""Figures as small SVGs, for paper and for readers without scripts: the same lines, marks and colors, at rest."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from markupsafe import Markup

from .figures import Figure

WIDTH, HEIGHT = 680, 290
"""Of a figure, in pixels where nothing scales it; its legend comes on top."""
LEFT, RIGHT, BOTTOM = 64, 12, 46
LETTER, ROW, SAMPLE = 6.6, 18, 28
"""In the legend: about the width of a letter, the height of a row, the width of the line in front of a name."""
TICKS = 6
MARKED = 8
"""Points of a line that carry its mark: lines can be told apart without their colors."""
LONGEST = 10
"""Letters under a place of an axis."""
INK, GRID = "#1b1f23", "#d5d9de"
DASH = {"dash": "8 5", "dot": "2 4", "dashdot": "8 4 2 4", "longdash": "14 6", "longdashdot": "14 5 2 5"}
MARKS = {
    "circle": "m-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0",
    "square": "m-3.5,-3.5h7v7h-7z",
    "diamond": "m0,-5l5,5l-5,5l-5,-5z",
    "triangle-up": "m0,-5l5,8h-10z",
    "x": "m-4,-4l8,8m0,-8l-8,8",
    "cross": "m-5,0h10m-5,-5v10",
    "line-ew-open": "m-6,0h12",
}
"""As paths around the point where the pen is."""

Trace = dict[str, Any]
Dot = tuple[float, float]


@dataclass(frozen=True)
class Scale:
    """Where a value lies between two ends of an axis."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    """Whether ``low`` and ``high`` are exponents of ten."""

    def at(self, value: float) -> float:
        place = math.log10(value) if self.log else value
        return self.start + (place - self.low) / (self.high - self.low) * (self.end - self.start)

    @property
    def ticks(self) -> list[float]:
        """Round numbers; on a logarithmic axis powers of ten, of which a short one may have a single one."""
        rough = (self.high - self.low) / TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(times * power for times in (1, 2, 5, 10) if times * power >= rough)
        step = max(1.0, step) if self.log else step
        values = [i * step for i in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]
        return [10.0**value for value in values] if self.log else values


def svg(figure: Figure) -> Markup:
    """The figure, and its words for those who cannot see it. Names in it may come from anywhere: they are escaped."""
    entries = list(legend(figure.data)) if len(figure.data) > 1 else []
    top = 8 + ROW * (1 + max((row for _, row, _ in entries), default=-1))
    box = {"viewBox": f"0 0 {WIDTH} {top + HEIGHT}", "font-size": "12", "fill": INK}
    root = Element("svg", {"role": "img", "aria-label": figure.alt, **box})
    for x, row, trace in entries:
        y = 8 + ROW * (row + 0.5)
        curve(root, trace, [(x, y), (x + SAMPLE, y)], [(x + SAMPLE / 2, y)])
        text(root, x + SAMPLE + 6, y + 4, str(trace["name"]), anchor="start")
    up = scale([y for trace in figure.data for y in trace["y"]], top + HEIGHT - BOTTOM, top, log=is_log(figure))
    across, places = horizontal(figure)
    frame(root, figure, across, up)
    for trace in figure.data:
        xs = [places[x] if places else x for x in trace["x"]]
        dots = [(across.at(x), up.at(y)) for x, y in zip(xs, trace["y"], strict=True)]
        curve(root, trace, dots, dots[:: math.ceil(len(dots) / MARKED) or 1] if drawn(trace) else dots)
    return Markup(tostring(root, encoding="unicode"))


def is_log(figure: Figure) -> bool:
    return bool(figure.layout["yaxis"].get("type") == "log")


def drawn(trace: Trace) -> bool:
    """Whether there is a line through its points."""
    return "lines" in trace["mode"]


def legend(data: Sequence[Trace]) -> Iterator[tuple[float, int, Trace]]:
    """Where each trace is named: the distance from the left, and the row."""
    x, row = float(LEFT), 0
    for trace in data:
        width = SAMPLE + 22 + LETTER * len(trace["name"])
        if x > LEFT and x + width > WIDTH:
            x, row = LEFT, row + 1
        yield x, row, trace
        x += width


def scale(values: Sequence[float], start: float, end: float, *, log: bool = False) -> Scale:
    """With a little room on both sides."""
    found = [math.log10(value) if log else value for value in values]
    low, high = min(found, default=0.0), max(found, default=1.0)
    room = 0.06 * (high - low) if high - low > 1e-9 * max(abs(low), abs(high)) else 0.5 * (1 + abs(high))
    return Scale(low - room, high + room, start, end, log)


def horizontal(figure: Figure) -> tuple[Scale, dict[str, int]]:
    """The axis across, and the numbers of its places where they are names."""
    values = [x for trace in figure.data for x in trace["x"]]
    if figure.layout["xaxis"].get("type") != "category":
        return scale(values, LEFT, WIDTH - RIGHT), {}
    places = {name: number for number, name in enumerate(dict.fromkeys(values))}
    return Scale(-0.5, max(1, len(places)) - 0.5, LEFT, WIDTH - RIGHT), places


def frame(root: Element, figure: Figure, across: Scale, up: Scale) -> None:
    """Lines at round values, and what is written beside and under them."""
    for value in up.ticks:
        path(root, f"M{LEFT},{up.at(value):.1f}H{WIDTH - RIGHT}", stroke=GRID)
        text(root, LEFT - 8, up.at(value) + 4, f"{value:g}", anchor="end")
    path(root, f"M{LEFT},{up.start:.1f}H{WIDTH - RIGHT}", stroke=INK)
    for x, words in labels(figure, across):
        path(root, f"M{x:.1f},{up.start:.1f}v4", stroke=INK)
        text(root, x, up.start + 18, words)
    text(root, (LEFT + WIDTH - RIGHT) / 2, up.start + 38, figure.layout["xaxis"]["title"]["text"])
    beside = text(root, 0, 0, figure.layout["yaxis"]["title"]["text"])
    beside.set("transform", f"translate(14 {(up.start + up.end) / 2:.0f}) rotate(-90)")


def labels(figure: Figure, across: Scale) -> Iterator[tuple[float, str]]:
    """Under the axis across: round values, or the words for as many places as there is room for."""
    axis = figure.layout["xaxis"]
    if "ticktext" not in axis:
        yield from ((across.at(value), f"{value:,g}") for value in across.ticks if value >= 0)
    names = [words[:LONGEST] for words in axis.get("ticktext", ())]
    room = LETTER * (2 + max(map(len, names), default=0)) * len(names) / (WIDTH - RIGHT - LEFT)
    for number in range(0, len(names), max(1, math.ceil(room))):
        yield across.at(number), names[number]


def curve(root: Element, trace: Trace, dots: Sequence[Dot], marked: Sequence[Dot]) -> None:
    """A line through the dots, for a trace that has one, and its marks."""
    color = trace["line" if drawn(trace) else "marker"]["color"]
    if drawn(trace) and dots:
        dashed = DASH.get(trace["line"]["dash"], "none")
        joined = "L".join(f"{x:.1f},{y:.1f}" for x, y in dots)
        path(root, f"M{joined}", stroke=color, **{"stroke-width": "2", "stroke-dasharray": dashed})
    mark = MARKS[trace["marker"]["symbol"]]
    d = "".join(f"M{x:.1f},{y:.1f}{mark}" for x, y in marked)
    path(root, d, fill=color, stroke=color, **{"stroke-width": "1.5"})


def path(root: Element, d: str, *, fill: str = "none", **style: str) -> None:
    SubElement(root, "path", {"d": d, "fill": fill, **style})


def text(root: Element, x: float, y: float, words: str, *, anchor: str = "middle") -> Element:
    element = SubElement(root, "text", {"x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor})
    element.text = words
    return element
