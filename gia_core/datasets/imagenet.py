from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from ..types import Data, LabeledImages
from . import pictures
from .stored import Stored

if TYPE_CHECKING:
    from torchvision.datasets import ImageNet as Reader


class ImageNet(Stored):
    """ImageNet: photographs of a thousand kinds of things, the 2012 challenge (Russakovsky et al., IJCV 2015).

    Victims are the 50,000 validation images. The 1.3 million training images are only needed to train a model.
    """

    name: Literal["imagenet"] = "imagenet"
    size: Literal[32, 64, 128, 224] = 64
    """Height and width of the images in pixels: the central square of each photograph, made smaller."""

    title: ClassVar[str] = "ImageNet"
    files: ClassVar[tuple[str, ...]] = ("imagenet/meta.bin", "imagenet/val")
    remedy: ClassVar[str] = (
        "get ILSVRC2012_devkit_t12.tar.gz and ILSVRC2012_img_val.tar from image-net.org, put them into the data folder "
        "under imagenet/ and run `python -m gia_core fetch imagenet`, which unpacks them"
    )

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return 3, self.size, self.size

    def class_sizes(self, home: Path) -> tuple[int, ...]:
        folders = sorted(folder for folder in (self.folder(home) / "imagenet/val").iterdir() if folder.is_dir())
        return tuple(sum(1 for _ in folder.iterdir()) for folder in folders)

    def trainable(self, home: Path) -> bool:
        return (self.folder(home) / "imagenet/train").is_dir()

    def open(self, home: Path) -> Data:
        from torchvision.datasets import ImageNet as Reader

        with self.reading(home) as folder:
            victims = Reader(f"{folder}/imagenet", split="val")
            # Without this question torchvision would look for the archive of 138 GB and unpack it here and now.
            training = Reader(f"{folder}/imagenet", split="train") if self.trainable(home) else None
        if training is not None and training.wnids != victims.wnids:
            raise ValueError("ImageNet's folders train and val must hold the same classes; unpack them again.")
        return Data(
            image_shape=self.image_shape,
            class_names=tuple(synonyms[0] for synonyms in victims.classes),
            victims=split(victims, size=self.size),
            training=split(training, size=self.size),
            mean=(0.485, 0.456, 0.406),  # of the official training images, as commonly published
            std=(0.229, 0.224, 0.225),
        )


def split(reader: Reader | None, *, size: int) -> LabeledImages:
    """The photographs of one of torchvision's readers, read one by one; empty for None."""
    import numpy as np

    samples = reader.samples if reader else []
    labels = np.array([label for _, label in samples], np.int64)
    return LabeledImages(labels, lambda index: pictures.read(Path(samples[index][0]), size=size))
