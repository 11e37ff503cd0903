"""From sprites to pictures on a page, pixel by pixel."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image
from seeded import sprite

from ui import images


def opened(uri: str) -> np.ndarray:
    with Image.open(io.BytesIO(base64.b64decode(uri.removeprefix(images.PNG_URI)))) as image:
        return np.asarray(image)


def batch(count: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, 4, 5, channels), dtype=np.uint8)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 9, 17])
def test_every_image_of_a_sprite_is_found_again(count: int) -> None:
    truth = batch(count)
    for i in range(count):
        assert np.array_equal(opened(images.single(sprite(truth), count, i)), truth[i])


def test_a_grid_shows_the_page_between_its_images() -> None:
    truth = batch(3)
    grid = opened(images.grid(sprite(truth), 3))
    assert grid.shape == (4 + 1 + 4, 5 + 1 + 5, 4)
    assert np.array_equal(grid[:4, 6:, :3], truth[1])
    assert not grid[4].any()
    assert not grid[5:, 6:].any()


def test_gray_images_stay_gray() -> None:
    truth = batch(1, channels=1)
    file = io.BytesIO()
    Image.fromarray(truth[0, :, :, 0]).save(file, "PNG")
    assert np.array_equal(opened(images.grid(file.getvalue(), 1))[..., 0], truth[0, :, :, 0])
    assert opened(images.single(file.getvalue(), 1, 0)).ndim == 2


def test_the_difference_is_absolute_and_true_to_scale() -> None:
    one, other = np.full((1, 4, 5, 3), 30, np.uint8), np.full((1, 4, 5, 3), 200, np.uint8)
    for a, b in ((one, other), (other, one)):
        assert (images.pixels(images.difference(sprite(a), sprite(b))) == 170).all()
    assert not images.pixels(images.difference(sprite(one), sprite(one))).any()
