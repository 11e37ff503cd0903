"""The first three claims of the first lesson: one neuron, several pictures, noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from gia_core import titles

from .. import glossary
from ..tables import table
from . import drawing, neuron
from .drawing import Shown
from .examples import NAMES, SIZE, Example, batch, example
from .network import Array
from .page import beside, claim

SEED = 1
PICTURE, COUNT, NOISE = "lesson-picture", "lesson-count", "lesson-noise"
COUNTS = (1, 2, 4)
NOISES = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Standard deviations, where the bias's gradient is about 1."""


def one_picture() -> Example:
    """The claim that one division brings the picture back; returns the picture that the reader chose."""
    with claim("One neuron gives its picture away", key="lesson-one"):
        client, gradient = glossary.link("client", "client"), glossary.link("gradient", "gradient")
        place = beside(
            f"A {client} computes a {gradient} on one private picture. A **{glossary.link('neuron', 'neuron')}** "
            "multiplies each of its numbers with a weight, adds them up, and adds a bias. So its gradient is simple: "
            "for the bias it is some number, for the weights it is **the picture times that number**. "
            "Divide, and the picture is back."
        )
        name = place.selectbox("Private picture", NAMES, key=PICTURE)
        chosen = example(name)
        drawing.strip(divided(chosen, neuron.gradient(*pushed([chosen]))))
        st.caption(
            "Exact for every loss and all weights, as long as the bias's gradient is not zero: with z = w·x + b, "
            "dL/dw = dL/dz · x and dL/db = dL/dz. No search, no guess: an attack in "
            f"{glossary.link('closed-form', 'closed form')}."
        )
    return chosen


def several_pictures(chosen: Example) -> None:
    """The claim that a batch comes back as a weighted mean."""
    with claim("Several pictures come back as a mixture", key="lesson-several"):
        place = beside(
            f"With a larger {glossary.link('batch-size', 'batch')} the gradients are averaged. The same division then "
            "gives a **mixture**: every picture counts by how much it pushes the bias."
        )
        count = place.segmented_control("Pictures in the batch", COUNTS, default=COUNTS[1], key=COUNT, required=True)
        pictures = batch(chosen.name, count)
        values, push = pushed(pictures)
        found, weights = neuron.gradient(values, push).divided, neuron.shares(push)
        drawing.strip([*originals(pictures, weights), mixture(found, pictures[0])])
        with st.expander("The mixture in numbers", key="lesson-mixture"):
            share_table(pictures, weights, found)
        st.caption(
            "A mixture is no protection yet. A layer has many neurons, and each mixes the same pictures by other "
            f"shares: attacks such as {glossary.link('cocktail-party')} take such mixtures apart."
        )


def noise(chosen: Example) -> None:
    """The claim that noise on the gradient is noise on the picture."""
    with claim("Noise on the gradient becomes noise on the picture", key="lesson-noisy"):
        clean = neuron.gradient(*pushed([chosen]))
        place = beside(
            "Let the client add random numbers to the gradient before it sends it. They move every pixel by about "
            "their standard deviation, divided by the size of the bias's gradient."
        )
        std = place.select_slider("Noise (standard deviation)", NOISES, value=NOISES[5], key=NOISE)
        drawing.strip(divided(chosen, neuron.noisy(clean, std, seed=SEED)))
        st.markdown(f"Every pixel is off by about {std / abs(clean.bias):.2g}, where black is 0 and white is 1.")
        with st.expander("All strengths in numbers", key="lesson-noises"):
            noise_table(chosen, clean)
        st.caption(
            "Making the gradient smaller helps nothing: the factor cancels in the division. And noise alone is no "
            f"{glossary.link('differential-privacy', 'differential privacy')}: that needs a limit on what one picture "
            "may add."
        )


def pushed(pictures: Sequence[Example]) -> tuple[Array, Array]:
    """(B, pixels) the pictures, and (B,) how far each one's output is off."""
    values = np.stack([one.flat for one in pictures])
    return values, neuron.pushes(values, seed=SEED)


