"""The photographs: crops that show the subject, and splits that share no pixel."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gia_core.datasets import Photos, photos

PHOTOGRAPH = st.integers(0, len(photos.PHOTOGRAPHS) - 1)
SIZES = st.tuples(st.integers(50, 2000), st.integers(50, 2000))
PLACE = st.tuples(*[st.floats(0, 1, exclude_max=True)] * 3)


@given(PHOTOGRAPH, SIZES)
def test_the_two_rectangles_of_a_photograph_share_no_pixel(number: int, size: tuple[int, int]) -> None:
    first = photos.rectangle(number, size, split="victims")
    second = photos.rectangle(number, size, split="training")
    assert first[2] <= second[0] or second[2] <= first[0] or first[3] <= second[1] or second[3] <= first[1]


@given(PHOTOGRAPH, SIZES, st.sampled_from(["victims", "training"]), PLACE)
def test_a_crop_is_a_square_inside_its_rectangle(
    number: int, size: tuple[int, int], split: photos.Split, place: tuple[float, float, float]
) -> None:
    left, top, right, bottom = photos.rectangle(number, size, split=split)
    x, y, end_x, end_y = photos.crop_box(number, size, split=split, place=place)
    assert end_x - x == end_y - y > 0
    assert left <= x < end_x <= right
    assert top <= y < end_y <= bottom


@pytest.mark.parametrize("size", [32, 64, 128])
def test_images_hold_no_trace_of_the_other_split(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def painted(function: str) -> Image.Image:
        """White where the victims are, black elsewhere."""
        number = [photograph.function for photograph in photos.PHOTOGRAPHS].index(function)
        canvas = Image.new("RGB", (641, 427))
        canvas.paste("white", photos.rectangle(number, canvas.size, split="victims"))
        return canvas

    monkeypatch.setattr(photos, "decoded", painted)
    for index in range(40):
        assert photos.image(index, split="victims", size=size).min() == 255
        assert photos.image(index, split="training", size=size).max() == 0


def test_a_victim_shows_at_least_two_fifths_of_its_photograph() -> None:
    for number, photograph in enumerate(photos.PHOTOGRAPHS):
        size = photos.decoded(photograph.function).size
        left, _, right, _ = photos.crop_box(number, size, split="victims", place=(0, 0, 0))
        assert right - left >= 0.4 * min(size) - 1


def test_every_crop_of_a_photograph_is_different(home: Path) -> None:
    victims = Photos().open(home).victims
    assert len({victims.image(index).tobytes() for index in range(len(victims))}) == len(victims)


def test_photographs_show_the_same_at_every_size(home: Path) -> None:
    small, large = (Photos(size=size).open(home).victims for size in (32, 128))
    for index in range(8):
        shrunk = large.image(index).reshape(32, 4, 32, 4, 3).mean((1, 3))
        assert np.abs(small.image(index) - shrunk).mean() < 6


def test_photographs_open_at_once(home: Path) -> None:
    Photos().open(home).victims.image(0)  # Python and scikit-image are loaded now
    start = time.perf_counter()
    victims = Photos().open(home).victims
    for index in range(8):
        victims.image(index)
    assert time.perf_counter() - start < 1
