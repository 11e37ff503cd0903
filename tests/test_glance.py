"""Which image of a batch came closest, which stayed furthest, and which were not found."""

from __future__ import annotations

import re

import numpy as np
import pytest
from seeded import sprite

from ui.glance import described, frames, glance


def batch(count: int, *, gray: tuple[int, ...] = ()) -> bytes:
    images = np.random.default_rng(0).integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    images[list(gray)] = 128
    return sprite(images)


def scores(*psnr: float) -> np.ndarray:
    return np.array(psnr, dtype=np.float32)


def test_only_exactly_uniform_gray_is_not_found() -> None:
    images = np.full((4, 4, 4, 3), 128, np.uint8)
    images[1, 0, 0, 0] = 129
    images[2] = 200
    images[3, ..., 2] = 127
    assert glance(sprite(images), None, 4).missing == (True, False, False, False)


def test_what_was_not_found_is_neither_best_nor_worst() -> None:
    at = glance(batch(4, gray=(0, 3)), scores(1, 30, 20, 50), 4)
    assert (at.best, at.worst, at.found) == (1, 2, "2 of 4 found")


@pytest.mark.parametrize(("gray", "places"), [((0, 1, 2), {"▲": 3}), ((0, 1, 2, 3), {}), ((), {"▲": 3, "▼": 0})])
def test_there_are_only_as_many_marks_as_images_to_mark(gray: tuple[int, ...], places: dict[str, int]) -> None:
    assert glance(batch(4, gray=gray), scores(1, 2, 3, 4), 4).places == places


def test_among_equally_close_images_none_is_called_closest() -> None:
    assert glance(batch(3), scores(100, 100, 100), 3).places == {}
    assert glance(batch(3), scores(99, 100, 100), 3).worst == 0


def test_a_score_that_diverged_is_the_worst() -> None:
    at = glance(batch(3), scores(5, float("nan"), 9), 3)
    assert (at.best, at.worst) == (2, 1)


def test_a_full_batch_is_not_counted_and_a_single_image_not_marked() -> None:
    assert glance(batch(4), scores(1, 2, 3, 4), 4).found == ""
    alone = glance(batch(1), scores(30), 1)
    assert (alone.places, alone.found) == ({}, "")
    assert glance(batch(1, gray=(0,)), scores(30), 1).found == "0 of 1 found"


def test_without_pictures_or_scores_nothing_is_claimed() -> None:
    assert glance(None, scores(1, 2), 2).missing == (False, False)
    assert glance(batch(2), None, 2).places == {}


def test_the_words_name_images_as_people_count_them() -> None:
    psnr = scores(7, 21.04, 3)
    assert described(glance(batch(3, gray=(2,)), psnr, 3), psnr) == (
        "closest to its original is image 2 (21.0 dB); furthest from its original is image 1 (7.0 dB); 2 of 3 found"
    )


def test_frames_lie_where_the_images_are() -> None:
    html = frames(glance(batch(3), scores(1, 2, 3), 3), batch(3))
    best, worst = re.findall(r"left: ([\d.]+)%; top: ([\d.]+)%; width: ([\d.]+)%; height: ([\d.]+)%", html)
    side = 4 / 9 * 100  # two columns of four pixels with one between them
    assert [float(share) for share in best] == pytest.approx([0, 5 / 9 * 100, side, side], abs=1e-3)
    assert [float(share) for share in worst] == pytest.approx([0, 0, side, side], abs=1e-3)