def divided(chosen: Example, seen: neuron.Seen) -> list[Shown]:
    """The picture, its neuron's gradient, and what their division gives."""
    shape, found = chosen.pixels.shape, seen.divided
    low, high = float(seen.weights.min()), float(seen.weights.max())
    parts = [
        Shown("Original", chosen.name, f"Original: {chosen.name}", drawing.picture(chosen.flat, shape)),
        Shown(
            "Gradient of the weights",
            f"{len(seen.weights):,} numbers, {signed(low)} to {signed(high)}; gray is 0",
            f"Gradient of the weights as a picture, numbers from {low:.2f} to {high:.2f}",
            drawing.signed(seen.weights, shape),
            sign="→",
        ),
        Shown(
            "Gradient of the bias",
            "one number",
            f"Gradient of the bias: {seen.bias:.3f}",
            number=signed(seen.bias),
            sign="÷",
        ),
    ]
    return parts if found is None else [*parts, reconstruction(found, chosen)]


def reconstruction(found: Array, chosen: Example) -> Shown:
    psnr, guess = neuron.closeness(found, chosen.flat), neuron.closeness(chosen.blind_guess, chosen.flat)
    words = "exact" if psnr >= neuron.EXACT else f"PSNR {psnr:.1f} dB; blind guess {guess:.1f} dB"
    alt = f"Reconstruction of {chosen.name}, {words}"
    return Shown("Reconstruction", words, alt, drawing.picture(found, chosen.pixels.shape), sign="=")


def originals(pictures: Sequence[Example], weights: Array) -> list[Shown]:
    """Each picture of the batch with its share."""
    return [
        Shown(
            f"{share:.0%} of",
            one.name,
            f"Original: {one.name}, {share:.0%} of the mixture",
            drawing.picture(one.flat, one.pixels.shape),
            sign="+" if place else "",
        )
        for place, (one, share) in enumerate(zip(pictures, weights, strict=True))
    ]


def mixture(found: Array | None, first: Example) -> Shown:
    if found is None:
        return Shown("Reconstruction", "nothing to divide by", "Reconstruction: not possible", number="—", sign="=")
    words = "gradient of the weights ÷ of the bias"
    return Shown(
        "Reconstruction", words, f"Reconstruction: {words}", drawing.picture(found, first.pixels.shape), sign="="
    )


def share_table(pictures: Sequence[Example], weights: Array, found: Array | None) -> None:
    rows = [
        [
            one.name,
            f"{share:.1%}",
            decibels(None if found is None else neuron.closeness(found, one.flat)),
            decibels(neuron.closeness(one.blind_guess, one.flat)),
        ]
        for one, share in zip(pictures, weights, strict=True)
    ]
    table(
        ["Picture", "Share", "PSNR of the mixture", "PSNR of a blind guess"],
        rows,
        caption="What the mixture holds, and how close it is to each picture; the guess is the picture's mean color",
    )


def noise_table(chosen: Example, clean: neuron.Seen) -> None:
    guess = decibels(neuron.closeness(chosen.blind_guess, chosen.flat))
    found = [neuron.noisy(clean, std, seed=SEED).divided for std in NOISES]
    rows = [
        [f"{std:g}", decibels(None if one is None else neuron.closeness(one, chosen.flat)), guess]
        for std, one in zip(NOISES, found, strict=True)
    ]
    table(
        ["Noise", "PSNR", "PSNR of a blind guess"],
        rows,
        caption=f"How close the division comes to the picture of {SIZE} by {SIZE} pixels, by noise",
    )


def signed(value: float) -> str:
    """With a real minus."""
    return f"{value:.2f}".replace("-", "−")


def decibels(psnr: float | None) -> str:
    return "exact" if psnr is not None and psnr >= neuron.EXACT else titles.number(psnr, "psnr")
