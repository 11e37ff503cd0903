"""The gallery before an audience: no menu, large type, one claim a screen, everything by keys.

Its address says all of it: ``?cards=photo,batch&slide=4``, and ``&live=ID,ID`` where the card's runs are carried out
live instead of played from their recording.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from gia_core import gallery, titles
from gia_core.gallery import CARDS, Card, MissingError, recordings
from gia_core.store import StoreError

from . import compare_sides, compare_start, images, kinds, live, location, session
from .compare_sides import Side
from .glance import glance
from .shared_slider import play_at_once, play_nothing, shared_slider

CHOSEN, AT, LIVE = "presented cards", "presented slide", "presented live"
"""Names of the cards, the number of the slide, and the runs that are carried out live."""
PARAMETERS = ("cards", "slide", "live")
PARTS = ("question", "pictures", "answer")
"""The slides of each card."""
USUAL = tuple(card.name for card in CARDS[:5])
"""What is presented where nobody chose."""


@dataclass(frozen=True)
class Slide:
    card: Card | None
    """None for the first slide, which looks after the room."""
    part: str = ""


def offer() -> None:
    """In the gallery: choose cards, and begin."""
    with st.popover("Present", icon=":material/slideshow:"):
        st.caption("One claim a screen, in large type and without the menu: recorded first, live on demand.")
        named = {card.name: card.question for card in CARDS}
        names = st.multiselect("Questions", named, USUAL, format_func=named.__getitem__, key="present-cards", width=460)
        if st.button("Begin", type="primary", icon=":material/play_arrow:", disabled=not names, key="present-begin"):
            begin(names)
            st.switch_page(kinds.PRESENT, query_params={"cards": ",".join(names)})


def begin(names: Sequence[str], slide: int = 0, live_runs: Sequence[str] = ()) -> None:
    st.session_state[CHOSEN] = tuple(names) or USUAL
    st.session_state[LIVE], st.session_state[AT] = (), 0
    go(slide)
    st.session_state[LIVE] = tuple(live_runs)


def arrive() -> None:
    """Take over what the address says, where this session did not write it itself."""
    query = st.query_params.to_dict()
    if CHOSEN in st.session_state and (location.is_own(query) or not query):
        return
    names, slide, runs = (query.get(name, "") for name in PARAMETERS)
    known = {card.name for card in CARDS}
    begin(
        [name for name in names.split(",") if name in known],
        int(slide) if slide.isdecimal() else 0,
        [run_id for run_id in runs.split(",") if run_id],
    )


def draw() -> None:
    arrive()
    shown, at = slides(), st.session_state[AT]
    with st.container(key="stage", gap="large"):
        slide = shown[at]
        if slide.card is None:
            st.fragment(room, run_every=live.EVERY * 4)()
        else:
            PAINTED[slide.part](slide.card)
    controls(slide, at, len(shown))
    query = {"cards": ",".join(st.session_state[CHOSEN]), "slide": str(at), "live": ",".join(st.session_state[LIVE])}
    location.put({name: value for name, value in query.items() if value})


def slides() -> list[Slide]:
    cards = [gallery.named(name) for name in st.session_state[CHOSEN]]
    return [Slide(None), *(Slide(card, part) for card in cards for part in PARTS)]


def go(slide: int) -> None:
    """To this slide; pictures begin to play when they are reached from before."""
    shown, before = slides(), st.session_state[AT]
    at = min(max(slide, 0), len(shown) - 1)
    if shown[at].card is not shown[before].card:
        st.session_state[LIVE] = ()
    play_nothing()
    card = shown[at].card
    if card is not None and shown[at].part == "pictures" and at > before and not st.session_state[LIVE]:
        play_at_once(slider(gallery.recorded(card)))
    st.session_state[AT] = at


def slider(run_ids: Sequence[str]) -> str:
    return "presented-" + "-".join(run_ids)


# The slides.


def room() -> None:
    """What a presenter wants to know before the doors open."""
    cards = [gallery.named(name) for name in st.session_state[CHOSEN]]
    st.title("See what a shared gradient gives away", anchor=False)
    st.markdown("\n".join(f"{number}. {card.question}" for number, card in enumerate(cards, 1)))
    with st.container(key="room"):
        for holds, words in checks(cards):
            sign = {True: ":material/check_circle:", False: ":material/error:", None: ":material/hourglass_empty:"}
            st.caption(f"{sign[holds]} {words}")


def checks(cards: Sequence[Card]) -> list[tuple[bool | None, str]]:
    """Recordings, data and worker: whether each is there, None for one on its way, and a sentence."""
    missing = [card.question for card in cards if not gallery.recorded(card)]
    home = session.settings().home
    reasons = [objection.reason for card in cards for spec in card.specs for objection in spec.objections(home)]
    alive = session.store().runner_alive()
    return [
        (not missing, f"Not recorded: {'; '.join(missing)}" if missing else "Every question has its recordings."),
        (not reasons, reasons[0] if reasons else "The data for live runs is there."),
        (alive or None, "A worker is ready for live runs." if alive else "The worker for live runs is starting."),
    ]


def question(card: Card) -> None:
    st.title(card.question, anchor=False)
    st.markdown(card.look_for)


def pictures(card: Card) -> None:
    """The original beside what comes back, from the first moment to the last, recorded or live."""
    st.subheader(card.question, anchor=False)
    try:
        run_ids = carried_out_live(card) or recordings.take_in(card, session.store())
    except (ValueError, StoreError) as error:
        st.error(str(error), icon=":material/block:")
        return
    running = any(not side.run.status.is_over for side in compare_sides.read(run_ids)[0])
    st.fragment(moments, run_every=live.EVERY if running else None)(card, tuple(run_ids), running)


def carried_out_live(card: Card) -> tuple[str, ...]:
    """The runs that the address names, where they are the card's; none of any others."""
    named: tuple[str, ...] = st.session_state[LIVE]
    try:
        specs = tuple(session.store().run(run_id).spec for run_id in named)
    except KeyError:
        specs = ()
    return named if specs == card.specs else ()


