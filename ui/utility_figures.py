"""What a utility experiment recorded → its chart; pure. Figures as in ``ui/figures.py``."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from gia_core.utility.outcome import ARMS

from .chapters import Chapters
from .figures import Figure, series

Curve = dict[str, Any]


def accuracy(told: Chapters) -> Figure:
    """Accuracy of both arms over the rounds: the mean over the seeds at the best learning rate, and all between."""
    shown = {arm: at_best_rate(told, arm) for arm in ARMS}
    curves = [banded(index, arm, shown[arm]) for index, arm in enumerate(ARMS) if shown[arm]]
    chance = (told.began or {}).get("chance")
    return {
        "x": max((curve["x"] for curve in curves), key=len, default=[]),
        "series": curves,
        "guides": [] if chance is None else [{"label": "always guessing the most frequent class", "y": chance}],
        "cursor": None,
        "log": False,
        "titles": {"x": "Round", "left": "Accuracy", "right": None},
        "alt": in_words(curves),
    }


def latest(told: Chapters) -> list[Curve]:
    """Every training so far."""
    found: list[Curve] = (told.ended or told.last or {}).get("curves") or []
    return found


def best_rate(told: Chapters, arm: str) -> float | None:
    """The learning rate that was chosen, or is the best so far."""
    if told.ended is not None:
        rate: float | None = told.ended["scores"]["arms"][arm]["learning_rate"]
        return rate
    return ((told.last or {}).get("rates") or {}).get(arm)


def at_best_rate(told: Chapters, arm: str) -> list[Curve]:
    """The arm's trainings at that rate; before any is complete, the one that is under way."""
    mine = [curve for curve in latest(told) if curve["arm"] == arm and curve["rounds"]]
    rate = best_rate(told, arm)
    if rate is None:
        return mine[-1:]
    return [curve for curve in mine if curve["learning_rate"] == rate]


def banded(index: int, arm: str, curves: Sequence[Curve]) -> dict[str, Any]:
    """The mean at every round that all complete curves reached, with the lowest and the highest of them."""
    full = [curve for curve in curves if curve["complete"]] or list(curves)
    rounds = max((curve["rounds"] for curve in full), key=len)
    values = list(zip(*(curve["accuracy"] for curve in full), strict=False))
    drawn = series(index, arm, [round(fmean(at), 4) for at in values]) | {"x": rounds[: len(values)]}
    return drawn | {"band": [[min(at) for at in values], [max(at) for at in values]]} if len(full) > 1 else drawn


def in_words(curves: Sequence[dict[str, Any]]) -> str:
    if not curves:
        return "Accuracy: nothing was measured yet."
    ends = " and ".join(f"{curve['y'][-1]:.0%} {curve['name']}" for curve in curves)
    return f"Accuracy: {ends} after {curves[-1]['x'][-1]} rounds."
