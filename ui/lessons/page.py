"""The frame of a lesson: at the top what you will see and how long it takes, at the bottom where to go from there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import streamlit as st

from .. import kinds

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator


class Lesson(NamedTuple):
    title: str
    page: str
    minutes: int
    promise: str
    """What you will see, as one sentence."""


LESSONS = (
    Lesson(
        "How a gradient leaks",
        "pages/learn/how_a_gradient_leaks.py",
        7,
        "You will read a picture off the gradient of a single neuron, then watch a search find one that a whole "
        "network has seen.",
    ),
    Lesson(
        "What makes it hard",
        "pages/learn/what_makes_it_hard.py",
        7,
        "You will see which of four things make an attack harder, by how much, and what a well-known theory says.",
    ),
    Lesson(
        "What helps",
        "pages/learn/what_helps.py",
        6,
        "You will see what is left of an attack after each kind of defense, and what is left of the defense once the "
        "attacker knows it.",
    ),
)
"""In the order in which they are read."""


@contextmanager
def lesson(title: str) -> Iterator[None]:
    """What stands around a lesson. Raises ValueError where there is none of this title."""
    place = [known.title for known in LESSONS].index(title)
    this = LESSONS[place]
    st.title(title, anchor=False)
    st.caption(f"Lesson {place + 1} of {len(LESSONS)} · about {this.minutes} minutes. {this.promise}")
    yield
    st.divider()
    if place + 1 < len(LESSONS):
        following = LESSONS[place + 1]
        st.page_link(following.page, label=f"Next: {following.title}", icon=":material/arrow_forward:")
    else:
        st.page_link(kinds.LAB, label="Try it on a network of your choice", icon=":material/science:")


@contextmanager
def claim(heading: str, *, key: str) -> Iterator[None]:
    """One claim and its figure, in a frame of their own."""
    with st.container(border=True, key=key, gap="small"):
        st.header(heading, anchor=False)
        yield


def beside(words: str) -> DeltaGenerator:
    """Say something, and hand over the place beside it for the control that it is about; under it on a narrow page."""
    said, place = st.columns((3, 2), gap="large", vertical_alignment="center")
    said.markdown(words)
    return place.container()
