"""Sprites → pictures for a page, as data URIs. A sprite is one PNG that holds a batch as a grid, see the worker."""

from __future__ import annotations

import base64
import math
from functools import lru_cache
from io import BytesIO

import numpy as np
from PIL import Image

PNG_URI = "data:image/png;base64,"
GAP = 1
"""Pixels between the images of a grid, at their own resolution; the page shows through."""


def uri(png: bytes) -> str:
    """Within the message that carries the text, so picture and numbers change together and none is asked for late."""
    return PNG_URI + base64.b64encode(png).decode()


@lru_cache(maxsize=64)
def grid(sprite: bytes, count: int) -> str:
    """All ``count`` images with gaps between them."""
    return uri(spaced(tiles(sprite, count)))


@lru_cache(maxsize=64)
def single(sprite: bytes, count: int, index: int) -> str:
    """One image of the batch."""
    return uri(png(tiles(sprite, count)[index]))


@lru_cache(maxsize=64)
def difference(truth: bytes, reconstruction: bytes) -> bytes:
    """A sprite of |original − reconstruction| in each channel, unscaled: black where they are equal."""
    a, b = pixels(truth).astype(np.int16), pixels(reconstruction).astype(np.int16)
    return png(np.abs(a - b).astype(np.uint8))


def pixels(sprite: bytes) -> np.ndarray:
    """(H, W, C) uint8, C 1 or 3."""
    with Image.open(BytesIO(sprite), formats=["PNG"]) as image:
        array = np.asarray(image)
    return array if array.ndim == 3 else array[:, :, None]


def tiles(sprite: bytes, count: int) -> np.ndarray:
    """(count, h, w, C) of a grid with ceil(sqrt(count)) columns, filled left to right, row by row."""
    array = pixels(sprite)
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    height, width, channels = array.shape[0] // rows, array.shape[1] // columns, array.shape[2]
    cells = array.reshape(rows, height, columns, width, channels).swapaxes(1, 2)
    return cells.reshape(-1, height, width, channels)[:count]


def spaced(images: np.ndarray) -> bytes:
    """A grid like the sprite's, with transparent gaps and empty cells."""
    count, height, width, channels = images.shape
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    canvas = np.zeros((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, 4), np.uint8)
    for i, image in enumerate(images):
        top, left = i // columns * (height + GAP), i % columns * (width + GAP)
        cell = canvas[top : top + height, left : left + width]
        cell[..., :3], cell[..., 3] = np.broadcast_to(image, (height, width, 3)) if channels == 1 else image, 255
    return png(canvas)


def png(array: np.ndarray) -> bytes:
    """(H, W, C) uint8 as a lossless PNG."""
    buffer = BytesIO()
    Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()
