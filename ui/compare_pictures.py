"""The pictures of runs side by side, and any two of them in one place with a border that can be moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st

from gia_core import titles
from gia_core.store import Frame, Status

from . import compare_setups, compare_sides, images, kinds, live, recorded
from .compare_sides import Side
from .history import Point
from .wipe import Picture, wipe

IMAGE, LEFT, RIGHT = "compare-image", "wipe-left", "wipe-right"


class Shown(NamedTuple):
    """A run at the moment that the slider stands at."""

    side: Side
    frame: Frame | None
    point: Point | None


def pictures(shown: Sequence[Shown]) -> None:
    """Every run's reconstruction, beside the original where all are after the same one, else under its own."""
    index, truths = chosen_image(), originals(shown)
    with st.container(key="pictures"):
        if len(truths) == 1:
            grid = st.grid(max(4, 1 + len(shown)), min_column_width=150, gap="small")
            with grid.cell():
                original(*next(iter(truths.items())), index)
            for each in shown:
                with grid.cell():
                    reconstruction(each, index)
        else:
            grid = st.grid(max(4, len(shown)), min_column_width=150, gap="small")
            for (name, side), each in zip(truths.items(), shown, strict=True):
                with grid.cell():
                    original(name, side, index)
                    reconstruction(each, index)


def choose_image(count: int) -> None:
    """Which image of the batch all pictures show."""
    with st.container(key="compare-zoom", width=170):
        if count > 1:
            st.selectbox(
                "Images",
                range(count + 1),
                key=IMAGE,
                format_func=lambda i: f"image {i} of {count}" if i else "the whole batch",
                label_visibility="collapsed",
            )


def chosen_image() -> int | None:
    """Its place in the batch; None for all images."""
    chosen = st.session_state.get(IMAGE)
    return chosen - 1 if chosen else None


def originals(shown: Sequence[Shown]) -> dict[str, Side]:
    """The private batch, where it is the same for all; else that of every run."""
    sides = [each.side for each in shown]
    if compare_sides.same_pictures(sides) or is_one_batch(sides):
        return {"Original": next((side for side in sides if side.truth), sides[0])}
    return {f"Original of {side.letter}": side for side in sides}


def is_one_batch(sides: Sequence[Side]) -> bool:
    """Whether runs that have not all begun are going to be after the same pictures."""
    specs = [side.run.spec for side in sides if side.run.spec is not None]
    unproved = compare_sides.same_pictures(sides) is None
    return unproved and len(specs) == len(sides) and compare_setups.same_batch(specs)


def original(name: str, side: Side, index: int | None) -> None:
    picture(side.truth, side, index, name, f"{name}: {titles.plural(side.count, 'image')}")
    st.caption(f"**{name}**{labeled(side, index)}")


def labeled(side: Side, index: int | None) -> str:
    names = (side.history.started or {}).get("label_names") or []
    place = 0 if len(names) == 1 else index
    return f": {names[place]}" if place is not None and place < len(names) else ""


def reconstruction(each: Shown, index: int | None) -> None:
    side, point = each.side, each.point
    sprite = each.frame.png if each.frame else None
    psnr = point.mean("psnr") if point else None
    words = f", mean PSNR {psnr:.1f} dB" if psnr is not None else ""
    picture(sprite, side, index, "Reconstruction", f"Reconstruction {side.name}{words}")
    st.caption(f"**{side.name}**" + (f" · {titles.number(psnr, 'psnr')}" if psnr is not None else ""))
    status = str(side.run.status)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(status, color=live.COLORS[status])
        recorded.badge(side.run)
        st.page_link(kinds.page_of(side.run), label="Open", query_params={"run": side.run.id})
    st.caption(live.where(side.run, side.history))
    if side.run.status is Status.FAILED:
        st.caption(f":material/error: {side.run.error or 'The run failed without saying why.'}")


def picture(sprite: bytes | None, side: Side, index: int | None, name: str, alt: str) -> None:
    uri = address(sprite, side.count, index)
    if uri is None:
        st.html(f'<div class="gia-nothing" role="img" aria-label="{name} of {side.letter}: not there"></div>')
    else:
        st.image(uri, width="stretch", alt=alt if index is None else f"{alt}, image {index + 1}")


def address(sprite: bytes | None, count: int, index: int | None) -> str | None:
    """A picture as a data URI; None where there is none, or no such image in the batch."""
    if sprite is None or (index is not None and index >= count):
        return None
    return images.grid(sprite, count) if index is None else images.single(sprite, count, index)


def wiped(shown: Sequence[Shown]) -> None:
    """Any two of the pictures above, one over the other."""
    found = offer(shown, chosen_image())
    st.markdown("**Before and after**: move the border, also with the arrow keys")
    left, right = (found[name] for name in picked(list(found)))
    with st.container(key="wipe"):
        if left is None or right is None:
            st.caption("One of these two pictures is not there yet.")
        elif left.images != right.images:
            st.caption("These two batches have different sizes: choose a single image above, or two of equal size.")
        else:
            wipe(left.picture, right.picture, key="compare-wipe")


class Offered(NamedTuple):
    picture: Picture
    images: int
    """How many it shows."""


def offer(shown: Sequence[Shown], index: int | None) -> dict[str, Offered | None]:
    """What can be wiped, by its name; None for a picture that is not there yet."""
    truths = {name: offered(name, name, side.truth, side, index) for name, side in originals(shown).items()}
    return truths | {
        side.name: offered(side.name, f"Reconstruction {side.name}", frame.png if frame else None, side, index)
        for side, frame, _ in shown
    }


def offered(name: str, alt: str, sprite: bytes | None, side: Side, index: int | None) -> Offered | None:
    uri = address(sprite, side.count, index)
    return None if uri is None else Offered(Picture(name, uri, alt), side.count if index is None else 1)


def picked(names: list[str]) -> tuple[str, str]:
    """Which two; at first the first and the last, which is the original and what came out in the end."""
    for key, usual in ((LEFT, names[0]), (RIGHT, names[-1])):
        if st.session_state.get(key) not in names:
            st.session_state[key] = usual
    left, right = st.columns(2, gap="small")
    return left.selectbox("Left", names, key=LEFT), right.selectbox("Right", names, key=RIGHT)
