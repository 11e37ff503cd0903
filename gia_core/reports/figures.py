"""What runs recorded → Plotly figures as plain JSON, each with itself in words and a table of its numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .. import titles
from .subject import Subject
from .tables import Table

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito's, which color-blind readers tell apart; dash and marker differ too."""
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
MARKERS = ("circle", "square", "diamond", "triangle-up", "x", "cross")
MOST_CURVES = len(COLORS)
"""Runs of which curves can be told apart in one chart."""
MAX_POINTS = 250
"""Points in one curve."""
ROWS = 12
"""Rows of a curve's table; the bundle has them all."""
GUESS = "#555555"


@dataclass(frozen=True)
class Figure:
    """``data`` and ``layout`` as Plotly.js takes them."""

    title: str
    alt: str
    """The figure in words."""
    data: list[dict[str, Any]]
    layout: dict[str, Any]
    table: Table


@dataclass(frozen=True)
class Point:
    """One recorded iteration; None where there is no number."""

    iteration: int
    closest: float | None
    """PSNR of the image that is closest to its original."""
    loss: float | None
    """The total that the attack minimizes."""


def figures(subjects: Sequence[Subject], names: Sequence[str]) -> list[Figure]:
    """As many as there is something to draw for; no curves where there are too many runs to tell them apart."""
    found = [scores(subjects, names)] if any(subject.count for subject in subjects) else []
    curves = {name: points(subject) for subject, name in zip(subjects, names, strict=True)}
    curves = {name: line for name, line in curves.items() if len(line) > 1}
    if 1 <= len(curves) <= MOST_CURVES:
        found.append(progress(curves, "closest", "Quality of the closest image along the run", "PSNR (dB)", log=False))
        if any(point.loss is not None for line in curves.values() for point in line):
            found.append(progress(curves, "loss", "Loss along the run", "Loss (log scale)", log=True))
    return found


def points(subject: Subject) -> list[Point]:
    """Evenly thinned, the first and the last among them."""
    bodies = [event.body for event in subject.events if event.body["kind"] == "progress"]
    step = max(1, math.ceil(len(bodies) / MAX_POINTS))
    kept = bodies[::step] + (bodies[-1:] if (len(bodies) - 1) % step else [])
    return [point(body) for body in kept if body.get("iteration") is not None]


def point(body: dict[str, Any]) -> Point:
    psnr = [value for value in (body.get("scores") or {}).get("psnr") or () if value is not None]
    losses = body.get("losses") or {}
    loss = losses.get("total", next(iter(losses.values()), None))
    return Point(
        body["iteration"],
        max(psnr, default=None),
        loss if loss is not None and loss > 0 else None,
    )


def progress(curves: dict[str, list[Point]], measure: str, title: str, axis: str, *, log: bool) -> Figure:
    """One curve for each run over its iterations."""
    data, rows, ends = [], [], []
    for i, (name, line) in enumerate(curves.items()):
        known = [(p.iteration, value) for p in line if (value := getattr(p, measure)) is not None]
        if not known:
            continue
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers" if len(known) <= 30 else "lines",
                "name": name,
                "x": [x for x, _ in known],
                "y": [float(f"{y:.5g}") for _, y in known],
                "line": {"color": COLORS[i], "dash": DASHES[i], "width": 2},
                "marker": {"symbol": MARKERS[i], "size": 6},
            }
        )
        step = max(1, math.ceil(len(known) / ROWS))
        shown = known[::step] + (known[-1:] if (len(known) - 1) % step else [])
        rows += [(name, f"{x:,}", f"{y:.4g}") for x, y in shown]
        ends.append(f"{name}: from {known[0][1]:.4g} to {known[-1][1]:.4g} after {known[-1][0]:,} iterations")
    scale = {"type": "log", "exponentformat": "power"} if log else {}
    layout = {"xaxis": {"title": {"text": "Iteration"}}, "yaxis": {"title": {"text": axis}, **scale}}
    return Figure(title, f"{title}. {'; '.join(ends)}.", data, layout, Table(title, ("Run", "Iteration", axis), rows))


def scores(subjects: Sequence[Subject], names: Sequence[str]) -> Figure:
    """PSNR of every image of every run, beside the closest blind guess for it."""
    title = "Every image: the reconstruction beside the best blind guess"
    found: dict[str, list[tuple[str, float, str]]] = {"Reconstruction": [], "Best blind guess": []}
    rows = []
    for subject, name in zip(subjects, names, strict=True):
        for index, guess in enumerate(subject.guesses):
            psnr, image = subject.scores["psnr"][index], f"image {index + 1}"
            place, words = (name, f"{name}, {image}") if len(subjects) > 1 else (image, image)
            for kind, value in (("Reconstruction", psnr), ("Best blind guess", guess)):
                if value is not None:
                    found[kind].append((place, value, words))
            rows.append((words, titles.number(psnr, "psnr"), titles.number(guess, "psnr")))
    styles = {"Reconstruction": (COLORS[0], "circle"), "Best blind guess": (GUESS, "line-ew-open")}
    data = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": kind,
            "x": [x for x, _, _ in marks],
            "y": [round(y, 3) for _, y, _ in marks],
            "text": [words for _, _, words in marks],
            "hovertemplate": "%{text}: %{y} dB<extra></extra>",
            "marker": {"color": styles[kind][0], "symbol": styles[kind][1], "size": 9, "line": {"width": 2}},
        }
        for kind, marks in found.items()
    ]
    layout = {
        "xaxis": named([x for x, _, _ in found["Reconstruction"]], "Run" if len(subjects) > 1 else "Image"),
        "yaxis": {"title": {"text": "PSNR (dB), higher is closer"}},
    }
    best = max((y for _, y, _ in found["Reconstruction"]), default=None)
    alt = f"{title}. The closest of {titles.plural(len(rows), 'image')} reached {titles.number(best, 'psnr')}."
    return Figure(title, alt, data, layout, Table(title, ("Image", "Reconstruction", "Best blind guess"), rows))


def named(places: Sequence[str], title: str) -> dict[str, Any]:
    """An axis whose places have names, with their numbers under it: the names would leave no room for the figure."""
    numbers = {place: place.removeprefix("image ").partition(" · ")[0] for place in places}
    return {
        "type": "category",
        "title": {"text": title},
        "tickvals": list(numbers),
        "ticktext": list(numbers.values()),
    }
