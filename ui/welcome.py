"""What stands in the place of a run before there is one: what this is, and the questions to click on."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import streamlit as st

from . import gallery, images, presenter

EXAMPLE = Path(__file__).parent.parent / "assets" / "example"
"""A run of the first question: iDLG on LeNet with the cat of scikit-image, public domain (CC0)."""


def draw() -> None:
    with st.container(key="welcome", gap="medium"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.header("See what a shared gradient gives away", anchor=False, width="stretch")
            presenter.offer()
        st.markdown(
            "In federated learning, data stays on the device and only model updates are shared. GIA Lab attacks such "
            "an update and measures what comes back."
        )
        st.html(story())
        with st.container(gap="xsmall"):
            st.subheader("Ask a question", anchor=False)
            st.markdown("Each plays a recorded run at once, and can then be run live. Or set up your own: press Start.")
        gallery.draw()


@cache
def story() -> str:
    """Three pictures with a sentence each."""
    steps = (
        (
            "original",
            "Original: a photo of a cat",
            "A client trains on a private photo.",
            "It never leaves the device.",
        ),
        (
            "gradient",
            "The update as colored noise",
            "Only the update is shared.",
            "14,288 numbers, no pixel among them.",
        ),
        (
            "reconstruction",
            "Reconstruction: the same cat",
            "An attacker works backwards.",
            "Which photo causes this update?",
        ),
    )
    cards = "".join(
        f'<div><img src="{picture(name)}" alt="{alt}"><p><strong>{title}</strong><br>{more}</p></div>'
        for name, alt, title, more in steps
    )
    return f'<div class="gia-story gia-example">{cards}</div>'


def picture(name: str) -> str:
    return images.uri((EXAMPLE / f"{name}.png").read_bytes())
