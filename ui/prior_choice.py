"""The choice of a prior: those on this machine, each with what speaks against it."""

from __future__ import annotations

import streamlit as st

from gia_core.datasets import Dataset
from gia_core.priors import Card
from gia_core.priors import shelf as priors

from . import session

DRAFT = "draft"
"""Where ``location`` keeps the setup that the form described when it was last drawn."""


def draw(label: str, key: str, help_text: str | None) -> str:
    """The name that is chosen. What does not fit the data set of the setup that was last drawn is marked."""
    draft = st.session_state.get(DRAFT)
    dataset = None if draft is None else draft.dataset
    cards = {card.name: card for card in priors.priors(session.settings().home)}
    held = st.session_state[key]
    options = [priors.AUTO, *cards, *([held] if held not in cards and held != priors.AUTO else [])]
    return st.selectbox(
        label, options, key=key, format_func=lambda name: in_words(name, cards.get(name), dataset), help=help_text
    )


def in_words(name: str, card: Card | None, dataset: Dataset | None) -> str:
    if name == priors.AUTO:
        return "automatic"
    if card is None:
        return f"{name} · not on this machine"
    reason = None if dataset is None else card.objection(dataset)
    return f"{card.in_words} · {reason}" if reason else card.in_words
