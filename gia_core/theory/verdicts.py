"""What may be said of a fit, in words that everybody understands; pure.

There is no verdict "confirmed": a guess that looks at no update follows the √ law perfectly, so following it shows
nothing about an attack.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ..sweep import Cell
from .fits import Interval, Ratio, RootLine, Slope, power_law, ratio, root_line, unevenness
from .levels import Level

ROOT = 0.5
"""The slope that counting pixels alone gives."""
ROUNDING = 1e-6
"""Where all images err alike, the interval is a single number, and may miss ½ by the last digit."""
FLAT = 1.10
"""Up to a tenth between the largest and the smallest RMSE is called flat."""
FEWEST = 2
"""Levels that a slope takes."""

Named = Callable[[Cell], str]
"""How a cell is called in the middle of a sentence: "8 pictures"."""


class Law(StrEnum):
    """How the error grows with the number of unknowns."""

    TRIVIAL = "trivial"
    WORSE = "worse than √"
    BETTER = "better than √"
    SATURATED = "saturated"
    UNDECIDED = "undecided"
    TOO_LITTLE = "not enough yet"


class Effect(StrEnum):
    """What a change does to the attack where the number of unknowns stays the same."""

    HARDER = "harder"
    EASIER = "easier"
    SAME = "no difference shown"
    SATURATED = "saturated"


@dataclass(frozen=True)
class Growth:
    """The verdict on batch size or resolution, and what it rests on."""

    law: Law
    judged: tuple[Level, ...]
    """Those that are better than a guess; the others cannot tell how an error grows."""
    saturated: tuple[Cell, ...]
    slope: Slope | None
    line: RootLine | None
    unevenness: float | None
    """None, as the fits, where fewer than two levels are judged."""


@dataclass(frozen=True)
class Change:
    """The verdict on one level beside another."""

    cell: Cell
    effect: Effect
    ratio: Ratio


def growth(levels: Sequence[Level]) -> Growth:
    """Section 21.3 of the protocol: trivial if ½ lies in the slope's interval and the RMSE is flat."""
    judged = tuple(level for level in levels if not level.is_saturated)
    saturated = tuple(level.cell for level in levels if level.is_saturated)
    if len({level.unknowns for level in judged}) < FEWEST:
        law = Law.SATURATED if saturated and len(levels) >= FEWEST else Law.TOO_LITTLE
        return Growth(law, judged, saturated, None, None, None)
    slope, uneven = power_law(judged), unevenness(judged)
    return Growth(law_of(slope.interval, uneven), judged, saturated, slope, root_line(judged), uneven)


def law_of(interval: Interval | None, uneven: float) -> Law:
    if interval is None:
        return Law.UNDECIDED
    low, high = interval
    if low > ROOT + ROUNDING:
        return Law.WORSE
    if high < ROOT - ROUNDING:
        return Law.BETTER
    return Law.TRIVIAL if uneven <= FLAT else Law.UNDECIDED


def change(reference: Level, level: Level) -> Change:
    """What the step from ``reference`` to ``level`` did."""
    found = ratio(reference, level)
    return Change(level.cell, Effect.SATURATED if level.is_saturated else effect_of(found.interval), found)


def effect_of(interval: Interval | None) -> Effect:
    if interval is None or interval[0] <= 1 <= interval[1]:
        return Effect.SAME
    return Effect.HARDER if interval[0] > 1 else Effect.EASIER


def growth_in_words(found: Growth, more: str, named: Named) -> str:
    """The verdict as two or three sentences; ``more`` is what grows: "a bigger batch"."""
    parts = [law_in_words(found, more)]
    if found.saturated and found.law is not Law.SATURATED:
        parts.append(saturated_in_words(found.saturated, named))
    return " ".join(parts)


def law_in_words(found: Growth, more: str) -> str:
    match found.law:
        case Law.TOO_LITTLE:
            return "Too few results yet for a verdict."
        case Law.SATURATED:
            return (
                "**Saturated.** The attack is hardly anywhere better than a guess that looks at no update, so whether "
                f"{more} makes it harder cannot be told."
            )
        case Law.TRIVIAL:
            return (
                f"**Trivial.** With {more} there are more pixels to get wrong, and that is all: the error of one pixel "
                "stays the same. A blind guess grows just so; the √ law is counting, not protection."
            )
        case Law.WORSE:
            return (
                f"**Worse than √.** With {more} the error grows faster than the number of pixels explains: every "
                f"single pixel gets worse too, by up to {factor(found.unevenness)}. So it does make this attack "
                "harder, and the √ law is not the reason."
            )
        case Law.BETTER:
            return (
                f"**Better than √.** With {more} the error grows more slowly than the number of pixels: a single pixel "
                "gets better, not worse. So it does not make this attack harder."
            )
        case Law.UNDECIDED:
            return (
                f"**Undecided.** These few images are too different from each other to tell whether {more} makes one "
                "pixel harder; more images or seeds would."
            )


def saturated_in_words(cells: Sequence[Cell], named: Named) -> str:
    return f"Saturated for {listed([named(cell) for cell in cells])}: no better than a guess that looks at no update."


def change_in_words(found: Change, reference: str, name: str) -> str:
    """One sentence on a level; ``reference`` and ``name`` are what the two are called."""
    times = factor(found.ratio.value)
    match found.effect:
        case Effect.SATURATED:
            return f"With {name} the attack is no better than a guess that looks at no update (**saturated**)."
        case Effect.HARDER:
            return f"With {name} the error of a pixel is {times} that with {reference} (**harder**)."
        case Effect.EASIER:
            return f"With {name} the error of a pixel is {times} that with {reference} (**easier**)."
        case Effect.SAME:
            return f"With {name} the error of a pixel is {times} that with {reference} (**no difference shown**)."


def factor(value: float | None) -> str:
    """ "1.83 times"."""
    return "—" if value is None else f"{value:.2f} times"


def listed(words: Sequence[str]) -> str:
    """ "a, b and c"."""
    *head, last = words
    return f"{', '.join(head)} and {last}" if head else last


def between(found: Interval | None, digits: int = 2) -> str:
    """An interval as an expert reads it; a dash where there is none."""
    return "—" if found is None else f"{found[0]:.{digits}f} to {found[1]:.{digits}f}"
