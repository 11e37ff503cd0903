"""A sweep as it fills: the figure, its table, and the runs of one cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from gia_core import titles
from gia_core.spec import MAX_BATCH
from gia_core.store import Sweep
from gia_core.sweep import Planned, SweepSpec, extended, plan
from gia_core.sweep_outcome import Outcome, State, Wanted, total

from . import address, glossary, kinds, session, sweep_axes, sweep_choice, sweep_figures, sweep_queue, sweep_start
from .live import ICONS
from .tables import table

EVERY = 2.0
"""Seconds between two looks while runs are under way."""
ROWS, TALL = 12, 480
"""Runs of one cell that are listed without scrolling, and the height in pixels of a longer list."""
METRIC, SUMMARY, CELL, CHART = "sweep-metric", "sweep-summary", "sweep-cell", "sweep-chart"
WORST, MEDIAN = "Worst case", "Median"
WORDS = {
    State.RUNNING: "running",
    State.WAITING: "waiting",
    State.FAILED: "failed",
    State.MISSING: "missing",
}


def follow(sweep: Sweep) -> None:
    """Draw the sweep, again and again while a run of it is under way; the buttons stand outside of that."""
    planned = sweep_choice.planned(sweep)
    cells = sweep_queue.read(sweep.id, planned)
    sweep_choice.controls(sweep, cells)
    live, again = buttons_of(cells)
    st.fragment(look, run_every=EVERY if live else None)(sweep, planned, (live, again))
    if sweep.spec is not None:
        extend(sweep.id, sweep.spec)


def buttons_of(cells: Sequence[Outcome]) -> tuple[bool, bool]:
    """What the parts of the page outside of the fragment depend on: whether anything runs, or could run again."""
    live = total(cells, State.RUNNING) + total(cells, State.WAITING)
    return live > 0, total(cells, State.MISSING) + total(cells, State.FAILED) > 0


def look(sweep: Sweep, planned: Sequence[Planned], drawn: tuple[bool, bool]) -> None:
    """One turn: read and draw; where the buttons are out of date, draw the whole page once more."""
    with session.explained():
        try:
            cells = sweep_queue.read(sweep.id, planned)
        except KeyError:
            st.info("This sweep was forgotten; its runs are listed under Runs.", icon=":material/delete:")
            return
        if sweep.spec is not None:
            draw(sweep.id, sweep.spec, cells)
        if buttons_of(cells) != drawn:
            st.rerun()


def draw(sweep_id: str, spec: SweepSpec, cells: Sequence[Outcome]) -> None:
    progress(cells)
    metric, typical = shown(cells)
    figure(sweep_id, spec, cells, metric, typical=typical)
    caption(spec, metric)
    header = [*(sweep_axes.name(axis.of) for axis in spec.axes), *sweep_figures.HEADER]
    rows = [[*cell_words(spec, cell), *sweep_figures.row(cell, metric)] for cell in cells]
    numeric = [False] * len(spec.axes) + [True] * (len(sweep_figures.HEADER) - 1) + [False]
    with st.expander("The sweep in numbers", key="sweep-numbers"):
        table(header, rows, caption=f"{titles.METRICS[metric]} of every cell", numeric=numeric)
    with st.container(border=True, key="sweep-runs"):
        opened(sweep_id, spec, cells, metric)


def cell_words(spec: SweepSpec, cell: Outcome) -> list[str]:
    return [sweep_axes.word(axis.of, value) for axis, value in zip(spec.axes, cell.cell, strict=True)]


def progress(cells: Sequence[Outcome]) -> None:
    """How far the whole sweep has come."""
    runs, done = sum(len(cell.wanted) for cell in cells), total(cells, State.DONE)
    parts = [f"{done:,} of {titles.plural(runs, 'run')} done"]
    parts += [f"{count:,} {word}" for state, word in WORDS.items() if (count := total(cells, state))]
    if reused := sum(each.reused for cell in cells for each in cell.wanted):
        parts.append(f"{reused:,} taken from the store")
    if refused := total(cells, State.NOT_APPLICABLE):
        parts.append(f"{titles.plural(refused, 'cell')} not applicable")
    st.progress(done / runs if runs else 0.0, text=" · ".join(parts))


def shown(cells: Sequence[Outcome]) -> tuple[str, bool]:
    """Which metric, and whether the heat map's color is the median instead of the worst case."""
    measured = [m for m in titles.METRICS if any(c.spread(m, higher=titles.HIGHER_IS_CLOSER[m]) for c in cells)]
    measured = measured or ["psnr"]
    if st.session_state.get(METRIC) not in measured:
        st.session_state[METRIC] = measured[0]
    st.session_state.setdefault(SUMMARY, WORST)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium", key="sweep-shown"):
        st.segmented_control(
            "Measure",
            measured,
            key=METRIC,
            required=True,
            format_func=titles.METRICS.__getitem__,
            label_visibility="collapsed",
            help="\n\n".join(titles.EXPLAINED[name] for name in measured),
        )
        if len(cells) and len(cells[0].cell) == 2:
            st.segmented_control(
                "Color shows", (WORST, MEDIAN), key=SUMMARY, required=True, label_visibility="collapsed"
            )
    return str(st.session_state[METRIC]), st.session_state[SUMMARY] == MEDIAN


