"""What stands in the place of a run before there is one: what this is, shown by a recorded run, and what to click."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import streamlit as st

from . import images

EXAMPLE = Path(__file__).parent.parent / "assets" / "example"
"""Frames of the first question's run, as recorded: iDLG on LeNet with the cat of scikit-image, public domain (CC0)."""
QUALITY = {1: 11.6, 3: 15.3, 5: 18.4, 13: 25.4, 55: 51.4}
"""PSNR of the frames in dB, by iteration."""


def draw() -> None:
    with st.container(key="welcome", gap="medium"):
        st.header("See what a shared gradient gives away", anchor=False)
        st.markdown(
            "In federated learning, data stays on the device and only model updates are shared. GIA Lab attacks such "
            "an update, live, and measures what comes back."
        )
        st.html(story())
        st.html(progress())
        st.markdown(
            ":material/arrow_back: **Press Start, or ask another question first.** The first picture appears within "
            "seconds; you may pause, step or stop at any time, and the best result is kept."
        )


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
            "iteration-55",
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


@cache
def progress() -> str:
    """The same reconstruction from the first iteration to the last."""
    frames = "".join(
        f'<figure><img src="{picture(f"iteration-{at}")}" alt="Reconstruction after {at} iterations, {psnr} dB PSNR">'
        f"<figcaption>{'1 iteration' if at == 1 else at} · {psnr} dB</figcaption></figure>"
        for at, psnr in QUALITY.items()
    )
    return f'<div class="gia-frames gia-example"><p>A recorded run of the first question</p><div>{frames}</div></div>'


def picture(name: str) -> str:
    return images.uri((EXAMPLE / f"{name}.png").read_bytes())
