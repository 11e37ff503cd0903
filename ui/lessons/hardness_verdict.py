"""What may be said of an experiment of the second lesson: in plain words, in numbers, and for experts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st

from gia_core import titles
from gia_core.attacker_card import planned_iterations
from gia_core.sweep import Cell
from gia_core.theory import verdicts
from gia_core.theory.experiments import Experiment
from gia_core.theory.fits import power_law, ratio, root_line, unevenness
from gia_core.theory.levels import CONTROLS, Level, same_unknowns
from gia_core.theory.verdicts import between

from .. import sweep_axes
from ..tables import table
from . import hardness_figures as figures

TOO_FEW = "Too few results yet for a verdict."


@dataclass(frozen=True)
class Question:
    """What the lesson says of one experiment."""

    experiment: Experiment
    claim: str
    """What is varied and why it might help: one or two sentences."""
    axis: str
    """What the figure's horizontal axis is called."""
    named: Callable[[Cell], str]
    """A level in the middle of a sentence: "batches of 8"."""
    caveat: str = ""
    """What else one has to know of the setting to read the answer."""
    more: str = ""
    """What grows, in the middle of a sentence: "a bigger batch"; only where the number of unknowns does."""
    beside: Callable[[Sequence[Level]], None] | None = None
    """What else is told with the verdict."""

    def name(self, cell: Cell) -> str:
        """A level in a table or on an axis, where it is said what is varied: "8", "16 px, batch size 4"."""
        first, *rest = self.experiment.sweep.axes
        words = sweep_axes.word(first.of, cell[0])
        return f"{words}, {sweep_axes.in_words(rest, cell[1:])}" if rest else words

    @property
    def setting(self) -> str:
        """What the measurement holds for, as far as it is not varied."""
        setup = self.experiment.sweep.setup
        varied = {axis.of for axis in self.experiment.sweep.axes}
        data = titles.title(type(setup.dataset))
        pictures = data if "dataset.size" in varied else f"{data} of {setup.dataset.image_shape[1]} pixels"
        batches = [] if "batch_size" in varied else [f"{titles.plural(setup.batch_size, 'picture')} at a time"]
        attack = f"{titles.title(type(setup.attack))} with {planned_iterations(setup.attack)} iterations"
        return (
            f"{', '.join([pictures, *batches, titles.title(type(setup.model)), attack, 'labels known'])}. {self.caveat}"
        )

    def curves(self, levels: Sequence[Level]) -> list[tuple[str, list[Level]]]:
        """The attack's levels; where there is a second axis, those of each of its values."""
        axes = self.experiment.sweep.axes[1:]
        found = []
        for rest in dict.fromkeys(level.cell[1:] for level in levels):
            named = f"attack, {sweep_axes.in_words(axes, rest)}" if rest else "attack"
            found.append((named, [level for level in levels if level.cell[1:] == rest]))
        return found


def draw(question: Question, levels: Sequence[Level]) -> None:
    st.markdown("**Verdict**")
    st.markdown("\n\n".join(grown(question, levels) if question.experiment.grows else changed(question, levels)))
    if question.beside is not None:
        question.beside(levels)
    st.caption(f"{question.setting} Found by this attack within this budget: another one may find more.")
    with st.expander("In numbers", key=f"hardness-numbers-{question.experiment.name}"):
        numbers(question, levels)
    with st.expander("For experts", key=f"hardness-experts-{question.experiment.name}"):
        fits(question, levels) if question.experiment.grows else ratios(question, levels)


def grown(question: Question, levels: Sequence[Level]) -> list[str]:
    """One verdict for each curve."""
    lines = []
    for title, found in question.curves(levels):
        said = verdicts.growth_in_words(verdicts.growth(found), question.more, question.named)
        _, has_second_axis, rest = title.partition(", ")
        lines.append(f"{rest[:1].upper()}{rest[1:]}: {said}" if has_second_axis else said)
    return lines


def changed(question: Question, levels: Sequence[Level]) -> list[str]:
    """Every level beside the first one."""
    first, *others = levels
    reference = question.named(first.cell)
    if not others:
        return [TOO_FEW]
    found = [(verdicts.change(first, level), question.named(level.cell)) for level in others]
    lines = [verdicts.change_in_words(step, reference, name) for step, name in found]
    return ["\n".join(f"- {line}" for line in lines)]


def numbers(question: Question, levels: Sequence[Level]) -> None:
    table(
        [question.axis, *figures.HEADER],
        [figures.row(level, question.name(level.cell)) for level in levels],
        caption=f"{question.experiment.question} Errors of pixels between 0, black, and 1, white; "
        f"{', '.join(CONTROLS.values())} are errors of guesses that look at no update",
    )


def fits(question: Question, levels: Sequence[Level]) -> None:
    """The fits, and the same fits on guesses that know nothing."""
    st.markdown(
        "E is ‖x̂ − x*‖₂ of a batch (root mean square over batches), N = B·C·H·W. The slope α of log E over log N is ½ "
        "where the error of one pixel does not change. R² is that of E = a + c·√N: **guesses reach it without any "
        "attack**, so a high one confirms nothing. Intervals: bootstrap over images × seeds."
    )
    rows = [row for title, found in question.curves(levels) for row in fitted(title, found)]
    header = ["", "α", "95 % interval", "R² over √N", "Largest over smallest RMSE"]
    caption = f"{question.axis}: fits of the attack, without saturated levels, and of the guesses"
    table(header, rows, caption=caption)
    if pairs := same_unknowns(levels):
        st.markdown("The same number of unknowns, by resolution or by batch size: a law of dimension alone says 1.")
        table(
            ["Sharper", "More pictures", "Error ratio", "95 % interval"],
            [[question.named(a.cell), question.named(b.cell), *compared(a, b)] for a, b in pairs],
            caption=f"{question.axis}: pairs with the same number of unknowns",
        )


def fitted(title: str, levels: Sequence[Level]) -> list[list[str]]:
    """A row for the attack, and one for each control."""
    found = verdicts.growth(levels)
    rows = [fit_row(title, found.judged, between(found.slope.interval))] if found.slope is not None else []
    if len({level.unknowns for level in levels}) < verdicts.FEWEST:
        return rows
    for name, words in CONTROLS.items():
        if all(name in level.controls for level in levels):
            guesses = [level.control(name) for level in levels]
            rows.append(fit_row(title.replace("attack", words, 1), guesses, "—"))
    return rows


def fit_row(title: str, levels: Sequence[Level], interval: str) -> list[str]:
    r_squared = root_line(levels).r_squared
    shown = "—" if r_squared is None else f"{r_squared:.3f}"
    return [title, f"{power_law(levels).value:.2f}", interval, shown, f"{unevenness(levels):.2f}"]


def compared(first: Level, second: Level) -> list[str]:
    found = ratio(first, second)
    return [f"{found.value:.2f}", between(found.interval)]


def ratios(question: Question, levels: Sequence[Level]) -> None:
    st.markdown(
        "Error of one pixel (RMSE) over that of the first value, on the same images and seeds; paired bootstrap over "
        "images × seeds."
    )
    first, *others = levels
    steps = [verdicts.change(first, level) for level in others]
    rows = [
        [question.name(one.cell), f"{one.ratio.value:.2f}", between(one.ratio.interval), str(one.effect)]
        for one in steps
    ]
    table(
        ["", "Error ratio", "95 % interval", "Verdict"],
        rows,
        caption=f"{question.axis}: each value beside the first one",
    )
