"""The two curves of a run, each with a table of its numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from gia_core import titles
from gia_core.store import Run

from . import figures
from .history import History
from .live_plot import live_plot
from .tables import table

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

TERMS = "loss-terms"
ROWS = 50
"""Rows of a table at most; the export has them all."""


def draw(run: Run, history: History, *, cursor: int | None) -> None:
    """Both curves; only a sentence where there is nothing to draw a curve of."""
    if history.in_one_step:
        st.caption("This attack computes the images in one step; there is no loss to follow.")
        return
    if not history.minimizes:
        nothing = "This attack minimizes nothing; there is no loss to follow."
        st.caption(nothing if run.status.is_over else "So far there is no loss to follow.")
        quality(run, history, cursor)
        return
    grid = st.grid(2, min_column_width=290, gap="medium")
    with grid.cell():
        loss(run, history, cursor)
    with grid.cell():
        quality(run, history, cursor)


def loss(run: Run, history: History, cursor: int | None) -> None:
    with heading("loss"):
        st.markdown("**Loss**, minimized by the attack", width="content")
        differ = any(p.losses.get(name) != value for p in history.points for name, value in p.weighted.items())
        weighted = differ and is_weighted()
    figure = figures.loss_figure(history, cursor=cursor, weighted=weighted)
    live_plot(figure, key="loss", run_id=f"{run.id} {weighted}")
    with st.expander("Loss in numbers", key="loss-table", on_change="rerun") as opened:
        if opened.open:
            loss_table(history, weighted=weighted)


def heading(name: str) -> DeltaGenerator:
    """Room for a title and a switch, the same over both charts."""
    return st.container(
        horizontal=True,
        horizontal_alignment="distribute",
        vertical_alignment="center",
        key=f"{name}-heading",
        gap="small",
    )


def is_weighted() -> bool:
    """The switch between the terms as measured and what each of them adds to the total."""
    help_text = "Raw: each term as measured. Weighted: what each term adds to the total, so that they can be compared."
    st.session_state.setdefault(TERMS, "Raw")
    chosen = st.segmented_control(
        "Terms of the loss",
        ("Raw", "Weighted"),
        key=TERMS,
        required=True,
        label_visibility="collapsed",
        help=help_text,
    )
    return chosen == "Weighted"


def quality(run: Run, history: History, cursor: int | None) -> None:
    with heading("quality"):
        st.markdown("**Quality** beside blind guesses (dashed)", width="content")
    live_plot(figures.quality_figure(history, cursor=cursor), key="quality", run_id=run.id)
    with st.expander("Quality in numbers", key="quality-table", on_change="rerun") as opened:
        if opened.open:
            quality_table(history)


def loss_table(history: History, *, weighted: bool = False) -> None:
    points = history.thinned(ROWS)
    names = list(dict.fromkeys(name for point in points for name in point.losses))
    terms = [(p.iteration, figures.losses(p, weighted=weighted)) for p in points]
    rows = [[f"{at:,}", *(titles.short(term.get(n)) for n in names)] for at, term in terms]
    table(["Iteration", *names], rows, caption=f"{'Weighted loss' if weighted else 'Loss'} by iteration")


def quality_table(history: History) -> None:
    points = history.thinned(ROWS)
    rows = [
        [f"{p.iteration:,}", titles.number(p.mean("psnr"), "psnr"), titles.number(p.highest("psnr"), "psnr")]
        + [titles.number(p.mean(metric), metric) for metric in ("ssim", "mse", "lpips")]
        for p in points
    ]
    header = ["Iteration", "PSNR, mean", "PSNR, best", "SSIM", "MSE", "LPIPS"]
    table(header, rows, caption="Quality by iteration, mean over the batch")
