"""The page on what a defense costs the model: an experiment live and over, and those there are."""

from __future__ import annotations

from typing import Any

import streamlit as st

from gia_core import titles
from gia_core.store import Run, Status, StoreError
from gia_core.utility import UtilitySpec

from . import address, forms, kinds, live, session, utility_figures
from .chapters import Chapters
from .forms import PREFIX, Problems
from .live_plot import live_plot
from .tables import table

PARTS = ("kind", "dataset", "model", "client", "defenses", "learning_rates", "seed")
"""Of an experiment, what a repetition with another budget keeps."""
LISTED = 12
WHAT = (
    "Two trainings that differ in nothing but the **defense**: the same network from the same start, the same images "
    "dealt to the same clients in the same order. The learning rate is chosen for each of them on its own, on images "
    "that the **accuracy**, the share of images classified correctly, is not measured on. All is repeated with other "
    "**seeds**, the numbers that decide every random choice; ± is how far the results lie apart (standard deviation)."
)


def arrive() -> Run | None:
    """The experiment that the address, or this session, looks at."""
    if run_id := st.query_params.get(address.RUN):
        session.select_run(run_id)
    run = session.selected_run()
    if run is None or kinds.page_of(run) != kinds.UTILITY:
        if run_id:
            st.info("There is no experiment with this address. It may have been deleted; Runs lists those there are.")
        return None
    st.query_params[address.RUN] = run.id
    return run


def leave() -> None:
    """Back to all experiments."""
    session.select_run(None)
    st.query_params.clear()


def submit(spec: UtilitySpec) -> str | None:
    """Start it and look at it: its id; None, and the reason on the page, where that is refused."""
    try:
        run_id = session.store().submit(spec)
    except (ValueError, StoreError) as error:
        st.error(str(error), icon=":material/block:")
        return None
    session.select_run(run_id)
    return run_id


def start(spec: UtilitySpec) -> None:
    """Submit it, and go to where it is followed."""
    if run_id := submit(spec):
        st.switch_page(kinds.UTILITY, query_params={address.RUN: run_id})


def again(run: Run) -> None:
    """The same question with another budget."""
    if not isinstance(run.job, UtilitySpec):
        return
    st.markdown("**Ask again with another budget**")
    problems = Problems()
    given = {part: getattr(run.job, part) for part in PARTS}
    spec = forms.component(UtilitySpec, f"{PREFIX}utility.{run.id}", run.job, problems, given)
    objections = spec.objections(session.settings().home) if isinstance(spec, UtilitySpec) else []
    for sentence in dict.fromkeys((*problems.sentences, *(objection.reason for objection in objections))):
        st.warning(sentence, icon=":material/block:")
    blocked = not isinstance(spec, UtilitySpec) or bool(objections)
    pressed = st.button("Start", type="primary", icon=":material/play_arrow:", disabled=blocked, width="stretch")
    if pressed and isinstance(spec, UtilitySpec):
        start(spec)


def shelf() -> None:
    """The experiments there are."""
    st.markdown(WHAT)
    found = session.store().runs(kind="utility", limit=LISTED)
    if not found:
        st.info("There is no experiment yet. Choose a defense in the lab, run the attack, and ask there what it costs.")
        st.page_link(kinds.LAB, label="To the lab", icon=":material/science:")
    for run in found:
        with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"experiment-{run.id}"):
            st.badge(str(run.status), color=live.COLORS[str(run.status)])
            answer = (run.scores or {}).get("sentence") or run.error or ", ".join(kinds.parts(run))
            st.markdown(f"**{kinds.in_short(run)}**: {answer}", width="stretch")
            st.page_link(kinds.UTILITY, label="Open", icon=":material/open_in_full:", query_params={"run": run.id})


def draw(run: Run, told: Chapters) -> None:
    """An experiment, live or over."""
    live.header(run, where(run, told), told.share)
    if run.error:
        st.error(run.error, icon=":material/error:")
    if told.ended is not None:
        answer(told.ended["scores"])
    st.markdown("**Accuracy** on held-out images, at the best learning rate of each")
    live_plot(utility_figures.accuracy(told), key="accuracy", run_id=run.id)
    if told.ended is not None:
        arms(told.ended["scores"])
    with st.expander("Every training in numbers", key="trainings-table", on_change="rerun") as opened:
        if opened.open:
            trainings(told)
    st.caption(WHAT)


def where(run: Run, told: Chapters) -> str:
    last = told.last
    if last is None:
        return waiting(run)
    words = [
        f"training **{last['training']}** of {last['trainings']}: {last['arm']}, learning rate "
        f"{last['learning_rate']:g}, seed {last['seed']}",
        f"round **{last['round']}** of {last['rounds']}",
        f"{titles.duration(last['elapsed'])} elapsed",
    ]
    if run.status is Status.RUNNING and last.get("rate"):
        words.append(f"about {titles.duration((last['iterations'] - last['iteration']) / last['rate'])} left")
    return " · ".join(words)


def waiting(run: Run) -> str:
    """What is going on before the first round."""
    if run.status.is_over:
        return "no round was recorded"
    if run.status is Status.QUEUED:
        return "waiting for a free worker" if session.store().runner_alive() else "starting the worker…"
    return "preparing the data"


def answer(found: dict[str, Any]) -> None:
    """The result in a sentence, and what one has to know to read it."""
    st.info(f"**{found['sentence']}**", icon=":material/balance:")
    for note in found["notes"]:
        st.caption(note)


def arms(found: dict[str, Any]) -> None:
    """Both arms and their difference."""
    rows = [
        [arm.capitalize(), rate(one["learning_rate"]), share(one["accuracy"]), around(one["spread"]), each(one)]
        for arm, one in found["arms"].items()
    ]
    differences = ", ".join(f"{100 * cost:+.1f}" for cost in found["costs"]) or "—"
    rows.append(["Cost, seed by seed", "", points(found["cost"]), around(found["cost_spread"]), differences])
    header = ["Training", "Learning rate", "Accuracy", "±", "Each seed"]
    table(header, rows, caption="Accuracy without and with the defense, in percent, and the difference in points")


def trainings(told: Chapters) -> None:
    rows = [
        [
            curve["arm"],
            rate(curve["learning_rate"]),
            curve["seed"],
            curve["rounds"][-1] if curve["rounds"] else 0,
            "diverged, so this rate is out" if curve["diverged"] else share(last_of(curve)),
        ]
        for curve in utility_figures.latest(told)
    ]
    header = ["Training", "Learning rate", "Seed", "Rounds", "Accuracy at the end"]
    table(header, rows, caption="Every training of this experiment")


def last_of(curve: dict[str, Any]) -> float | None:
    return curve["accuracy"][-1] if curve["accuracy"] else None


def each(one: dict[str, Any]) -> str:
    return ", ".join(f"{100 * value:.1f}" for value in one["accuracies"]) or "—"


def rate(value: float | None) -> str:
    return "—" if value is None else f"{value:g}"


def share(value: float | None) -> str:
    return "—" if value is None else f"{100 * value:.1f} %"


def points(value: float | None) -> str:
    return "—" if value is None else f"{100 * value:.1f} points"


def around(value: float | None) -> str:
    return "—" if value is None else f"{100 * value:.1f}"
