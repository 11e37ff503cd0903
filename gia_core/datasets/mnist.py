from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from ..types import Data, LabeledImages
from .stored import Stored

if TYPE_CHECKING:
    import numpy as np
    from torchvision.datasets import MNIST as Reader

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


class MNIST(Stored):
    """MNIST: 28x28 gray handwritten digits (LeCun et al., 1998).

    Victims are its 10,000 test images, training images its 60,000 others.
    """

    name: Literal["mnist"] = "mnist"

    title: ClassVar[str] = "MNIST"
    files: ClassVar[tuple[str, ...]] = tuple(f"MNIST/raw/{file}" for file in FILES)
    remedy: ClassVar[str] = "run `python -m gia_core fetch mnist` once"

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return 1, 28, 28

    def class_sizes(self, home: Path) -> tuple[int, ...]:
        return count_labels(self.folder(home) / "MNIST/raw/t10k-labels-idx1-ubyte")

    def open(self, home: Path) -> Data:
        from torchvision.datasets import MNIST as Reader

        with self.reading(home) as folder:
            victims, training = Reader(folder, train=False), Reader(folder, train=True)
        return opened(victims, training, mean=(0.1307,), std=(0.3081,))


class FashionMNIST(Stored):
    """Fashion-MNIST: 28x28 gray pictures of ten kinds of clothes, shoes and bags (Xiao et al., 2017).

    Victims are its 10,000 test images, training images its 60,000 others.
    """

    name: Literal["fashion-mnist"] = "fashion-mnist"

    title: ClassVar[str] = "Fashion-MNIST"
    files: ClassVar[tuple[str, ...]] = tuple(f"FashionMNIST/raw/{file}" for file in FILES)
    remedy: ClassVar[str] = "run `python -m gia_core fetch fashion-mnist` once"

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return 1, 28, 28

    def class_sizes(self, home: Path) -> tuple[int, ...]:
        return count_labels(self.folder(home) / "FashionMNIST/raw/t10k-labels-idx1-ubyte")

    def open(self, home: Path) -> Data:
        from torchvision.datasets import FashionMNIST as Reader

        with self.reading(home) as folder:
            victims, training = Reader(folder, train=False), Reader(folder, train=True)
        return opened(victims, training, mean=(0.2860,), std=(0.3530,))


def count_labels(file: Path) -> tuple[int, ...]:
    """How often each of ten labels stands in an IDX file: one byte per label after a header of eight."""
    labels = file.read_bytes()[8:]
    return tuple(labels.count(label) for label in range(10))


def opened(victims: Reader, training: Reader, *, mean: tuple[float, ...], std: tuple[float, ...]) -> Data:
    """``mean`` and ``std`` are those of the official training images, as commonly published."""
    return Data(
        image_shape=(1, 28, 28),
        class_names=tuple(victims.classes),
        victims=split(victims),
        training=split(training),
        mean=mean,
        std=std,
    )


def split(reader: Reader) -> LabeledImages:
    pixels: np.ndarray = reader.data.numpy()
    return LabeledImages(reader.targets.numpy(), lambda index: pixels[index, :, :, None])
