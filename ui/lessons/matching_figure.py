"""The fourth claim of the first lesson: a search for the picture, live, with play, pause and single step."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import streamlit as st

from .. import figures, glossary
from ..live import EVERY
from ..live_plot import live_plot
from ..tables import table
from . import drawing
from .drawing import Shown
from .examples import NAMES, Example
from .matching import MOST, Moment, Observed, Search
from .network import gradient, network
from .neuron import closeness
from .page import beside, claim

HELD, PLAYING = "lesson-search", "lesson-playing"
RATE, FILTERS, AT_ONCE = "lesson-rate", "lesson-filters", "lesson-at-once"
RATES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
FILTER_COUNTS = (4, 9, 16)
"""Square numbers, because each filter is shown as one tile of a square."""
AT_ONCES = (1, 5, 20)
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
ROWS = 20
"""Of the table, about."""


@dataclass
class Watched:
    """A search, and how close each of its dummies came: what the reader sees and the attacker does not."""

    picture: Example
    filters: int
    search: Search
    psnr: list[float] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.picture.name}, {self.filters} filters"

    def advance(self, rate: float, iterations: int) -> None:
        for _ in range(iterations):
            if not self.search.is_over:
                self.psnr.append(closeness(self.search.advance(rate).dummy, self.picture.flat))


def begun(picture: Example, filters: int) -> Watched:
    """Before the first iteration; the label is the picture's place among those to choose from."""
    layers = network(*picture.pixels.shape, filters=filters, classes=len(NAMES), seed=0)
    observed = Observed(layers, gradient(layers, picture.flat, NAMES.index(picture.name)))
    return Watched(picture, filters, Search(observed))


def draw(picture: Example) -> None:
    with claim("A deeper network: search instead of division", key="lesson-search-claim"):
        st.markdown(
            f"Behind a {glossary.link('convolution', 'convolution')} there is nothing to divide. But the attacker has "
            "the network, so it can compute which gradient **any** picture would give. It begins with noise, the "
            f"**{glossary.link('dummy', 'dummy')}**, and changes it until both gradients agree: "
            f"{glossary.link('gradient-matching', 'gradient matching')}. The class is no secret: it is "
            f"{glossary.link('label-restoration', 'read off')} first."
        )
        watched = settings(picture)
        buttons(watched)
        every = EVERY if st.session_state.get(PLAYING) else None
        st.fragment(turn, run_every=every)()
        st.caption(
            "**The left curve is all that an attacker has**; the right one, "
            f"{glossary.link('psnr', 'PSNR')}, needs the original. With too few filters the left one falls to nothing "
            f"while the picture stays below a {glossary.link('blind-guess', 'blind guess')}: a small "
            f"{glossary.link('loss', 'loss')} proves no {glossary.link('recovered', 'recovery')}."
        )


def settings(picture: Example) -> Watched:
    """What the reader may set, each beside what it does; and the search that this leads to."""
    place = beside(
        f"The **{glossary.link('learning-rate', 'learning rate')}** says how far the dummy moves in one "
        f"{glossary.link('iteration', 'iteration')}. Low is slow; high overshoots, and the distance jumps."
    )
    place.select_slider("Learning rate", RATES, value=0.1, key=RATE)
    place = beside(
        f"The picture has {picture.flat.size:,} numbers. Every **{glossary.link('filter', 'filter')}** of the network "
        "makes 256 of them. With fewer filters than it takes, **many pictures share one gradient**."
    )
    filters = place.segmented_control("Filters", FILTER_COUNTS, default=FILTER_COUNTS[-1], key=FILTERS, required=True)
    held = st.session_state.get(HELD)
    if held is None or (held.picture.name, held.filters) != (picture.name, filters):
        held = st.session_state[HELD] = begun(picture, filters)
        st.session_state[PLAYING] = False
    return held


def buttons(watched: Watched) -> None:
    playing, over = bool(st.session_state.get(PLAYING)), watched.search.is_over
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="lesson-buttons"):
        st.button(
            "Play", icon=":material/play_arrow:", type="primary", disabled=playing or over, on_click=partial(play, True)
        )
        st.button("Pause", icon=":material/pause:", disabled=not playing, on_click=partial(play, False))
        st.button("Step", icon=":material/skip_next:", disabled=playing or over, on_click=step)
        st.button("Reset", icon=":material/restart_alt:", disabled=not watched.psnr, on_click=reset)
        st.segmented_control(
            "Iterations at once while it plays", AT_ONCES, default=AT_ONCES[1], key=AT_ONCE, required=True
        )


def play(wanted: bool) -> None:
    st.session_state[PLAYING] = wanted


def step() -> None:
    st.session_state[HELD].advance(st.session_state[RATE], 1)


def reset() -> None:
    held = st.session_state[HELD]
    st.session_state[HELD] = begun(held.picture, held.filters)
    play(False)


