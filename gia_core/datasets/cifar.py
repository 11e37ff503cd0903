from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from ..types import Data, LabeledImages
from .stored import Stored

if TYPE_CHECKING:
    from torchvision.datasets import CIFAR10 as Reader


class CIFAR10(Stored):
    """CIFAR-10: 32x32 color photographs of ten kinds of animals and vehicles (Krizhevsky, 2009).

    Victims are its 10,000 test images, training images its 50,000 others.
    """

    name: Literal["cifar10"] = "cifar10"

    title: ClassVar[str] = "CIFAR-10"
    files: ClassVar[tuple[str, ...]] = tuple(
        f"cifar-10-batches-py/{file}"
        for file in ("batches.meta", "test_batch", *(f"data_batch_{number}" for number in range(1, 6)))
    )
    remedy: ClassVar[str] = "run `python -m gia_core fetch cifar10` once"

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return 3, 32, 32

    def class_sizes(self, home: Path) -> tuple[int, ...]:
        return (1000,) * 10  # torchvision opens only the official files, which it knows by checksum

    def open(self, home: Path) -> Data:
        from torchvision.datasets import CIFAR10 as Reader

        with self.reading(home) as folder:
            victims, training = Reader(folder, train=False), Reader(folder, train=True)
        return opened(victims, training, mean=(0.4914, 0.4822, 0.4465), std=(0.2470, 0.2435, 0.2616))


class CIFAR100(Stored):
    """CIFAR-100: 32x32 color photographs of a hundred kinds of things (Krizhevsky, 2009).

    Victims are its 10,000 test images, training images its 50,000 others.
    """

    name: Literal["cifar100"] = "cifar100"

    title: ClassVar[str] = "CIFAR-100"
    files: ClassVar[tuple[str, ...]] = tuple(f"cifar-100-python/{file}" for file in ("meta", "test", "train"))
    remedy: ClassVar[str] = "run `python -m gia_core fetch cifar100` once"

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return 3, 32, 32

    def class_sizes(self, home: Path) -> tuple[int, ...]:
        return (100,) * 100  # torchvision opens only the official files, which it knows by checksum

    def open(self, home: Path) -> Data:
        from torchvision.datasets import CIFAR100 as Reader

        with self.reading(home) as folder:
            victims, training = Reader(folder, train=False), Reader(folder, train=True)
        return opened(victims, training, mean=(0.5071, 0.4866, 0.4409), std=(0.2673, 0.2564, 0.2762))


def opened(victims: Reader, training: Reader, *, mean: tuple[float, ...], std: tuple[float, ...]) -> Data:
    """``mean`` and ``std`` are those of the official training images, as commonly published."""
    return Data(
        image_shape=(3, 32, 32),
        class_names=tuple(victims.classes),
        victims=split(victims),
        training=split(training),
        mean=mean,
        std=std,
    )


def split(reader: Reader) -> LabeledImages:
    import numpy as np

    pixels: np.ndarray = reader.data
    return LabeledImages(np.asarray(reader.targets, np.int64), lambda index: pixels[index])