def figure(sweep_id: str, spec: SweepSpec, cells: Sequence[Outcome], metric: str, *, typical: bool) -> None:
    """The heat map or the curve; a click on a cell opens its runs."""
    words = [sweep_axes.words(axis) for axis in spec.axes]
    names = [sweep_axes.name(axis.of) for axis in spec.axes]
    if len(spec.axes) == 2:
        made = sweep_figures.heat_map(cells, words, names, metric, typical=typical)
    else:
        ordered = sweep_axes.is_ordered(spec.axes[0])
        made = sweep_figures.curve(cells, words[0], names[0], metric, ordered=ordered)
    key = f"{CHART}-{sweep_id}"
    st.plotly_chart(
        made,
        key=key,
        selection_mode="points",
        on_select=lambda: clicked(key),
        config={"displayModeBar": False, "scrollZoom": False, "doubleClick": False},
    )
    st.caption(sweep_figures.in_words(cells, metric))


def clicked(key: str) -> None:
    """Open the cell whose mark was clicked."""
    selection: dict[str, Any] = (st.session_state.get(key) or {}).get("selection") or {}
    numbers = [point.get("customdata") for point in selection.get("points", [])]
    numbers = [number[0] if isinstance(number, list) else number for number in numbers]
    if numbers and isinstance(numbers[0], int):
        st.session_state[CELL] = numbers[0]


def caption(spec: SweepSpec, metric: str) -> None:
    """What is shown, where it may be misread."""
    guess = glossary.link("blind-guess", "blind guess")
    closer = "higher" if titles.HIGHER_IS_CLOSER[metric] else "lower"
    images = f"the same {spec.images}" if spec.images else "one batch, drawn as the setup says, for each seed"
    inside = "In each cell the worst case, and the median under it. " if len(spec.axes) == 2 else ""
    st.caption(
        f"{inside}Worst case: the image that leaked most; {closer} is closer to the original. The {guess} is what a "
        f"guess without any update reaches. Images of each cell: {images}; {titles.plural(spec.seeds, 'seed')}. "
        "Found by this attack within this budget: another one may find more."
    )