def turn() -> None:
    """Some iterations while it plays, and the picture of the newest; at the end, the buttons once more."""
    watched = st.session_state[HELD]
    if st.session_state[PLAYING]:
        watched.advance(st.session_state[RATE], st.session_state[AT_ONCE])
    show(watched)
    if st.session_state[PLAYING] and watched.search.is_over:
        play(False)
        st.rerun()


def show(watched: Watched) -> None:
    moment = watched.search.moment
    if moment is None:
        st.caption(f"Before the first of {MOST} iterations. Press **Step** to see one, or **Play**.")
    else:
        st.caption(f"Iteration **{moment.iteration}** of {MOST} in slow motion, from left to right")
    drawing.row(slow_motion(watched, moment), key="lesson-iteration")
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**Distance of the gradients**, which the attacker lowers")
        live_plot(distance_figure(watched), key="lesson-distance", run_id=watched.name)
    with right:
        st.markdown("**Closeness of the pictures**, which nobody but us can see")
        live_plot(psnr_figure(watched), key="lesson-psnr", run_id=watched.name)
    with st.expander("Both curves in numbers", key="lesson-curves", on_change="rerun") as opened:
        if opened.open:
            numbers(watched)


def slow_motion(watched: Watched, moment: Moment | None) -> list[Shown]:
    """One iteration, part by part; placeholders for what is not computed yet."""
    picture, observed = watched.picture, watched.search.observed
    shape, channels = picture.pixels.shape, picture.pixels.shape[2]
    private = Shown(
        "Original", "never seen by the attacker", f"Original: {picture.name}", drawing.picture(picture.flat, shape)
    )
    seen = Shown(
        "Observed gradient",
        "what the client sent",
        "Observed gradient of the convolution as colored noise",
        drawing.kernels(observed.gradient, channels),
    )
    if moment is None:
        return [private, seen]
    psnr = f"PSNR {watched.psnr[-1]:.1f} dB"
    return [
        private,
        seen,
        Shown("1. Dummy", psnr, f"Reconstruction: the dummy, {psnr}", drawing.picture(moment.dummy, shape)),
        Shown(
            "2. Its gradient",
            "computed by the attacker",
            "Gradient of the dummy as colored noise",
            drawing.kernels(moment.gradient, channels),
        ),
        Shown(
            "3. Distance",
            "of both gradients, relative",
            f"Distance of both gradients: {moment.distance:.2g}",
            number=scientific(moment.distance),
        ),
        Shown(
            "4. Change",
            "what lowers the distance",
            "Change of every pixel as a picture; gray is none",
            drawing.signed(moment.following - moment.dummy, shape),
        ),
        Shown("5. Next dummy", "and again from 1", "The next dummy", drawing.picture(moment.following, shape)),
    ]


def distance_figure(watched: Watched) -> figures.Figure:
    values = watched.search.distances
    return figure(
        [figures.series(0, "distance", map(figures.positive, values))],
        iterations=len(values),
        log=True,
        title="Distance (log scale)",
        alt=f"Loss: the distance of the gradients went from {values[0]:.2g} to {values[-1]:.2g}"
        if values
        else "Loss: nothing computed yet.",
    )


def psnr_figure(watched: Watched) -> figures.Figure:
    values, picture = watched.psnr, watched.picture
    guess = round(closeness(picture.blind_guess, picture.flat), 2)
    made = figure(
        [figures.series(1, "PSNR", map(figures.rounded, values))],
        iterations=len(values),
        log=False,
        title="PSNR (dB)",
        alt=f"Quality: the PSNR went from {values[0]:.1f} to {values[-1]:.1f} dB; a blind guess has {guess:.1f} dB"
        if values
        else "Quality: nothing computed yet.",
    )
    return made | {"guides": [{"label": "blind guess: mean color", "y": guess}]}


def figure(series: list[dict[str, object]], *, iterations: int, log: bool, title: str, alt: str) -> figures.Figure:
    return {
        "x": list(range(1, iterations + 1)),
        "series": series,
        "guides": [],
        "cursor": None,
        "log": log,
        "titles": {"x": "Iteration", "left": title, "right": None},
        "alt": alt,
    }


def scientific(value: float) -> str:
    """For example "2.3 × 10⁻⁵"."""
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa} × 10{str(int(exponent)).translate(RAISED)}"


def numbers(watched: Watched) -> None:
    count = len(watched.psnr)
    every = max(1, count // ROWS)
    shown = [place for place in range(count) if place % every == 0 or place == count - 1]
    table(
        ["Iteration", "Distance of the gradients", "PSNR of the dummy"],
        [[place + 1, scientific(watched.search.distances[place]), f"{watched.psnr[place]:.1f} dB"] for place in shown],
        caption="Distance and closeness by iteration",
    )
