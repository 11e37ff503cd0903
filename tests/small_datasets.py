"""Writes small data sets in the formats of the official ones: a few images each, of noise that is always the same."""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
import tarfile
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image
from torchvision import datasets

from gia_core.datasets.celeba import Attribute

SYNSETS = {"n01440764": "tench, Tinca tinca", "n01443537": "goldfish, Carassius auratus"}


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def md5(file: Path) -> str:
    return hashlib.md5(file.read_bytes()).hexdigest()


def pickled(value: object) -> bytes:
    """What Python's serializer makes of dictionaries, lists, texts, numbers and a matrix of bytes, written by hand.

    The official CIFAR files have that format. It is not otherwise used in this project, and imported nowhere.
    """
    match value:
        case int():
            return b"I%d\n" % value
        case str():
            return b"V" + value.encode() + b"\n"
        case list():
            return b"(" + b"".join(map(pickled, value)) + b"l"
        case dict():
            return b"(" + b"".join(pickled(key) + pickled(entry) for key, entry in value.items()) + b"d"
        case np.ndarray():
            body = value.tobytes()
            shape = b"(I%d\nI%d\nt" % value.shape
            return b"cnumpy\nndarray\n(" + shape + b"Vuint8\nB" + struct.pack("<I", len(body)) + body + b"tR"
    raise TypeError(type(value))


def write_cifar(data: Path, kind: type[datasets.CIFAR10], monkeypatch: pytest.MonkeyPatch) -> None:
    """Four images per official file; torchvision is told their checksums in place of the official ones."""
    folder = data / kind.base_folder
    folder.mkdir(parents=True)
    labels = "labels" if kind is datasets.CIFAR10 else "fine_labels"
    names = [f"kind {number}" for number in range(10 if kind is datasets.CIFAR10 else 100)]

    def write(file: str, content: dict[str, object]) -> str:
        (folder / file).write_bytes(pickled(content) + b".")
        return md5(folder / file)

    for number, listed in enumerate(("train_list", "test_list")):
        entries = [
            [file, write(file, {"data": noise(4, 3072, seed=10 * number + i), labels: [i, i + 1, i, 3]})]
            for i, (file, _) in enumerate(getattr(kind, listed))
        ]
        monkeypatch.setattr(kind, listed, entries)
    meta = {**kind.meta, "md5": write(kind.meta["filename"], {kind.meta["key"]: names})}
    monkeypatch.setattr(kind, "meta", meta)


def pack_cifar(data: Path, kind: type[datasets.CIFAR10], monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The archive that the official site would serve, of what lies in ``data``."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(data / kind.base_folder, kind.base_folder)
    monkeypatch.setattr(kind, "tgz_md5", hashlib.md5(packed.getvalue()).hexdigest())
    return packed.getvalue()


def idx(array: np.ndarray) -> bytes:
    """The format of the MNIST files (LeCun): a magic number, the shape, the bytes."""
    return struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes()


def mnist_files() -> dict[str, bytes]:
    """Six training and four test images."""
    return {
        "train-images-idx3-ubyte": idx(noise(6, 28, 28)),
        "train-labels-idx1-ubyte": idx(np.array([0, 1, 2, 3, 4, 4], np.uint8)),
        "t10k-images-idx3-ubyte": idx(noise(4, 28, 28, seed=1)),
        "t10k-labels-idx1-ubyte": idx(np.array([9, 9, 0, 5], np.uint8)),
    }


def write_mnist(data: Path, kind: type[datasets.MNIST]) -> None:
    folder = data / kind.__name__ / "raw"
    folder.mkdir(parents=True)
    for file, content in mnist_files().items():
        (folder / file).write_bytes(content)


def pack_mnist(kind: type[datasets.MNIST], monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """The archives that the official sites would serve, by file name."""
    packed = {f"{file}.gz": gzip.compress(content, mtime=0) for file, content in mnist_files().items()}
    sums = [(file, hashlib.md5(content).hexdigest()) for file, content in packed.items()]
    monkeypatch.setattr(kind, "resources", sums)
    return packed


def write_celeba(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two portraits each for training, validation and test; the first of each pair smiles."""
    folder = data / "celeba"
    (folder / "img_align_celeba").mkdir(parents=True)
    portraits = [f"{number:06d}.jpg" for number in range(1, 7)]
    for number, portrait in enumerate(portraits):
        Image.fromarray(noise(218, 178, 3, seed=number)).save(folder / "img_align_celeba" / portrait)
    attributes = get_args(Attribute)
    lists: dict[str, tuple[list[str], list[list[int]]]] = {
        "list_attr_celeba.txt": (
            ["6", " ".join(attributes)],
            [[1 if a == "Smiling" and i % 2 == 0 else -1 for a in attributes] for i in range(6)],
        ),
        "identity_CelebA.txt": ([], [[i] for i in range(6)]),
        "list_bbox_celeba.txt": (["6", "image_id x_1 y_1 width height"], [[1, 2, 3, 4]] * 6),
        "list_landmarks_align_celeba.txt": (["6", " ".join("abcdefghij")], [list(range(10))] * 6),
        "list_eval_partition.txt": ([], [[i // 2] for i in range(6)]),
    }
    for file, (header, rows) in lists.items():
        lines = [f"{name} {' '.join(map(str, row))}" for name, row in zip(portraits, rows, strict=True)]
        (folder / file).write_text("\n".join([*header, *lines]) + "\n")
    official = [(address, md5(folder / file), file) for address, _, file in datasets.CelebA.file_list if file in lists]
    monkeypatch.setattr(datasets.CelebA, "file_list", official)


def write_imagenet_archives(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The three archives of the 2012 challenge with two classes: three validation and two training images."""
    from scipy.io import savemat

    folder = data / "imagenet"
    folder.mkdir(parents=True)
    rows = [(i + 1, synset, words, "", 0) for i, (synset, words) in enumerate(SYNSETS.items())]
    fields = ["ILSVRC2012_ID", "WNID", "words", "gloss", "num_children"]
    mat = io.BytesIO()
    savemat(mat, {"synsets": np.array([rows], dtype=[(field, object) for field in fields])})
    devkit = {
        "ILSVRC2012_devkit_t12/data/meta.mat": mat.getvalue(),
        "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt": b"1\n2\n1\n",
    }
    validation = {f"ILSVRC2012_val_0000000{i}.JPEG": jpeg(seed=i) for i in (1, 2, 3)}
    training = {f"{synset}.tar": tar({f"{synset}_1.JPEG": jpeg(seed=9)}) for synset in SYNSETS}
    contents = {
        "devkit": tar(devkit, compression="gz"),
        "val": tar(validation),
        "train": tar(training),
    }
    sums = {}
    for part, content in contents.items():
        file = folder / datasets.imagenet.ARCHIVE_META[part][0]
        file.write_bytes(content)
        sums[part] = (file.name, md5(file))
    monkeypatch.setattr(datasets.imagenet, "ARCHIVE_META", sums)


def tar(files: dict[str, bytes], *, compression: str = "") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=f"w:{compression}") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def jpeg(*, seed: int) -> bytes:
    content = io.BytesIO()
    Image.fromarray(noise(90, 120, 3, seed=seed)).save(content, "JPEG")
    return content.getvalue()


def write_image_folder(root: Path, sizes: dict[str, int]) -> None:
    """A folder per class with so many PNG pictures."""
    for seed, (name, count) in enumerate(sizes.items()):
        (root / name).mkdir(parents=True)
        for number in range(count):
            picture = Image.fromarray(noise(40, 50, 3, seed=1000 * seed + number))
            picture.save(root / name / f"{number:03d}.png")
