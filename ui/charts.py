"""The two curves of a run, each with a table of its numbers."""

from __future__ import annotations

import streamlit as st

from gia_core.store import Run

from . import figures, titles
from .history import History
from .live_plot import live_plot
from .tables import table

ROWS = 50
"""Rows of a table at most; the export has them all."""


def draw(run: Run, history: History, *, cursor: int | None) -> None:
    grid = st.grid(2, min_column_width=290, gap="medium")
    with grid.cell():
        st.markdown("**Loss**, which the attacker minimizes")
        live_plot(figures.loss_figure(history, cursor=cursor), key="loss", run_id=run.id)
        with st.expander("Loss in numbers", key="loss-table", on_change="rerun") as opened:
            if opened.open:
                loss_table(history)
    with grid.cell():
        st.markdown("**Quality** beside blind guesses (dashed)")
        live_plot(figures.quality_figure(history, cursor=cursor), key="quality", run_id=run.id)
        with st.expander("Quality in numbers", key="quality-table", on_change="rerun") as opened:
            if opened.open:
                quality_table(history)


def loss_table(history: History) -> None:
    points = history.thinned(ROWS)
    names = list(dict.fromkeys(name for point in points for name in point.losses))
    rows = [[f"{p.iteration:,}", *(titles.short(p.losses.get(n)) for n in names)] for p in points]
    table(["Iteration", *names], rows, caption="Loss by iteration")


def quality_table(history: History) -> None:
    points = history.thinned(ROWS)
    rows = [
        [f"{p.iteration:,}", titles.number(p.mean("psnr"), "psnr"), titles.number(p.highest("psnr"), "psnr")]
        + [titles.number(p.mean(metric), metric) for metric in ("ssim", "mse", "lpips")]
        for p in points
    ]
    header = ["Iteration", "PSNR, mean", "PSNR, best", "SSIM", "MSE", "LPIPS"]
    table(header, rows, caption="Quality by iteration, mean over the batch")
