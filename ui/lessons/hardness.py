"""The four influences that the second lesson goes through, in its words."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from gia_core import titles
from gia_core.sweep import Cell
from gia_core.theory.experiments import ACTIVATION, BATCH_SIZE, RESOLUTION, TRAINING
from gia_core.theory.fits import ratio
from gia_core.theory.levels import Level, same_unknowns
from gia_core.theory.verdicts import between, factor

from .. import glossary
from .hardness_question import ask
from .hardness_verdict import Question


def draw() -> None:
    for question in questions():
        ask(question)


def questions() -> tuple[Question, ...]:
    return (
        Question(
            BATCH_SIZE,
            "Pictures that share one update hide each other: that is what a bigger "
            f"{glossary.link('batch-size', 'batch')} promises. Move the slider, and compare with a guess "
            "that never saw the update.",
            axis="Pictures in the batch",
            named=lambda cell: "one picture" if cell[0] == 1 else f"batches of {cell[0]}",
            more="a bigger batch",
        ),
        Question(
            RESOLUTION,
            "A picture of twice the size has four times the pixels to find. So does a batch of four: is it the same to "
            "the attack?",
            axis="Width and height, and pictures in the batch",
            named=sized,
            more="a sharper picture",
            caveat="The last layer of this network grows with the picture, and the update with it; its weights are "
            "drawn anew for every size.",
            beside=either_way,
        ),
        Question(
            TRAINING,
            f"Early in {glossary.link('federated-learning', 'federated learning')} the weights are random; after some "
            f"{glossary.link('epoch', 'epochs')} the network makes few mistakes, and its "
            f"{glossary.link('gradient', 'gradient')} gets small. Does less of the picture leak then?",
            axis="Epochs of training before the attack",
            named=lambda cell: "untrained weights" if cell[0] == 0 else titles.plural(int(cell[0]), "epoch"),
        ),
        Question(
            ACTIVATION,
            f"The {glossary.link('activation', 'activation')} is the bend after each layer. Some are smooth, and some "
            "cut off everything below zero, so that less of the picture reaches the gradient.",
            axis="Activation",
            named=lambda cell: titles.option(str(cell[0])),
            caveat="The weights are drawn as for the sigmoid, and the attack's settings are the same "
            "for all: others may suit some of them better.",
        ),
    )


def sized(cell: Cell) -> str:
    """ "batches of 4 of 16 pixels"."""
    return f"{'one picture' if cell[1] == 1 else f'batches of {cell[1]}'} of {cell[0]} pixels"


def either_way(levels: Sequence[Level]) -> None:
    """Whether it is the count of the pixels that matters, or where they are."""
    for few, many in same_unknowns(levels):
        found = ratio(few, many)
        if found.interval is not None and not found.interval[0] <= 1 <= found.interval[1]:
            st.markdown(
                f"As many numbers to find in either way: {sized(many.cell)} come back {factor(found.value)} as wrong "
                f"as {sized(few.cell)} (95 %: {between(found.interval)}). A law that only counts them says 1."
            )
