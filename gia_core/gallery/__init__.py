"""The gallery: questions that people ask, each with recorded runs that answer it. To add one: see ``cards.py``."""

from __future__ import annotations

from collections.abc import Sequence

from . import recordings
from .card import Card, Take
from .cards import CARDS
from .lesson_cards import LESSON_CARDS
from .recordings import MissingError

__all__ = ["CARDS", "EVERY_CARD", "Card", "MissingError", "Take", "is_recorded", "named", "shown_by"]

EVERY_CARD = (*CARDS, *LESSON_CARDS)
"""Those of the gallery, and those that only a lesson shows."""


def named(name: str) -> Card:
    """Raises ValueError with a sentence where there is no such card."""
    for card in EVERY_CARD:
        if card.name == name:
            return card
    raise ValueError(f"There is no card {name!r}; to list them: python -m gia_core gallery list")


def shown_by(run_ids: Sequence[str]) -> Card | None:
    """The card whose recorded runs these are, all of them; None where they are anything else."""
    return next((card for card in CARDS if recorded(card) == tuple(run_ids)), None)


def is_recorded(run_id: str) -> bool:
    """Whether a run is one of the recordings that come with GIA Lab."""
    return any(run_id in recorded(card) for card in EVERY_CARD)


def recorded(card: Card) -> tuple[str, ...]:
    """The ids of its runs in every store; none where a recording cannot be read."""
    try:
        return recordings.run_ids(card)
    except MissingError:
        return ()
