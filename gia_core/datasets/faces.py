from __future__ import annotations

from pathlib import Path
from typing import Literal

from ..types import Data, LabeledImages
from .source import Source

FACES = 100
"""scikit-image's subset holds this many faces, then as many other patches of the same photographs."""


class Faces(Source):
    """Faces: 100 small gray faces and 100 patches without a face, from Labeled Faces in the Wild (Huang et al., 2007).

    They come with scikit-image, so nothing has to be downloaded. Half of each class are victims, half are for training.
    """

    name: Literal["faces"] = "faces"
    size: Literal[25, 32] = 32
    """Height and width of the images in pixels. 25 is what they were taken at, 32 is enlarged from it."""

    def absent(self, home: Path) -> str | None:
        return None

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return 1, self.size, self.size

    def class_sizes(self, home: Path) -> tuple[int, ...]:
        return (FACES // 2, FACES // 2)

    def open(self, home: Path) -> Data:
        return Data(
            image_shape=self.image_shape,
            class_names=("face", "not a face"),
            victims=split(self.size, first=0),
            training=split(self.size, first=1),
            mean=(0.365,),  # measured on the training split
            std=(0.261,),
        )


def split(size: int, *, first: int) -> LabeledImages:
    """Every second image of the subset from ``first`` on."""
    import numpy as np
    from PIL import Image
    from skimage.data import lfw_subset

    subset: np.ndarray = lfw_subset()  # type: ignore[no-untyped-call]
    patches = np.round(subset[first::2] * 255).astype(np.uint8)
    labels = np.repeat(np.arange(2, dtype=np.int64), FACES // 2)

    def image(index: int) -> np.ndarray:
        enlarged = Image.fromarray(patches[index]).resize((size, size), Image.Resampling.BICUBIC)
        return np.array(enlarged)[:, :, None]

    return LabeledImages(labels, image)