def opened(sweep_id: str, spec: SweepSpec, cells: Sequence[Outcome], metric: str) -> None:
    """The runs of one cell."""
    if st.session_state.get(CELL) not in range(len(cells)):
        st.session_state[CELL] = 0
    st.selectbox(
        "Runs of one cell",
        range(len(cells)),
        key=CELL,
        format_func=lambda number: f"{sweep_axes.in_words(spec.axes, cells[number].cell)} · {cells[number].state}",
        help="A click on a cell of the figure chooses it too.",
    )
    cell = cells[st.session_state[CELL]]
    if cell.planned.reason is not None:
        st.caption(f":material/block: Not applicable: {cell.planned.reason}")
        return
    with st.container(horizontal=True, gap="small", key="sweep-cell-actions"):
        over = [each.run.id for each in cell.wanted if each.run is not None][:4]
        if len(over) > 1:
            query = {address.COMPARE: ",".join(over)}
            st.page_link(kinds.COMPARE, label="Side by side", icon=":material/compare:", query_params=query)
        if cell.count(State.MISSING) + cell.count(State.FAILED):
            st.button("Retry", icon=":material/replay:", on_click=sweep_queue.fill, args=(sweep_id, [cell]))
    with st.container(height=TALL if len(cell.wanted) > ROWS else "content", border=False, key="sweep-cell-runs"):
        for each in cell.wanted:
            run_row(each, metric)


def run_row(each: Wanted, metric: str) -> None:
    """One run: what tells it from the others of its cell, what came out, and a link."""
    images = each.spec.victim.indices
    which = f"{'image' if len(images) == 1 else 'images'} {', '.join(map(str, images))}" if images else "own batch"
    parts = [f"seed {each.spec.seed}", which if len(which) < 40 else f"{len(images)} images"]
    scores = [value for value in ((each.run.scores or {}).get(metric) if each.run else None) or () if value is not None]
    if scores and each.state is State.DONE:
        most = (max if titles.HIGHER_IS_CLOSER[metric] else min)(scores)
        parts.append(f"{titles.METRICS[metric]} {titles.number(most, metric)} at worst")
    if each.reused:
        parts.append("taken from the store")
    if each.state is State.FAILED and each.run is not None and each.run.error:
        parts.append(each.run.error)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if each.run is None:
            st.caption(f":material/circle: missing · {' · '.join(parts)}", width="content")
            return
        st.page_link(
            kinds.LAB,
            label=str(each.run.status),
            icon=f":material/{ICONS[str(each.run.status)]}:",
            query_params={address.RUN: each.run.id},
            help="Open this run.",
        )
        st.caption(" · ".join(parts), width="stretch")


def extend(sweep_id: str, spec: SweepSpec) -> None:
    """More values, images or seeds for the same sweep; what is there stays."""
    with st.expander("Extend this sweep", icon=":material/add:", key="extend-sweep"):
        try:
            more = wanted(sweep_id, spec)
            planned = plan(more, session.settings().home)
            cells = sweep_queue.read(sweep_id, planned)
        except (ValueError, KeyError) as error:
            st.warning(str(error), icon=":material/block:")
            return
        if more == spec:
            st.caption("Add a value, a seed or images; everything that is there stays.")
            return
        st.caption(f":material/timer: {sweep_queue.forecast(cells)}")
        st.button("Extend", type="primary", icon=":material/add:", on_click=sweep_queue.extend, args=(sweep_id, more))


def wanted(sweep_id: str, spec: SweepSpec) -> SweepSpec:
    """The sweep that the widgets describe. Raises ValueError, one sentence, where they describe none."""
    ways = sweep_axes.ways(spec.setup)
    grid = st.grid(2, min_column_width=290, gap="medium")
    more = []
    for axis in spec.axes:
        way = ways.get(axis.of, sweep_axes.Way(axis.of, ()))
        with grid.cell():
            label = f"More values of {sweep_axes.name(axis.of).lower()}"
            more.append(sweep_start.values(way, key=f"sweep-more-{sweep_id}-{axis.of}", usual=(), label=label))
    images = spec.images
    if images is not None:
        with grid.cell():
            images = int(
                st.number_input("Images per cell", images, MAX_BATCH, images, key=f"sweep-more-images-{sweep_id}")
            )
    with grid.cell():
        varies_seed = any(axis.of == "seed" for axis in spec.axes)
        seeds = 1 if varies_seed else sweep_start.seeds_per_cell(spec.seeds, key=f"sweep-more-seeds-{sweep_id}")
    return extended(spec, more, images=images, seeds=seeds)
