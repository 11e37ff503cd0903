from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..types import Data, LabeledImages
from .source import Source

if TYPE_CHECKING:
    import numpy as np

VICTIMS_PER_DIGIT = (42, 28, 26, 48, 38, 39, 30, 26, 36, 47)
"""Of zeros, ones, … among every fifth image."""
NATIVE_SIZE = 8


class Digits(Source):
    """Digits: 1797 handwritten digits of 8x8 gray pixels from the UCI archive (Alpaydin and Kaynak, 1998).

    They come with scikit-learn, so nothing has to be downloaded. Every fifth is a victim, the rest are for training.
    """

    name: Literal["digits"] = "digits"
    size: Literal[8, 16, 32] = 32
    """Height and width of the images in pixels. The scans have 8; larger images repeat each pixel as a block."""

    def absent(self, home: Path) -> str | None:
        return None

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return 1, self.size, self.size

    def class_sizes(self, home: Path) -> tuple[int, ...]:
        return VICTIMS_PER_DIGIT

    def open(self, home: Path) -> Data:
        import numpy as np
        from sklearn.datasets import load_digits

        digits = load_digits()
        pixels = np.round(digits.images * (255 / 16)).astype(np.uint8)
        labels = digits.target.astype(np.int64)
        chosen = np.arange(len(labels)) % 5 == 0
        return Data(
            image_shape=self.image_shape,
            class_names=tuple(str(digit) for digit in range(10)),
            victims=split(pixels[chosen], labels[chosen], size=self.size),
            training=split(pixels[~chosen], labels[~chosen], size=self.size),
            mean=(0.305,),  # measured on the training split
            std=(0.376,),
        )


def split(pixels: np.ndarray, labels: np.ndarray, *, size: int) -> LabeledImages:
    """(N, 8, 8) uint8 enlarged to ``size`` by repeating pixels."""
    import numpy as np

    block = np.ones((size // NATIVE_SIZE, size // NATIVE_SIZE), np.uint8)
    return LabeledImages(labels, lambda index: np.kron(pixels[index], block)[:, :, None])
