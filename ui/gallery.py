"""The questions of the gallery: as cards, the first thing that a newcomer sees, and above the runs that answer them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from html import escape

import streamlit as st

from gia_core import gallery
from gia_core.gallery import CARDS, Card, MissingError, recordings
from gia_core.spec import AuditSpec
from gia_core.store import Run, StoreError

from . import address, compare_choice, compare_start, compare_view, frames, images, kinds, location, session
from .shared_slider import play_at_once

SMALLEST = 205
"""Pixels that a card is wide at least."""


def draw() -> None:
    """Every card; a click on one plays its recording."""
    grid = st.grid("auto", min_column_width=SMALLEST, gap="small")
    for card in CARDS:
        with grid.cell(), st.container(border=True, height="stretch", key=f"card-{card.name}", gap="xxsmall"):
            cover(card)


def cover(card: Card) -> None:
    """The card's picture and question; one whose recordings are missing can only be run live."""
    try:
        st.html(picture(card))
        opened = show
    except MissingError:
        st.caption("Not recorded on this machine; a click runs it live.")
        opened = run_live
    if st.button(card.question, key=f"open-{card.name}", type="tertiary", icon=card.icon, width="stretch"):
        opened(card)


@cache
def picture(card: Card) -> str:
    """The original beside what came back of it, in every run of the card, as HTML."""
    found = [recordings.recording(file) for file in card.files]
    originals = dict.fromkeys(each.original for each in found)
    shown = [(found[0].original, "Original", "private")] if len(originals) == 1 else []
    for each, take in zip(found, card.takes, strict=True):
        alt = f"Reconstruction, {take.caption}: {each.figures.psnr} PSNR"
        shown.append((each.result, alt, take.caption))
    cells = "".join(
        f'<figure><img src="{images.uri(png)}" alt="{escape(alt)}"><figcaption>{escape(caption)}</figcaption></figure>'
        for png, alt, caption in shown
    )
    return f'<div class="gia-cover gia-example">{cells}</div>'


def show(card: Card) -> None:
    """Play the card's recording in the lab, or its recordings side by side in Compare."""
    try:
        run_ids = recordings.take_in(card, session.store())
    except (ValueError, StoreError) as error:
        st.error(str(error), icon=":material/block:")
        return
    lead_to(card, run_ids)


def lead_to(card: Card, run_ids: Sequence[str]) -> None:
    """The page that shows these runs of the card; what is over begins to play there."""
    if len(run_ids) > 1:
        play_at_once(compare_view.slider(run_ids))
        compare_choice.compare(run_ids)
        st.switch_page(kinds.COMPARE, query_params={address.COMPARE: ",".join(run_ids)})
    play_at_once(frames.slider(run_ids[0]))
    session.select_run(run_ids[0])
    location.load(card.specs[0])
    st.switch_page(kinds.LAB, query_params={address.RUN: run_ids[0]})


def above(runs: Sequence[Run]) -> None:
    """The question that these runs answer, where they are those of a card: recorded with its answer, or live."""
    if card := gallery.shown_by([run.id for run in runs]):
        with st.container(key="question", gap="small"):
            asked(card)
            answered(card)
            buttons(card, live=False)
    elif card := asked_by([run.spec for run in runs]):
        with st.container(key="question", gap="small"):
            asked(card)
            st.markdown(card.look_for)
            buttons(card, live=True)


def asked_by(specs: Sequence[AuditSpec | None]) -> Card | None:
    """The card whose setups these are, all of them."""
    return next((card for card in CARDS if card.specs == tuple(specs)), None)


def asked(card: Card) -> None:
    st.subheader(card.question, anchor=False)


def answered(card: Card) -> None:
    """One sentence, and where it holds; what was measured, and never more than that."""
    answer, condition = recordings.told(card)
    st.markdown(f"**{answer}**")
    st.caption(f"{condition} {made(card)}")


def made(card: Card) -> str:
    """When and on what the recordings were made."""
    first = recordings.recording(card.files[0])
    day = datetime.fromtimestamp(first.recorded_at).strftime("%d %b %Y")
    device = first.made_with.get("processor") or first.made_with.get("device")
    return f"Recorded on {day} with one core of {device}."


def buttons(card: Card, *, live: bool) -> None:
    """On from here: the same live, or its recording; the next question; all of them."""
    with st.container(horizontal=True, gap="small", key="question-buttons"):
        if live:
            if st.button("Show the recording", icon=":material/movie:", key="show-recording"):
                show(card)
        elif st.button("Run it live", type="primary", icon=":material/play_arrow:", key="run-live"):
            run_live(card)
        following = CARDS[(CARDS.index(card) + 1) % len(CARDS)]
        if st.button("Next question", icon=":material/arrow_forward:", key="next-question", help=following.question):
            show(following)
        if st.button("All questions", icon=":material/apps:", key="all-questions"):
            session.select_run(None)
            st.switch_page(kinds.LAB)


def run_live(card: Card) -> None:
    """Start the card's runs anew, here and now."""
    if run_ids := compare_start.submit(card.specs):
        lead_to(card, run_ids)
