"""The live view of one run: a fragment that reads what is new twice a second, and stops when the run is over."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import streamlit as st

from gia_core import titles
from gia_core.store import Run, Status

from . import charts, findings, frames, images, recorded, result, session
from .chapters import Chapters
from .glance import BEST, WORST, Glance, described, glance
from .glance import frames as marks
from .history import History, Point

EVERY = 0.5
"""Seconds between two looks. Frames that change more often than twice a second would flicker for some people."""

COLORS = {"queued": "gray", "running": "blue", "paused": "orange", "stopping": "orange"} | {
    "stopped": "orange",
    "finished": "green",
    "failed": "red",
}
ICONS = {"queued": "hourglass_empty", "running": "play_arrow", "paused": "pause", "stopping": "stop_circle"} | {
    "stopped": "stop",
    "finished": "check",
    "failed": "error",
}
MARKED = {BEST: "closest", WORST: "furthest"}
QUIET = {"delta_color": "off", "delta_arrow": "off"}
"""A note under a number, not a change for the better or the worse."""
HISTORY = "history"
M = TypeVar("M", History, Chapters)
"""What keeps the events of one kind of run."""


def follow(run: Run) -> None:
    """Draw an audit, again and again while it is under way."""
    follow_as(run, History, draw)


def follow_as(run: Run, memory: type[M], draw: Callable[[Run, M], None]) -> None:
    """The same for a run of any kind: what it has told is kept in a ``memory``, and ``draw`` shows it."""
    every = None if run.status.is_over else EVERY
    st.fragment(look, run_every=every)(run.id, buttons_of(run), memory, draw)


def buttons_of(run: Run) -> tuple[object, ...]:
    """What the buttons outside the fragment depend on."""
    return run.control, run.status.is_over, run.status is Status.QUEUED


def look(run_id: str, drawn: tuple[object, ...], memory: type[M], draw: Callable[[Run, M], None]) -> None:
    """One turn: read and draw; where the run is over or its buttons are out of date, draw the whole page once more."""
    with session.explained():
        try:
            run = session.store().run(run_id)
            told = read(run_id, memory)
        except KeyError:
            st.info("This run was deleted.", icon=":material/delete:")
            return
        draw(run, told)
        if buttons_of(run) != drawn:
            st.rerun()


def read(run_id: str, memory: type[M]) -> M:
    """The run's events, those of earlier turns from this session's memory."""
    kept = st.session_state.get(HISTORY)
    if kept is None or kept[0] != run_id or not isinstance(kept[1], memory):
        kept = st.session_state[HISTORY] = (run_id, memory())
    told: M = kept[1]
    told.add(session.store().events(run_id, after=told.seq))
    return told


def draw(run: Run, history: History) -> None:
    header(run, where(run, history), history.share, note=tested(history))
    result.self_test(history)
    if run.status.is_over:
        result.headline(run, history)
    findings.tampering(history)
    place = st.container(key="pictures")  # stands above the slider that decides what is in it
    truth, frame = frames.choose(run, history)
    point = history.at(frame.iteration) if frame else None
    with place:
        pictures(history, truth, frame.png if frame else None, point)
    if point is not None:
        numbers(run, history, point)
    learned(history, frame.iteration if frame else 0)
    if history.last is not None:
        at = frame.iteration if frame else history.last.iteration
        charts.draw(run, history, cursor=at if at < history.last.iteration else None)
    findings.draw(history)
    findings.exchange(run, history)
    if run.status.is_over:
        latest = session.store().latest_frame(run.id)  # what the scores below belong to, wherever the slider is
        result.details(run, history, truth, latest.png if latest else None)


def header(run: Run, words: str, share: float, *, note: tuple[str, str] | None = None) -> None:
    """Status, in words how far it is, and the share of it; ``note``: a few words at the end, and their help."""
    status = str(run.status)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="status"):
        st.badge(status, color=COLORS[status])
        recorded.badge(run)
        st.caption(words, width="stretch")
        if note:
            st.caption(note[0], width="content", help=note[1])
    if not run.status.is_over:
        st.progress(share)


def tested(history: History) -> tuple[str, str] | None:
    """Whether the self-test passed, in short and in a sentence."""
    capture = (history.started or {}).get("capture")
    return (f"self-test {'passed' if capture['passed'] else 'failed'}", capture["message"]) if capture else None


def where(run: Run, history: History) -> str:
    last = history.last
    if last is None:
        return waiting(run, history)
    if history.in_one_step:
        return f"computed in one step · {titles.duration(last.elapsed)} elapsed"
    words = [f"iteration **{last.iteration:,}** of {last.iterations:,}", f"{titles.duration(last.elapsed)} elapsed"]
    if run.status is Status.RUNNING and last.rate:
        words.append(f"up to {titles.duration((last.iterations - last.iteration) / last.rate)} left")
    return " · ".join(words)


def waiting(run: Run, history: History) -> str:
    """What is going on before the first iteration."""
    if run.status.is_over:
        return "there was nothing to invert" if history.nothing_to_invert else "no iteration was recorded"
    if run.status is Status.QUEUED:
        return "waiting for a free worker" if session.store().runner_alive() else "starting the worker…"
    if history.started:
        return "the update is captured, the attack begins"
    if training := history.training:
        words = f"training the model first: epoch {training['epoch']} of {training['epochs']}"
        return words + (f", accuracy {training['accuracy']:.0%}" if training.get("accuracy") is not None else "")
    return "preparing the data and the model"


def pictures(history: History, truth: bytes | None, reconstruction: bytes | None, point: Point | None) -> None:
    """Original, reconstruction and difference, side by side, every pixel a square."""
    count = len((history.started or {}).get("labels") or [1])
    names = (history.started or {}).get("label_names") or []
    psnr = point.scores.get("psnr") if point else None
    at = glance(reconstruction, psnr, count)
    overlay = marks(at, reconstruction) if reconstruction and at.places else None
    for column, (name, sprite) in zip(st.columns(3, gap="small"), sprites(truth, reconstruction).items(), strict=True):
        with column:
            if sprite is None:
                st.html(f'<div class="gia-nothing" role="img" aria-label="{name}: not there yet"></div>')
            else:
                marked(name, images.grid(sprite, count), alternative(name, at, names, point), overlay)
            st.caption(caption(name, names, point, at, in_one_step=history.in_one_step))


def marked(name: str, grid: str, alt: str, overlay: str | None) -> None:
    """The batch as a grid, with frames over the best and the worst image."""
    with st.container(key=f"grid-{name.lower()}"):
        st.image(grid, width="stretch", alt=alt)
        if overlay:
            st.html(overlay)


def sprites(truth: bytes | None, reconstruction: bytes | None) -> dict[str, bytes | None]:
    both = truth is not None and reconstruction is not None
    difference = images.difference(truth, reconstruction) if both else None
    return {"Original": truth, "Reconstruction": reconstruction, "Difference": difference}


def caption(name: str, names: list[str], point: Point | None, at: Glance, *, in_one_step: bool) -> str:
    match name:
        case "Original":
            legend = " · ".join(f"{sign} {MARKED[sign]}" for sign in at.places)
            return "**Original**" + (f": {names[0]}" if len(names) == 1 else f" · {legend}" if legend else "")
        case "Reconstruction":
            after = f" after {titles.plural(point.iteration, 'iteration')}" if point and not in_one_step else ""
            return f"**Reconstruction**{after}" + (f" · {at.found}" if at.found else "")
        case _:
            return "**Difference**, true to scale: black is equal"


def alternative(name: str, at: Glance, names: list[str], point: Point | None) -> str:
    """The picture in words, made from the data."""
    what = f"{at.count} images" if at.count > 1 else f"one image, {names[0]}" if names else "one image"
    match name:
        case "Original":
            return f"Original: {what}"
        case "Reconstruction":
            psnr = point.mean("psnr") if point else None
            words = f"Reconstruction of {what}" + (f", mean PSNR {psnr:.1f} dB" if psnr is not None else "")
            return "; ".join(filter(None, (words, described(at, point.scores.get("psnr") if point else None))))
        case _:
            return f"Difference between original and reconstruction of {what}"


def learned(history: History, iteration: int) -> None:
    """What a prior draws that learns during the attack: before its first round, and at the iteration looked at."""
    with st.container(key="samples", width=560):  # there while it is empty too: the charts below would be mounted anew
        now = history.drawn_at(iteration)
        if now is None:
            return
        first = history.samples[0]
        for column, drawn, when in zip(
            st.columns(2), (first, now), ("before it learned", f"at iteration {now.iteration:,}"), strict=True
        ):
            with column:
                st.image(images.grid(drawn.sprite, drawn.count), width="stretch", alt=f"Samples of the prior {when}")
                st.caption(f"**Samples of the prior** {when}")
        st.caption("Always from the same random codes. The prior sees updates alone, never an image.")


def numbers(run: Run, history: History, point: Point) -> None:
    """The scores of the images above, each beside the closest blind guess."""
    grid = st.grid(4, min_column_width=105)
    for metric in ("psnr", "ssim", "lpips"):
        value = point.mean(metric)
        guess = next(iter(history.blind_guess(metric, higher=titles.HIGHER_IS_CLOSER[metric]).values()), None)
        note = None if guess is None else f"blind guess {titles.number(guess, metric)}"
        value_text = titles.number(value, metric)
        grid.metric(titles.METRICS[metric], value_text, note, help=titles.EXPLAINED[metric], **QUIET)
    found, note = labels_found(run, point)
    grid.metric("Labels found", found, note, help=titles.EXPLAINED["labels"], **QUIET)


def labels_found(run: Run, point: Point) -> tuple[str, str]:
    """The share of the labels that the attack found, or why there is none; and what it is a share of."""
    if point.label_accuracy is not None:
        return f"{point.label_accuracy:.0%}", "of the batch"
    granted = run.spec is not None and run.spec.knowledge.labels
    return "—", "known to the attacker" if granted else "not told by this attack"
