"""What a run recorded → what its two charts show; pure. ``ui/live_plot.py`` draws them.

A figure is plain JSON: ``x``, ``series`` (name, y, its own x where it has one, right axis or not, dash, marker),
``guides`` (dashed lines with a label), ``cursor`` (the iteration that the images show), axis titles and ``alt``, the
figure in words.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from .history import History, Point, finite

Figure: TypeAlias = dict[str, Any]

STYLES = (("solid", "circle"), ("dash", "square"), ("dot", "diamond"), ("dashdot", "triangle-up"), ("longdash", "x"))
"""Dash and marker of the first, second, … curve: nothing is told by color alone."""


def loss_figure(history: History, *, cursor: int | None = None, weighted: bool = False) -> Figure:
    """Every term of the attack's objective and their weighted total, on a logarithmic axis.

    The terms are as measured, or ``weighted``: what each adds to the total.
    """
    points = history.thinned()
    terms = [losses(p, weighted=weighted) for p in points]
    names = list(dict.fromkeys(name for p in points for name in p.losses))
    return {
        "x": [p.iteration for p in points],
        "series": [series(i, name, (positive(t.get(name)) for t in terms)) for i, name in enumerate(names)],
        "guides": [],
        "cursor": cursor,
        "log": True,
        "titles": {"x": "Iteration", "left": f"{'Weighted loss' if weighted else 'Loss'} (log scale)", "right": None},
        "alt": loss_in_words(points, names),
    }


def losses(point: Point, *, weighted: bool) -> dict[str, float]:
    """The terms by name; one whose weight was not recorded is left out of the weighted ones."""
    if not weighted:
        return point.losses
    total = {name: value for name, value in point.losses.items() if name == "total"}
    return total | point.weighted


def quality_figure(history: History, *, cursor: int | None = None) -> Figure:
    """PSNR and SSIM against the truth, which the attacker does not have, above the best blind guesses."""
    points = history.thinned()
    several = any((values := p.scores.get("psnr")) is not None and len(values) > 1 for p in points)
    curves = [series(0, "PSNR mean" if several else "PSNR", (rounded(p.mean("psnr")) for p in points))]
    if several:
        curves.append(series(1, "PSNR best", (rounded(p.highest("psnr")) for p in points)))
    ssim = series(2, "SSIM mean" if several else "SSIM", (rounded(p.mean("ssim")) for p in points))
    guesses = history.blind_guess("psnr", higher=True)
    return {
        "x": [p.iteration for p in points],
        "series": [*curves, ssim | {"right": True}],
        "guides": [{"label": name.replace("-", " "), "y": round(y, 3)} for name, y in guesses.items()],
        "cursor": cursor,
        "log": False,
        "titles": {"x": "Iteration", "left": "PSNR (dB)", "right": "SSIM"},
        "alt": quality_in_words(points, guesses),
    }


def series(index: int, name: str, y: Iterable[float | None]) -> dict[str, Any]:
    dash, marker = STYLES[index % len(STYLES)]
    return {"name": name, "y": list(y), "right": False, "dash": dash, "marker": marker}


def positive(value: float | None) -> float | None:
    """Five digits of what a logarithmic axis can show."""
    return float(f"{value:.5g}") if value is not None and finite(value) is not None and value > 0 else None


def rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")


def loss_in_words(points: list[Point], names: list[str]) -> str:
    if not points:
        return "Loss: nothing recorded yet."
    main = "total" if "total" in names else names[0]
    first, last = points[0].losses.get(main), points[-1].losses.get(main)
    if first is None or last is None:
        return f"Loss over {points[-1].iteration:,} iterations."
    verb = "fell" if last < first else "rose"
    return f"Loss {verb} from {first:.3g} to {last:.3g} over {points[-1].iteration:,} iterations."


def quality_in_words(points: list[Point], guesses: dict[str, float]) -> str:
    mean = points[-1].mean("psnr") if points else None
    if mean is None:
        return "Quality: nothing recorded yet."
    words = f"Quality: mean PSNR {mean:.1f} dB after {points[-1].iteration:,} iterations"
    best = next(iter(guesses.items()), None)
    return f"{words}; the best blind guess, {best[0].replace('-', ' ')}, has {best[1]:.1f} dB." if best else f"{words}."
