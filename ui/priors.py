"""The page about priors: what there is, a form to train another one, and its training live."""

from __future__ import annotations

from typing import Any

import streamlit as st
from pydantic import ValidationError

from gia_core import titles
from gia_core.component import Component
from gia_core.datasets import Dataset
from gia_core.priors import Card, PriorSpec
from gia_core.priors import shelf as priors
from gia_core.spec import kinds
from gia_core.store import Run, Status, StoreError

from . import address, forms, frames, images, live, prior_figures, session
from .chapters import Chapters
from .forms import PREFIX, Problems, seeded
from .kinds import PRIORS, page_of
from .live_plot import live_plot
from .tables import table

PATH = f"{PREFIX}prior"
DATASETS = {name: kind for name, kind in kinds(Dataset).items() if name != "upload"}
"""What can be learned from; uploads are all victims."""
SHOWN = 64
"""Samples in a picture."""
ROWS = 50
WHAT = (
    "A **prior** is a network that has learned what images of some kind look like. An attacker who has one searches "
    "among the images that it can draw instead of among all pixels. It never learns from the victims' images."
)
DISTANCE = (
    "How far its samples are from the training images, by the features of a small network: lower is closer. Like FID, "
    "but comparable only between priors for the same data."
)


def arrive() -> Run | None:
    """The training that the address, or this session, looks at."""
    if run_id := st.query_params.get(address.RUN):
        session.select_run(run_id)
    run = session.selected_run()
    if run is None or page_of(run) != PRIORS:
        if run_id:
            st.info("There is no training with this address. It may have been deleted; Runs lists those there are.")
        return None
    st.query_params[address.RUN] = run.id
    return run


def leave() -> None:
    """Back to all priors."""
    session.select_run(None)
    st.query_params.clear()


def form() -> None:
    """What to learn, from what and how; and Start."""
    st.markdown("**Train a prior**")
    problems = Problems()
    spec = described(problems)
    objections = spec.objections(session.settings().home) if spec else []
    for sentence in dict.fromkeys((*problems.sentences, *(objection.reason for objection in objections))):
        st.warning(sentence, icon=":material/block:")
    blocked = spec is None or bool(objections)
    pressed = st.button("Start", type="primary", icon=":material/play_arrow:", disabled=blocked, width="stretch")
    if pressed and spec is not None:
        submit(spec)


def described(problems: Problems) -> PriorSpec | None:
    """What the widgets describe; None where that is not valid."""
    seed, fields = PriorSpec(), PriorSpec.model_fields
    seeded(f"{PATH}.name", seed.name)
    seeded(f"{PATH}.dataset", seed.dataset.name)
    name = st.text_input("Name", key=f"{PATH}.name", help=fields["name"].description)
    chosen = st.selectbox(
        "Data set",
        DATASETS,
        key=f"{PATH}.dataset",
        format_func=lambda option: titles.title(DATASETS[option]),
        help=fields["dataset"].description,
    )
    dataset = forms.component(DATASETS[chosen], f"{PATH}.dataset.{chosen}", None, problems, {})
    if dataset is None:
        return None
    given: dict[str, Any] = {"kind": seed.kind, "dataset": dataset}
    rest = forms.component(PriorSpec, PATH, seed, problems, given)
    return None if rest is None else named(rest, name, problems)


def named(spec: Component, name: str, problems: Problems) -> PriorSpec | None:
    try:
        return PriorSpec.model_validate({**dict(spec), "name": name})
    except ValidationError as error:
        problems.add(error, PriorSpec)
        return None


def submit(spec: PriorSpec) -> None:
    try:
        run_id = session.store().submit(spec)
    except (ValueError, StoreError) as error:
        st.error(str(error), icon=":material/block:")
        return
    session.select_run(run_id)
    st.query_params[address.RUN] = run_id
    st.rerun()


def shelf() -> None:
    """Every prior on this machine, with samples."""
    st.markdown(WHAT)
    home = session.settings().home
    found = priors.priors(home)
    if not found:
        st.info("There is no prior on this machine yet; train one with the form on the left.")
    for card in found:
        with st.container(border=True, key=f"thumbnails-{card.name}"):
            picture, words = st.columns([2, 3], gap="medium")
            with picture:
                if sheet := priors.sheet(card.name, home):
                    st.image(images.uri(sheet), width="stretch", alt=f"Samples of the prior {card.name}")
            with words:
                described_card(card)


