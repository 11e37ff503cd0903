"""One question of the second lesson: a sentence with its control beside it, the figure, and a way to measure it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from gia_core.theory.levels import Level

from .. import glossary, session, sweep_axes
from . import hardness_figures as figures
from . import hardness_source as source
from . import hardness_verdict as verdict
from .hardness_verdict import Question
from .page import beside, claim

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

EVERY = 2.0
"""Seconds between two looks while the reader's own sweep is under way."""


def ask(question: Question) -> None:
    """Draw it, again and again while the reader's own sweep is under way."""
    experiment = question.experiment
    with claim(experiment.question, key=f"hardness-{experiment.name}"), session.explained():
        mine = source.own(experiment)
        live = mine is not None and mine.is_live
        st.fragment(look, run_every=EVERY if live else None)(question, live=live)
        source.offer(experiment, mine)


def look(question: Question, *, live: bool) -> None:
    """One turn; the whole page once more where the sweep has come to its end."""
    with session.explained():
        mine = source.own(question.experiment)
        levels = source.levels(question.experiment, mine)
        chosen = choice(question, levels, beside(question.claim))
        source.told(question.experiment, mine)
        if chosen is not None:
            st.markdown(said(question, chosen))
            picture(question, levels, chosen)
            verdict.draw(question, levels)
        if live and (mine is None or not mine.is_live):
            st.rerun()


def choice(question: Question, levels: Sequence[Level], place: DeltaGenerator) -> Level | None:
    """The level that the reader looks at; None as long as there is none."""
    by_name = {question.name(level.cell): level for level in levels}
    if not by_name:
        place.caption("No value is measured to the end yet.")
        return None
    options = list(by_name)
    if len(options) == 1:
        return by_name[options[0]]
    key = f"hardness-level-{question.experiment.name}"
    if st.session_state.get(key) not in options:
        st.session_state[key] = options[-1]
    return by_name[place.select_slider(question.axis, options, key=key)]


def said(question: Question, level: Level) -> str:
    """What the chosen level came to, in one sentence."""
    wrong = (
        f"With **{question.named(level.cell)}** the attack gets a pixel wrong by **{percent(level.rmse)}** of "
        "the way from black to white"
    )
    if level.best_control is None:
        return f"{wrong}."
    guess = f"{glossary.link('blind-guess', 'guess without any update')}"
    if level.is_saturated:
        saturated = glossary.link("saturated", "no better")
        return f"{wrong}: {saturated} than a {guess} ({percent(level.best_control)})."
    return f"{wrong}; the best {guess} by {percent(level.best_control)}."


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def picture(question: Question, levels: Sequence[Level], chosen: Level) -> None:
    draw = growth if question.experiment.grows else change
    figure = draw(question, levels, chosen)
    st.plotly_chart(
        figure,
        key=f"hardness-chart-{question.experiment.name}",
        config=figures.STILL,
    )
    st.caption(figures.in_words(levels, [question.named(level.cell) for level in levels]))


def growth(question: Question, levels: Sequence[Level], chosen: Level) -> figures.Figure:
    """Over the number of unknowns; the reader chooses whether of the whole batch or of one pixel."""
    shown = st.segmented_control(
        "Error",
        (figures.WHOLE, figures.PIXEL),
        default=figures.WHOLE,
        key=f"hardness-shown-{question.experiment.name}",
        required=True,
    )
    axis, words = question.axis, {level.unknowns: question.name(level.cell) for level in levels}
    if len(question.experiment.sweep.axes) > 1:  # then several levels may have the same number of unknowns
        axis, words = "Numbers to be found: pictures × colors × pixels", {count: f"{count:,}" for count in words}
    return figures.growth(question.curves(levels), words, axis, shown, chosen)


def change(question: Question, levels: Sequence[Level], chosen: Level) -> figures.Figure:
    (varied,) = question.experiment.sweep.axes
    words = [question.name(level.cell) for level in levels]
    return figures.change(levels, words, question.axis, chosen, ordered=sweep_axes.is_ordered(varied))
