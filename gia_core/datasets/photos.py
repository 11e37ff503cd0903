"""Real photographs that need no download.

scikit-image ships a few photographs. Each becomes a class; its images are crops of it. A photograph is divided into two
rectangles that share no pixel, one for the victims and one for training, and a crop never leaves its rectangle.
"""

from __future__ import annotations

import functools
import hashlib
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from ..types import Data, LabeledImages
from .pictures import square
from .source import Source

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

Box = tuple[float, float, float, float]
"""Left, top, right and bottom, as fractions of a photograph's width and height."""
PixelBox = tuple[int, int, int, int]
Split = Literal["victims", "training"]

IMAGES_PER_CLASS: dict[Split, int] = {"victims": 64, "training": 500}
SMALLEST_CROP = 0.8
"""Side of the smallest crop as a share of its rectangle's shorter side; a victim then shows at least 40 % of the
photograph's shorter side, enough to recognize it by."""


class Photograph(NamedTuple):
    title: str
    function: str
    """Its name in ``skimage.data``."""
    victims: Box
    """Holds what a person would recognize the photograph by."""
    training: Box


PHOTOGRAPHS = (
    Photograph("astronaut", "astronaut", (0.18, 0.00, 0.72, 0.50), (0.00, 0.50, 1.00, 1.00)),
    Photograph("cat", "cat", (0.27, 0.05, 0.83, 1.00), (0.00, 0.00, 0.27, 1.00)),
    Photograph("coffee", "coffee", (0.20, 0.00, 0.78, 0.60), (0.00, 0.60, 1.00, 1.00)),
    Photograph("rocket", "rocket", (0.30, 0.25, 0.72, 1.00), (0.00, 0.00, 0.30, 1.00)),
    Photograph("galaxies", "hubble_deep_field", (0.46, 0.30, 1.00, 1.00), (0.00, 0.00, 0.46, 1.00)),
    Photograph("histology", "immunohistochemistry", (0.46, 0.00, 1.00, 1.00), (0.00, 0.00, 0.46, 1.00)),
    Photograph("retina", "retina", (0.00, 0.12, 0.55, 0.88), (0.55, 0.00, 1.00, 1.00)),
    Photograph("motorcycle", "stereo_motorcycle", (0.40, 0.10, 1.00, 1.00), (0.00, 0.00, 0.40, 1.00)),
)


class Photos(Source):
    """Photographs: crops of eight color photographs that come with scikit-image, so nothing has to be downloaded.

    One photograph is one class. Victims show its subject (the face, the cup, the engine), training images the rest.
    """

    name: Literal["photos"] = "photos"
    size: Literal[16, 24, 32, 48, 64, 128] = 32
    """Height and width of the images in pixels. Larger ones are harder to reconstruct and take longer."""

    def absent(self, home: Path) -> str | None:
        return None

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return 3, self.size, self.size

    def class_sizes(self, home: Path) -> tuple[int, ...]:
        return (IMAGES_PER_CLASS["victims"],) * len(PHOTOGRAPHS)

    def open(self, home: Path) -> Data:
        return Data(
            image_shape=self.image_shape,
            class_names=tuple(photograph.title for photograph in PHOTOGRAPHS),
            victims=split(self.size, "victims"),
            training=split(self.size, "training"),
            mean=(0.464, 0.313, 0.277),  # measured on the training split at 32 pixels
            std=(0.286, 0.215, 0.216),
        )


def split(size: int, name: Split) -> LabeledImages:
    """The classes take turns, so that any eight neighbors show eight photographs."""
    import numpy as np

    labels = np.arange(IMAGES_PER_CLASS[name] * len(PHOTOGRAPHS), dtype=np.int64) % len(PHOTOGRAPHS)
    return LabeledImages(labels, lambda index: image(index, split=name, size=size))


def image(index: int, *, split: Split, size: int) -> np.ndarray:
    """(size, size, 3) uint8; the same index shows the same part of the photograph at every size."""
    import numpy as np
    from PIL import ImageOps

    number = index % len(PHOTOGRAPHS)
    photograph = decoded(PHOTOGRAPHS[number].function)
    *place, mirror = fractions(f"photos {split} {index}")
    # Cropped before it is resized: a filter that reaches over the edge would mix in pixels of the other split.
    crop = square(photograph.crop(crop_box(number, photograph.size, split=split, place=place)), size)
    return np.array(ImageOps.mirror(crop) if split == "training" and mirror < 0.5 else crop)


def fractions(text: str) -> list[float]:
    """Four numbers in [0, 1) that are the same for the same text on every machine and with every version."""
    return [number / 2**32 for number in struct.unpack("<4I", hashlib.sha256(text.encode()).digest()[:16])]


def crop_box(number: int, size: tuple[int, int], *, split: Split, place: Sequence[float]) -> PixelBox:
    """A square inside the split's rectangle of a photograph whose width and height are ``size``.

    ``place`` says how large it is, how far to the right and how far down, each from 0 to 1.
    """
    left, top, right, bottom = rectangle(number, size, split=split)
    largest = min(right - left, bottom - top)
    smallest = round(SMALLEST_CROP * largest)
    scale, across, down = place
    side = smallest + int(scale * (largest - smallest + 1))
    x = left + int(across * (right - left - side + 1))
    y = top + int(down * (bottom - top - side + 1))
    return x, y, x + side, y + side


def rectangle(number: int, size: tuple[int, int], *, split: Split) -> PixelBox:
    """The split's rectangle of photograph ``number`` in pixels."""
    width, height = size
    photograph = PHOTOGRAPHS[number]
    left, top, right, bottom = photograph.victims if split == "victims" else photograph.training
    return round(left * width), round(top * height), round(right * width), round(bottom * height)


@functools.cache
def decoded(function: str) -> Image.Image:
    """One of scikit-image's photographs; each process decodes it once."""
    from PIL import Image
    from skimage import data

    pixels = getattr(data, function)()
    return Image.fromarray(pixels[0] if isinstance(pixels, tuple) else pixels)