def described_card(card: Card) -> None:
    spec, (channels, height, width) = card.spec, card.image_shape
    color = "color" if channels == 3 else "gray"
    asked = "; draws the class that it is asked for" if spec.conditional else ""
    st.markdown(f"**{card.name}**")
    method, images = titles.title(type(spec.method)), titles.plural(card.training_images, "training image")
    took = f"in {titles.duration(card.seconds)}"
    how = (
        f"as {method} from {images} {took} ({card.lessons}{', then stopped' if card.stopped else ''})"
        if card.has_seen_images
        else f"by the attack {method} {took} from {images} that it has never seen ({card.lessons})"
    )
    st.markdown(f"{titles.title(type(spec.dataset))}, {height} × {width}, {color}{asked}. Learned {how}.")
    st.caption(
        f"Fréchet distance {card.frechet:.3g}; of two halves of the training images {card.frechet_floor:.3g}",
        help=DISTANCE,
    )
    home = session.settings().home
    if priors.find(card.name, home)[1] != priors.SHIPPED:
        with st.popover("Delete", icon=":material/delete:"):
            st.caption("The prior is gone for good; runs that used it stay.")
            st.button("Delete it", key=f"delete-{card.name}", on_click=priors.remove, args=(card.name, home))


def draw(run: Run, told: Chapters) -> None:
    """A training, live or over."""
    live.header(run, where(run, told), told.share)
    if run.error:
        st.error(run.error, icon=":material/error:")
    kept = session.store().frames(run.id)
    at = frames.among(run, kept) if run.status.is_over and len(kept) > 1 else None
    frame = session.store().latest_frame(run.id)
    if at is not None:
        frame = session.store().frame(run.id, next(seq for seq, iteration in kept if iteration == at))
    with st.container(key="pictures", width=520):
        if frame is None:
            st.html('<div class="gia-nothing" role="img" aria-label="Samples: not there yet"></div>')
        else:
            after = titles.plural(looked_at(told, frame.iteration), "step")
            st.image(images.grid(frame.png, SHOWN), width="stretch", alt=f"Samples of the prior after {after}")
            st.caption(f"**Samples** after {after}, always from the same random codes")
    if told.ended is not None:
        st.success(ending(run, told.ended), icon=":material/check:")
    charts(run, told, cursor=at)


def looked_at(told: Chapters, iteration: int) -> int:
    """The step after which the samples were drawn that were shown at an iteration."""
    looks = [step["looked_at"] for step in told.steps if step["iteration"] <= iteration and step.get("looked_at")]
    return looks[-1] if looks else iteration


def where(run: Run, told: Chapters) -> str:
    last = told.last
    if last is None:
        return waiting(run, told)
    words = [f"step **{last['iteration']:,}** of {last['iterations']:,}", f"{titles.duration(last['elapsed'])} elapsed"]
    if run.status is Status.RUNNING and last.get("rate"):
        left = (last["iterations"] - last["iteration"]) / last["rate"]
        words.append(f"about {titles.duration(left)} left")
    return " · ".join(words)


def waiting(run: Run, told: Chapters) -> str:
    """What is going on before the first step."""
    if run.status.is_over:
        return "no step was recorded"
    if run.status is Status.QUEUED:
        return "waiting for a free worker" if session.store().runner_alive() else "starting the worker…"
    if training := told.training:
        return f"training the network that judges the samples: epoch {training['epoch']} of {training['epochs']}"
    return "preparing the data"


def ending(run: Run, ended: dict[str, Any]) -> str:
    name = run.job.name if isinstance(run.job, PriorSpec) else "it"
    stopped = "Stopped. " if ended["status"] == Status.STOPPED else ""
    return (
        f"{stopped}The prior {name} is kept as it was after {ended['best_step']:,} steps, when its samples were "
        f"closest to the training images: Fréchet distance {ended['frechet']:.3g}."
    )


def charts(run: Run, told: Chapters, *, cursor: int | None) -> None:
    if not told.steps:
        return
    grid = st.grid(2, min_column_width=290, gap="medium")
    with grid.cell():
        st.markdown("**Loss**, minimized by the networks")
        live_plot(prior_figures.losses(told, cursor=cursor), key="loss", run_id=run.id)
    with grid.cell():
        st.markdown("**Fréchet distance** of the samples", help=DISTANCE)
        live_plot(prior_figures.distances(told, cursor=cursor), key="quality", run_id=run.id)
    with st.expander("Training in numbers", key="training-table", on_change="rerun") as opened:
        if opened.open:
            numbers(told)


def numbers(told: Chapters) -> None:
    steps = prior_figures.thinned(told.steps, ROWS)
    names = list(dict.fromkeys(name for step in steps for name in step["losses"]))
    rows = [
        (
            f"{step['iteration']:,}",
            *(titles.short(value) for value in (*map(step["losses"].get, names), step["frechet"])),
        )
        for step in steps
    ]
    table(["Step", *names, "Fréchet distance"], rows, caption="Losses and distance by step")
