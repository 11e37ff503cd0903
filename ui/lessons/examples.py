"""The pictures that a lesson lets its reader choose from: photographs without any person, and handwritten digits."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gia_core.datasets import Digits
from gia_core.datasets.photos import PHOTOGRAPHS, image

from .network import Array

SIZE = 32
"""Height and width in pixels."""
PEOPLE = ("astronaut",)
PHOTOS = tuple(photograph.title for photograph in PHOTOGRAPHS if photograph.title not in PEOPLE)
DIGITS = ("digit 3", "digit 8", "digit 0", "digit 5")
NAMES = (*PHOTOS, *DIGITS)


class Example(NamedTuple):
    name: str
    pixels: Array
    """(H, W, C) in [0, 1]; C is 1 or 3."""

    @property
    def flat(self) -> Array:
        """(H * W * C,)"""
        return self.pixels.reshape(-1)

    @property
    def blind_guess(self) -> Array:
        """(H * W * C,) the picture's mean color everywhere: what is easily guessed without any gradient."""
        return np.broadcast_to(self.pixels.mean(axis=(0, 1)), self.pixels.shape).reshape(-1)


@lru_cache(maxsize=len(NAMES))
def example(name: str) -> Example:
    """Raises KeyError where there is none of this name."""
    if name in DIGITS:
        return Example(name, digit(int(name[-1])) / 255)
    number = {photograph.title: place for place, photograph in enumerate(PHOTOGRAPHS)}[name]
    return Example(name, image(number, split="victims", size=SIZE) / 255)


def digit(number: int) -> Array:
    """The first victim that shows it, (H, W, 1) from 0 to 255."""
    victims = Digits(size=SIZE).open(Path()).victims
    return victims.image(int(np.flatnonzero(victims.labels == number)[0])).astype(float)


def batch(name: str, count: int) -> list[Example]:
    """The picture of this name and the ones after it, all photographs or all digits."""
    family = DIGITS if name in DIGITS else PHOTOS
    first = family.index(name)
    return [example(family[(first + place) % len(family)]) for place in range(count)]
