"""What a training recorded → what its two charts show; pure. Figures as in ``ui/figures.py``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .chapters import Chapters
from .figures import Figure, positive, rounded, series

MOST = 400
"""Points of a curve."""


def losses(told: Chapters, *, cursor: int | None = None) -> Figure:
    """What the networks minimize; of an adversarial pair neither curve has to fall."""
    steps = thinned(told.steps)
    names = list(dict.fromkeys(name for step in steps for name in step["losses"]))
    words = f"Loss over {steps[-1]['iteration']:,} steps." if steps else "Loss: nothing recorded yet."
    return {
        "x": [step["iteration"] for step in steps],
        "series": [series(i, n, (positive(s["losses"].get(n)) for s in steps)) for i, n in enumerate(names)],
        "guides": [],
        "cursor": cursor,
        "log": True,
        "titles": {"x": "Step", "left": "Loss (log scale)", "right": None},
        "alt": words,
    }


def distances(told: Chapters, *, cursor: int | None = None) -> Figure:
    """How far samples are from real images, and, once it is over, how far real ones are from each other."""
    looks = thinned(looked(told.steps))
    floor = (told.ended or {}).get("frechet_floor")
    return {
        "x": [look["looked_at"] for look in looks],
        "series": [series(0, "Samples", (rounded(look["frechet"]) for look in looks))],
        "guides": [] if floor is None else [{"label": "two halves of the real images", "y": round(floor, 4)}],
        "cursor": cursor,
        "log": False,
        "titles": {"x": "Step", "left": "Fréchet distance", "right": None},
        "alt": distance_in_words(looks),
    }


def distance_in_words(looks: Sequence[dict[str, Any]]) -> str:
    if not looks:
        return "Quality: no samples were looked at yet."
    best = min(looks, key=lambda look: look["frechet"])
    return (
        f"Quality: Fréchet distance {looks[-1]['frechet']:.3g} after {looks[-1]['looked_at']:,} steps; "
        f"the lowest was {best['frechet']:.3g} after {best['looked_at']:,}."
    )


def looked(steps: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first of the steps that tell of each look."""
    found: dict[int, dict[str, Any]] = {}
    for step in steps:
        if step.get("frechet") is not None:
            found.setdefault(step["looked_at"], step)
    return list(found.values())


def thinned(steps: Sequence[dict[str, Any]], most: int = MOST) -> list[dict[str, Any]]:
    """Evenly spread, the last one among them."""
    stride = -(-len(steps) // most) or 1
    return list(steps[::-stride][::-1])
