"""What holds for every data set, and for those that need no download in particular."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import TypeAdapter, ValidationError
from rich.progress import Progress
from small_datasets import noise, write_celeba, write_cifar, write_image_folder, write_imagenet_archives, write_mnist
from torchvision import datasets as official

from gia_core.datasets import (
    CIFAR10,
    CIFAR100,
    MNIST,
    CelebA,
    Dataset,
    Digits,
    Faces,
    FashionMNIST,
    ImageFolder,
    ImageNet,
    Photos,
    Upload,
)
from gia_core.datasets.fetch import unpack_imagenet
from gia_core.datasets.source import Source
from gia_core.datasets.upload import Picture
from gia_core.datasets.uploads import decode_all
from gia_core.spec import kinds
from gia_core.types import Data, LabeledImages

Write = Callable[[Path, pytest.MonkeyPatch], None]


def uploaded(count: int) -> tuple[Picture, ...]:
    files = []
    for seed in range(count):
        content = io.BytesIO()
        Image.fromarray(noise(50, 40, 3, seed=seed)).save(content, "PNG")
        files.append((f"pet {seed}.png", content.getvalue()))
    return decode_all(files, size=32)


def write_nothing(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For what comes with the packages, or inside the spec."""


def write_imagenet(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_imagenet_archives(data, monkeypatch)
    unpack_imagenet(data.parent, Progress())


PREPARED: dict[str, tuple[Source, Write]] = {
    "photos": (Photos(), write_nothing),
    "photos at 64": (Photos(size=64), write_nothing),
    "faces": (Faces(), write_nothing),
    "faces at 25": (Faces(size=25), write_nothing),
    "digits": (Digits(), write_nothing),
    "digits at 8": (Digits(size=8), write_nothing),
    "cifar10": (CIFAR10(), lambda data, monkeypatch: write_cifar(data, official.CIFAR10, monkeypatch)),
    "cifar100": (CIFAR100(), lambda data, monkeypatch: write_cifar(data, official.CIFAR100, monkeypatch)),
    "mnist": (MNIST(), lambda data, monkeypatch: write_mnist(data, official.MNIST)),
    "fashion-mnist": (FashionMNIST(), lambda data, monkeypatch: write_mnist(data, official.FashionMNIST)),
    "celeba": (CelebA(), write_celeba),
    "imagenet": (ImageNet(), write_imagenet),
    "image-folder": (
        ImageFolder(root="pets"),
        lambda data, monkeypatch: write_image_folder(data / "pets", {"cat": 7, "dog": 1, "fish": 3}),
    ),
    "upload": (Upload(pictures=uploaded(3)), write_nothing),
}
OFFICIAL_SIZES = {"cifar10", "cifar100"}
"""Known without counting, so not those of the small files."""


@pytest.fixture(params=PREPARED)
def prepared(request: pytest.FixtureRequest, home: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    """Every data set in turn, ready to be opened in ``home``."""
    dataset, write = PREPARED[request.param]
    write(home / "data", monkeypatch)
    return dataset


@pytest.fixture
def data(prepared: Source, home: Path) -> Data:
    return prepared.open(home)


def some(images: LabeledImages) -> list[np.ndarray]:
    """At most forty images, spread over the split."""
    return [images.image(int(i)) for i in np.linspace(0, len(images) - 1, min(40, len(images))).round()]


def test_it_is_usable_and_counts_its_victims_without_opening(prepared: Source, data: Data, home: Path) -> None:
    assert prepared.absent(home) is None
    assert prepared.class_count(home) == len(data.class_names)
    if prepared.name not in OFFICIAL_SIZES:
        counted = np.bincount(data.victims.labels, minlength=len(data.class_names))
        assert prepared.class_sizes(home) == tuple(counted)
        assert prepared.victim_count(home) == len(data.victims)


def test_images_have_the_announced_shape(data: Data) -> None:
    channels, height, width = data.image_shape
    assert len(data.mean) == len(data.std) == channels
    for image in some(data.victims) + some(data.training):
        assert image.shape == (height, width, channels)
        assert image.dtype == np.uint8


def test_labels_name_classes(data: Data) -> None:
    for images in (data.victims, data.training):
        assert images.labels.dtype == np.int64
        assert set(images.labels) <= set(range(len(data.class_names)))
    assert len(set(data.class_names)) == len(data.class_names)


def test_opening_twice_gives_the_same_images(prepared: Source, data: Data, home: Path) -> None:
    again = prepared.open(home)
    for first, second in ((data.victims, again.victims), (data.training, again.training)):
        assert np.array_equal(first.labels, second.labels)
        assert all(np.array_equal(a, b) for a, b in zip(some(first), some(second), strict=True))


def test_no_victim_is_a_training_image(data: Data) -> None:
    def contents(images: LabeledImages) -> set[bytes]:
        return {images.image(index).tobytes() for index in range(min(500, len(images)))}

    assert contents(data.victims)
    assert not contents(data.victims) & contents(data.training)


def test_every_kind_is_prepared_here() -> None:
    assert {dataset.name for dataset, _ in PREPARED.values()} == set(kinds(Dataset))


def test_it_survives_json(prepared: Source) -> None:
    catalog = TypeAdapter(Dataset)
    assert catalog.validate_json(prepared.model_dump_json()) == prepared


@pytest.mark.parametrize("kind", [Photos, Faces, Digits])
def test_mean_and_deviation_are_those_of_the_training_images(kind: type[Source], home: Path) -> None:
    data = kind().open(home)
    pixels = np.stack([data.training.image(index) for index in range(0, len(data.training), 5)]) / 255
    assert data.mean == pytest.approx(pixels.mean((0, 1, 2)), abs=0.02)
    assert data.std == pytest.approx(pixels.std((0, 1, 2)), abs=0.02)


def test_enlarged_digits_hold_nothing_but_the_scanned_pixels(home: Path) -> None:
    native, enlarged = (Digits(size=size).open(home).victims for size in (8, 32))
    assert np.array_equal(enlarged.image(5)[2::4, 1::4], native.image(5))
    assert len(Digits().open(home).training) + len(native) == 1797


@pytest.mark.parametrize("count", [1, 4, 10, 32])
def test_half_of_the_classes_of_an_upload_have_no_picture(count: int, home: Path) -> None:
    pictures = uploaded(count)
    upload = Upload(pictures=pictures)
    data = upload.open(home)
    assert len(data.class_names) == upload.class_count(home) == max(10, 2 * count)
    assert data.class_names[:count] == tuple(picture.name for picture in pictures)
    assert data.victims.labels.tolist() == list(range(count))
    assert len(data.training) == 0
    with pytest.raises(IndexError):
        data.training.image(0)


def test_an_upload_needs_one_to_32_pictures() -> None:
    with pytest.raises(ValidationError):
        Upload(pictures=())
    with pytest.raises(ValidationError):
        Upload(pictures=uploaded(1) * 33)
