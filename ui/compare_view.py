"""Runs side by side: one slider over their pictures, curves and numbers, live while they run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from gia_core import titles
from gia_core.setups import differences
from gia_core.store import Run

from . import compare_figures, compare_protection, compare_setups, compare_sides, glossary, live, session
from .compare_pictures import Shown, choose_image, pictures, wiped
from .compare_sides import Side
from .history import History
from .live_plot import live_plot
from .shared_slider import shared_slider
from .tables import table

MEASURE, CURVES = "compare-measure", "compare-curves"
ROWS = 50
"""Rows of the table under the chart at most."""


def follow(runs: Sequence[Run]) -> None:
    """Draw the runs, again and again while one of them is under way; then what does not change any more."""
    every = None if all(run.status.is_over for run in runs) else live.EVERY
    st.fragment(look, run_every=every)(tuple(run.id for run in runs), ends(runs))
    setups(runs)


def ends(runs: Sequence[Run]) -> tuple[tuple[str, bool], ...]:
    """What the parts of the page outside of the fragment depend on."""
    return tuple((run.id, run.status.is_over) for run in runs)


def look(run_ids: Sequence[str], drawn: tuple[tuple[str, bool], ...]) -> None:
    """One turn: read and draw; where a run has ended or is gone, draw the whole page once more."""
    with session.explained():
        sides, _ = compare_sides.read(run_ids)
        if sides:
            draw(sides)
        if ends([side.run for side in sides]) != drawn:
            st.rerun()


def draw(sides: Sequence[Side]) -> None:
    judgement(sides)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium", key="compare-common"):
        in_common(sides)
        choose_image(max(side.count for side in sides))
    at = scrubbed(sides)
    shown = [Shown(side, frame := side.frame(at), side.point(frame)) for side in sides]
    pictures(shown)
    grid = st.grid(2, min_column_width=290, gap="medium")
    with grid.cell():
        chart({side.name: side.history for side in sides}, at)
    with grid.cell():
        wiped(shown)
    numbers(shown)


def judgement(sides: Sequence[Side]) -> None:
    """What a defense is worth, once its three runs are over."""
    same_pictures = compare_sides.same_pictures(sides)
    sentence = compare_protection.judged([side.run for side in sides], same_pictures=same_pictures)
    with st.container(key="judgement"):  # there while it is empty too: the chart below it would be mounted anew
        if sentence is None:
            return
        if "protection" not in sentence.partition(":")[0]:
            st.info(sentence, icon=":material/info:")
        elif sentence.startswith("Measurable"):
            st.info(f"**{sentence}**", icon=":material/shield:")
        else:
            st.warning(f"**{sentence}**", icon=":material/balance:")


def in_common(sides: Sequence[Side]) -> None:
    """Batch, seed and budget: the same, as in a fair comparison, or not."""
    specs = [side.run.spec for side in sides if side.run.spec is not None]
    signs = {True: ":material/check_circle:", False: ":material/error:"}
    found = compare_setups.in_common(specs, same_pictures=compare_sides.same_pictures(sides)) if specs[1:] else []
    st.caption(" · ".join(f"{signs[common.holds]} {common.words}" for common in found), width="stretch")


def scrubbed(sides: Sequence[Side]) -> int | None:
    """Where the slider is; None for the newest."""
    kept = compare_sides.positions(sides)
    with st.container(key="scrubber"):
        if len(kept) < 2:
            return None
        running = any(not side.run.status.is_over for side in sides)
        most = max(side.planned for side in sides)
        return shared_slider(kept, most=most, live=running, key=slider([side.run.id for side in sides]))


def slider(run_ids: Sequence[str]) -> str:
    """Key of the slider over these runs."""
    return "compare-at-" + "-".join(run_ids)


def chart(histories: Mapping[str, History], at: int | None) -> None:
    """The runs overlaid, in one measure."""
    possible = compare_figures.measured(list(histories.values()))
    if not possible:
        st.caption("No curve yet: nothing is recorded.")
        return
    measure = chosen_measure(possible)
    figure = compare_figures.overlaid(histories, measure, cursor=at)
    live_plot(figure, key="compared", run_id=f"{measure} {' '.join(histories)}")
    if measure == compare_figures.LOSS:
        st.caption("Attacks that minimize different things have losses that cannot be compared, only their course.")
    with st.expander("The curves in numbers", key=CURVES, on_change="rerun") as opened:
        if opened.open:
            rows = compare_figures.by_iteration(histories, measure, rows=ROWS)
            table(["Iteration", *histories], rows, caption=f"{compare_figures.axis(measure)} by iteration")


def chosen_measure(possible: Sequence[str]) -> str:
    """The title of the chart, with the choice of what it shows."""
    if st.session_state.get(MEASURE) not in possible:
        st.session_state[MEASURE] = possible[0]
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", gap="small"):
        st.markdown("**By iteration**, mean over the batch", width="content")
        st.segmented_control(
            "Measure",
            possible,
            key=MEASURE,
            required=True,
            format_func=lambda name: compare_figures.MEASURES[name],
            label_visibility="collapsed",
            help="\n\n".join(titles.EXPLAINED[name] for name in possible if name in titles.EXPLAINED),
        )
    measure: str = st.session_state[MEASURE]
    return measure


def numbers(shown: Sequence[Shown]) -> None:
    """The scores of the pictures above, beside the best blind guess."""
    if not any(each.point for each in shown):
        return
    st.markdown("**At the slider**")
    rows = [row(each) for each in shown]
    guesses = {tuple(blind(each.side.history)): each.side.letter for each in reversed(shown) if each.point}
    several = len(guesses) > 1
    rows += [[f"Best blind guess{f' for {who}' if several else ''}", "", "", *best] for best, who in guesses.items()]
    header = ["Run", "Iteration", "Time", "PSNR, mean", "PSNR, best", "SSIM", "MSE", "LPIPS", "Labels found"]
    with st.container(key="compare-numbers"):
        table(header, rows, caption="Scores of the pictures above")
    explained = ", ".join(glossary.link(anchor) for anchor in (*titles.METRICS, "blind-guess"))
    st.caption(
        "Mean over the batch; the best one is the image that leaked most, which is what privacy is about. "
        f"In plain words: {explained}."
    )


def row(each: Shown) -> list[str]:
    point, side = each.point, each.side
    if point is None:
        return [side.name, *["—"] * 8]
    scores = [titles.number(point.mean(m), m) for m in ("ssim", "mse", "lpips")]
    return [
        side.name,
        "one step" if side.history.in_one_step else f"{point.iteration:,}",
        titles.duration(point.elapsed),
        titles.number(point.mean("psnr"), "psnr"),
        titles.number(point.highest("psnr"), "psnr"),
        *scores,
        live.labels_found(side.run, point)[0],
    ]


def blind(history: History) -> list[str]:
    """The best that a guess without any gradient reached, in the columns of the table."""
    means = {
        metric: next(iter(history.blind_guess(metric, higher=titles.HIGHER_IS_CLOSER[metric]).values()), None)
        for metric in titles.METRICS
    }
    return [
        titles.number(means["psnr"], "psnr"),
        "",
        *(titles.number(means[m], m) for m in ("ssim", "mse", "lpips")),
        "",
    ]


def setups(runs: Sequence[Run]) -> None:
    """In what the setups differ, and nothing else."""
    specs = [run.spec for run in runs]
    names = [name for name, spec in zip(compare_setups.names(specs), specs, strict=True) if spec is not None]
    if len(names) < len(runs):
        st.caption("The setup of a run that another version of GIA Lab made cannot be read, so it is not compared.")
    if len(names) < 2:
        return
    found = differences([spec for spec in specs if spec is not None])
    st.markdown("**In what the setups differ**")
    if not found:
        st.caption("In nothing: these runs were made by the same setup.")
        return
    rows = [[difference.label, *difference.words] for difference in found]
    table(["Setting", *names], rows, caption="In what the setups differ", prose=True)
