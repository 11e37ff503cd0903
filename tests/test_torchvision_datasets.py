"""Data sets that torchvision reads, on small files in the official formats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rich.progress import Progress
from small_datasets import noise, write_celeba, write_cifar, write_imagenet_archives, write_mnist
from torchvision import datasets as official

from gia_core.datasets import CIFAR10, CIFAR100, MNIST, CelebA, FashionMNIST, ImageNet
from gia_core.datasets.fetch import unpack_imagenet
from gia_core.datasets.stored import Stored

EVERY_KIND = [CIFAR10, CIFAR100, MNIST, FashionMNIST, CelebA, ImageNet]


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_an_absent_data_set_says_what_to_do_without_a_path_of_the_machine(kind: type[Stored], home: Path) -> None:
    sentence = kind().absent(home)
    assert sentence is not None
    assert f"python -m gia_core fetch {kind().name}" in sentence
    assert sentence.count(". ") == 0
    assert sentence.endswith(".")
    assert str(home) not in sentence
    with pytest.raises(ValueError, match="is not on this machine yet"):
        kind().open(home)


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_a_given_root_is_where_it_is_looked_for(kind: type[Stored], home: Path, tmp_path: Path) -> None:
    sentence = kind(root=str(tmp_path)).absent(home)
    assert sentence is not None
    assert "in the folder given as root" in sentence
    assert str(tmp_path) not in sentence


@pytest.mark.parametrize("kind", [CIFAR10, CIFAR100])
def test_cifar_is_read(kind: type[CIFAR10 | CIFAR100], home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar(home / "data", getattr(official, kind.__name__), monkeypatch)
    data = kind().open(home)
    files = len(getattr(official, kind.__name__).train_list)
    assert len(data.class_names) == kind().class_count(home)
    assert data.victims.labels.tolist() == [0, 1, 0, 3]
    assert len(data.training) == 4 * files
    first = noise(4, 3072, seed=10)[0].reshape(3, 32, 32).transpose(1, 2, 0)
    assert np.array_equal(data.victims.image(0), first)


def test_the_official_cifar_has_ten_thousand_victims(home: Path) -> None:
    assert CIFAR10().victim_count(home) == CIFAR100().victim_count(home) == 10_000


@pytest.mark.parametrize("kind", [MNIST, FashionMNIST])
def test_mnist_is_read(kind: type[MNIST | FashionMNIST], home: Path) -> None:
    write_mnist(home / "data", getattr(official, kind.__name__))
    data = kind().open(home)
    assert kind().class_sizes(home) == (1, 0, 0, 0, 0, 1, 0, 0, 0, 2)
    assert data.victims.labels.tolist() == [9, 9, 0, 5]
    assert len(data.training) == 6
    assert np.array_equal(data.victims.image(2)[:, :, 0], noise(4, 28, 28, seed=1)[2])


def test_celeba_is_read(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_celeba(home / "data", monkeypatch)
    data = CelebA(size=64).open(home)
    assert CelebA().class_sizes(home) == (1, 1)
    assert CelebA(attribute="Bald").class_sizes(home) == (2, 0)
    assert data.class_names == ("not smiling", "smiling")
    assert data.victims.labels.tolist() == data.training.labels.tolist() == [1, 0]
    assert data.victims.image(0).shape == (64, 64, 3)


def test_a_missing_portrait_is_named_without_its_path(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_celeba(home / "data", monkeypatch)
    data = CelebA().open(home)
    (home / "data/celeba/img_align_celeba/000005.jpg").unlink()
    with pytest.raises(ValueError, match=r"^img_align_celeba/000005\.jpg cannot be read as a picture"):
        data.victims.image(0)


def test_imagenet_is_unpacked_and_read(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_imagenet_archives(home / "data", monkeypatch)
    unpack_imagenet(home, Progress())
    data = ImageNet(size=32).open(home)
    assert ImageNet().class_sizes(home) == (2, 1)
    assert data.class_names == ("tench", "goldfish")
    assert data.victims.labels.tolist() == [0, 0, 1]
    assert data.training.labels.tolist() == [0, 1]
    assert data.victims.image(0).shape == (32, 32, 3)


def test_imagenet_needs_no_training_images(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_imagenet_archives(home / "data", monkeypatch)
    (home / "data/imagenet/ILSVRC2012_img_train.tar").rename(home / "elsewhere.tar")
    unpack_imagenet(home, Progress())
    assert len(ImageNet().open(home).training) == 0
    (home / "elsewhere.tar").rename(home / "data/imagenet/ILSVRC2012_img_train.tar")
    assert len(ImageNet().open(home).training) == 0  # a run unpacks nothing
    unpack_imagenet(home, Progress())
    assert len(ImageNet().open(home).training) == 2


def test_damaged_files_are_told_apart_from_absent_ones(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar(home / "data", official.CIFAR10, monkeypatch)
    write_mnist(home / "data", official.MNIST)
    write_celeba(home / "data", monkeypatch)
    for file in ("cifar-10-batches-py/test_batch", "MNIST/raw/t10k-images-idx3-ubyte", "celeba/list_attr_celeba.txt"):
        content = (home / "data" / file).read_bytes()
        (home / "data" / file).write_bytes(content[: len(content) // 2])
    for dataset in (CIFAR10(), MNIST(), CelebA()):
        assert dataset.absent(home) is None
        with pytest.raises(ValueError, match="is damaged; remove its files, then run `python -m gia_core fetch"):
            dataset.open(home)
