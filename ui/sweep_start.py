"""A new sweep: what to vary, how many images and seeds per cell, and what that will take."""

from __future__ import annotations

import math
from collections.abc import Sequence

import streamlit as st

from gia_core import titles
from gia_core.spec import MAX_BATCH, AuditSpec, Victim
from gia_core.sweep import MAX_SEEDS, MOST_VALUES, SweepSpec, Value, plan, swept

from . import compare_start, compare_variants, location, session, sweep_axes, sweep_choice, sweep_queue
from .sweep_axes import Way
from .tables import table

FIRST, SECOND = "sweep-first", "sweep-second"
NOTHING = ""
"""No second axis."""


def draw(*, first: bool) -> None:
    """The form; folded where a sweep is shown already."""
    with st.expander("New sweep", icon=":material/grid_on:", expanded=first, key="new-sweep"):
        spec = st.session_state.get(location.DRAFT) or location.implied()
        compare_start.origin(spec)
        try:
            preview(form(spec))
        except ValueError as error:
            st.warning(str(error), icon=":material/block:")


def form(spec: AuditSpec) -> SweepSpec:
    """The sweep that the widgets describe. Raises ValueError, one sentence, where they describe none."""
    ways = sweep_axes.ways(spec)
    grid = st.grid(2, min_column_width=290, gap="medium")
    with grid.cell():
        one = chosen("Vary", list(ways), FIRST)
    with grid.cell():
        two = chosen("and", [NOTHING, *(of for of in ways if of != one)], SECOND)
    axes: dict[str, Sequence[Value]] = {}
    for of in filter(None, (one, two)):
        with grid.cell():
            axes[of] = values(ways[of], key=f"sweep-values-{of}")
    with grid.cell():
        images = images_per_cell(spec, axes)
    with grid.cell():
        seeds = 1 if "seed" in axes else seeds_per_cell(1, key="sweep-seeds")
    return swept(spec, axes, images=images, seeds=seeds)


def chosen(label: str, options: Sequence[str], key: str) -> str:
    """One of the axes."""
    if st.session_state.get(key) not in options:
        st.session_state[key] = options[0]

    def shown(of: str) -> str:
        return "nothing else: a curve" if of == NOTHING else sweep_axes.name(of)

    picked: str = st.selectbox(label, options, key=key, format_func=shown)
    return picked


def values(way: Way, *, key: str, usual: Sequence[Value] | None = None, label: str = "") -> list[Value]:
    """The values of one axis. Raises ValueError, one sentence, for what is no number."""
    label = label or f"Values of {sweep_axes.name(way.of).lower()}"
    given = way.usual if usual is None else usual
    if way.options:
        return st.multiselect(
            label,
            list(way.options),
            list(given),
            key=key,
            format_func=way.options.__getitem__,
            max_selections=MOST_VALUES,
        )
    text = st.text_input(
        label, ", ".join(f"{value:g}" for value in given), key=key, help="Numbers with commas between them."
    )
    return list(dict.fromkeys(sweep_axes.as_values(list(compare_variants.numbers(text)))))


def images_per_cell(spec: AuditSpec, axes: dict[str, Sequence[Value]]) -> int | None:
    """How many images every cell attacks; None where each seed draws a batch as the setup says."""
    chosen_by_setup = spec.victim != Victim()
    shared = st.toggle(
        "The same images in every cell",
        not chosen_by_setup,
        key=f"sweep-shared-{chosen_by_setup}",
        help="Random images of the data set, cut into batches: with 8 images, a batch size of 2 makes 4 runs. "
        "Otherwise every seed draws one batch, as the setup in the lab says.",
    )
    if not shared:
        return None
    sizes = [size for size in axes.get("batch_size", [spec.batch_size]) if isinstance(size, int) and size > 0]
    usual = min(math.lcm(*sizes), MAX_BATCH)
    return int(st.number_input("Images per cell", 1, MAX_BATCH, usual, key=f"sweep-images-{usual}"))


def seeds_per_cell(least: int, *, key: str) -> int:
    """``least``: those there are already."""
    help_text = (
        "How often each batch is attacked. A seed decides the model's weights, the noise and the attack's start."
    )
    return int(st.number_input("Seeds per cell", least, MAX_SEEDS, least, key=key, help=help_text))


def preview(spec: SweepSpec) -> None:
    """How many runs that makes, what is not possible among it, how long it may take, and Start."""
    planned = plan(spec, session.settings().home)
    runs = sum(len(each.specs) for each in planned)
    possible = [each for each in planned if each.reason is None]
    if len(possible) < len(planned):
        left_out(spec, [(each.cell, each.reason or "") for each in planned if each.reason is not None])
    if not runs:
        st.warning("None of these combinations can be run.", icon=":material/block:")
        return
    cells = titles.plural(len(possible), "cell")
    st.caption(f":material/timer: {cells}: {sweep_queue.forecast(sweep_queue.unasked(planned))}")
    st.button(
        f"Start {titles.plural(runs, 'run')}",
        type="primary",
        icon=":material/play_arrow:",
        key="start-sweep",
        on_click=start,
        args=(spec,),
    )


def left_out(spec: SweepSpec, refused: Sequence[tuple[tuple[Value, ...], str]]) -> None:
    st.caption(f":material/block: {titles.plural(len(refused), 'cell')} not applicable, and left out:")
    rows = [[sweep_axes.in_words(spec.axes, cell), reason] for cell, reason in refused]
    with st.container(key="not-applicable"):
        table(["Cell", "Why not"], rows, caption="Cells that are not applicable", prose=True)


def start(spec: SweepSpec) -> None:
    if (sweep_id := sweep_queue.start(spec)) is not None:
        sweep_choice.show(sweep_id)