def moments(card: Card, run_ids: tuple[str, ...], was_running: bool) -> None:
    """One turn; where the last run has ended, the whole slide is drawn once more."""
    with session.explained():
        sides, gone = compare_sides.read(run_ids)
        if gone:
            st.info("A run of this slide does not exist any more.", icon=":material/info:")
            return
        running = any(not side.run.status.is_over for side in sides)
        place, kept = st.container(key="stage-pictures"), compare_sides.positions(sides)
        at = None
        with st.container(key="scrubber"):
            if len(kept) > 1:
                most, key = max(side.planned for side in sides), slider(run_ids)
                at = shared_slider(kept, most=most, live=running, key=key, label="", shortcut="p")
        with place:
            row(card, sides, at)
        if running != was_running:
            st.rerun()


def row(card: Card, sides: Sequence[Side], at: int | None) -> None:
    """The original, of the largest batch where there are several, and each reconstruction over its closeness."""
    first, *others = st.columns(1 + len(sides), gap="medium")
    largest = max(sides, key=lambda side: side.count)
    with first:
        grid(largest.truth, largest.count, "Original")
        shared = len({side.truth for side in sides}) == 1
        st.markdown("**private**" if shared else f"**private**, {card.takes[sides.index(largest)].caption}")
    for column, side, take in zip(others, sides, card.takes, strict=True):
        with column:
            reached(side, take.caption, at)


def reached(side: Side, caption: str, at: int | None) -> None:
    frame = side.frame(at)
    point = side.point(frame)
    psnr = point.mean("psnr") if point else None
    grid(frame.png if frame else None, side.count, f"Reconstruction, {caption}")
    words = f" · {titles.number(psnr, 'psnr')}" if psnr is not None else ""
    if frame and side.count > 1 and (found := glance(frame.png, None, side.count).found):
        words += f" · {found}"
    st.markdown(f"**{caption}**{words}")
    if not side.run.status.is_over:
        st.badge(str(side.run.status), color=live.COLORS[str(side.run.status)])


def grid(sprite: bytes | None, count: int, alt: str) -> None:
    if sprite is None:
        st.html(f'<div class="gia-nothing" role="img" aria-label="{alt}: not there yet"></div>')
    else:
        st.image(images.grid(sprite, count), width="stretch", alt=alt)


def answer(card: Card) -> None:
    """One sentence, and where it holds."""
    st.subheader(card.question, anchor=False)
    try:
        found, condition = recordings.told(card)
    except MissingError as error:
        st.error(str(error), icon=":material/block:")
        return
    st.title(found, anchor=False)
    st.caption(condition)


PAINTED = {"question": question, "pictures": pictures, "answer": answer}


# The keys.


def controls(slide: Slide, at: int, count: int) -> None:
    """Every key as a button that shows it."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="presenter-keys"):
        key("Back", "Left", ":material/arrow_back:", go, at - 1, disabled=at == 0)
        key("Next", "Right", ":material/arrow_forward:", go, at + 1, disabled=at == count - 1, type="primary")
        if slide.card is not None and slide.part == "pictures":
            if st.session_state[LIVE]:
                key("Recorded", "L", ":material/movie:", play_recording, slide.card)
            else:
                key("Live", "L", ":material/bolt:", run_live, slide.card)
            st.caption("Play, pause: P", width="content")
        st.caption(f"{at + 1} of {count}", width="stretch")
        if st.button("Exit", shortcut="Esc", icon=":material/close:", type="tertiary", key="present-exit"):
            st.switch_page(kinds.LAB)
    with st.container(key="clicker"):  # what a presenter's remote control sends; these buttons are not shown
        key("Previous slide", "PageUp", None, go, at - 1, disabled=at == 0)
        key("Next slide", "PageDown", None, go, at + 1, disabled=at == count - 1)


def key(
    label: str, shortcut: str, icon: str | None, action: Callable[..., None], *subject: object, **looks: Any
) -> None:
    name = f"present-{label.lower().replace(' ', '-')}"
    st.button(label, key=name, shortcut=shortcut, icon=icon, on_click=action, args=subject, **looks)


def run_live(card: Card) -> None:
    """Carry the card's runs out here and now, on the same slide."""
    st.session_state[LIVE] = tuple(compare_start.submit(card.specs))


def play_recording(card: Card) -> None:
    st.session_state[LIVE] = ()
    play_at_once(slider(gallery.recorded(card)))
