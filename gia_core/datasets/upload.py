"""Pictures the user brought. They live inside the spec, so the store keeps and deletes them together with the run."""

from __future__ import annotations

import base64
import binascii
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from ..component import Component
from ..types import Data, LabeledImages
from .pictures import UNREADABLE, square
from .source import Source

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

MOST_PICTURES = 32
LARGEST_SIDE = 128
LONGEST_NAME = 40
LONGEST_TEXT = 70_000
"""Base64 characters; the worst picture of 128x128 pixels, pure noise, takes 66,000."""


def opened(png: str) -> Image.Image:
    """The picture behind a base64 text, only its header read; ValueError unless it is a small square PNG."""
    from PIL import Image

    try:
        image = Image.open(io.BytesIO(base64.b64decode(png, validate=True)), formats=("PNG",))
    except (*UNREADABLE, binascii.Error, Image.DecompressionBombError) as error:
        raise ValueError("This is not a PNG picture in base64; add the picture again.") from error
    if image.width != image.height or image.width > LARGEST_SIDE:
        raise ValueError(f"A picture must be square and at most {LARGEST_SIDE} pixels wide; add it again.")
    return image


def check_png(png: str) -> str:
    opened(png).close()
    return png


def check_name(name: str) -> str:
    if not re.fullmatch(r"\w[\w -]*", name):
        raise ValueError("A picture's name consists of letters, digits, spaces, - and _; rename it.")
    return name


class Picture(Component):
    """One picture, cleaned by ``uploads.decode``."""

    name: Annotated[str, AfterValidator(check_name)] = Field(max_length=LONGEST_NAME)
    """What the picture is called: letters, digits, spaces, - and _, at most 40."""
    png: Annotated[str, AfterValidator(check_png)] = Field(max_length=LONGEST_TEXT, repr=False)
    """The picture itself: a square PNG of at most 128x128 pixels, as base64 text."""


class Upload(Source):
    """Your own pictures: each is a class of its own and may become the victim. No model can be trained on them.

    There are twice as many classes as pictures, and at least ten: with just one class per picture, guessing which
    labels are in a batch would need no attack at all.
    """

    name: Literal["upload"] = "upload"
    pictures: tuple[Picture, ...] = Field(min_length=1, max_length=MOST_PICTURES)
    """The pictures, up to 32. They are stored with the run and deleted with it."""
    size: Literal[32, 64, 128] = 32
    """Height and width of the images in pixels: the central square of each picture, made smaller."""

    @model_validator(mode="after")
    def large_enough(self) -> Upload:
        """Enlarging would fake detail that was never there."""
        for picture in self.pictures:
            if (width := opened(picture.png).width) < self.size:
                raise ValueError(f'"{picture.name}" is only {width} pixels wide; add it again for size {self.size}.')
        return self

    def absent(self, home: Path) -> str | None:
        return None

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return 3, self.size, self.size

    def class_sizes(self, home: Path) -> tuple[int, ...]:
        unused = max(10 - len(self.pictures), len(self.pictures))
        return (1,) * len(self.pictures) + (0,) * unused

    def trainable(self, home: Path) -> bool:
        return False

    def open(self, home: Path) -> Data:
        import numpy as np

        images = [pixels(picture, self.size) for picture in self.pictures]
        names = [picture.name for picture in self.pictures]
        unused = [f"no picture {number}" for number in range(len(names), self.class_count(home))]
        return Data(
            image_shape=self.image_shape,
            class_names=(*names, *unused),
            victims=LabeledImages(np.arange(len(images), dtype=np.int64), lambda index: images[index]),
            training=LabeledImages(np.zeros(0, np.int64), lambda index: images[len(images) + index]),
            mean=(0.5, 0.5, 0.5),  # unknown pictures: the middle of the range
            std=(0.25, 0.25, 0.25),
        )


def pixels(picture: Picture, size: int) -> np.ndarray:
    """(size, size, 3) uint8. Raises ValueError naming the picture if its PNG breaks off after the header."""
    import numpy as np

    try:
        with opened(picture.png) as image:
            return np.array(square(image.convert("RGB"), size))
    except UNREADABLE as error:
        raise ValueError(f'"{picture.name}" is damaged; add the picture again.') from error
