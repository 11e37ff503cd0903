"""Getting data sets and weights onto this machine: the one place that downloads, on the user's explicit command.

Everything is prepared in a folder of its own and moved into place when it is complete and its checksums hold, so what
an interruption leaves behind never looks usable.
"""

from __future__ import annotations

import hashlib
import http.client
import re
import shutil
import ssl
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .celeba import CelebA
from .cifar import CIFAR10, CIFAR100
from .imagenet import ImageNet
from .mnist import MNIST, FashionMNIST

if TYPE_CHECKING:
    from rich.progress import Progress
    from torchvision import datasets

TIMEOUT = 30
"""Seconds without an answer after which a download is given up."""
NETWORK_FAILURES = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError)
LPIPS = "lpips-alexnet.safetensors"


def fetch(name: str, home: Path, progress: Progress) -> None:
    """Put the data set called ``name``, or the weights called "lpips", below ``home``; what is there already stays.

    Every download appears in ``progress``. Raises ValueError with one sentence if it cannot be had.
    """
    from torchvision import datasets

    match name:
        case "cifar10":
            fetch_archives(CIFAR10(), datasets.CIFAR10, home, progress)
        case "cifar100":
            fetch_archives(CIFAR100(), datasets.CIFAR100, home, progress)
        case "mnist":
            fetch_archives(MNIST(), datasets.MNIST, home, progress)
        case "fashion-mnist":
            fetch_archives(FashionMNIST(), datasets.FashionMNIST, home, progress)
        case "celeba":
            fetch_celeba(home)
        case "imagenet":
            unpack_imagenet(home, progress)
        case "lpips":
            fetch_lpips(home, progress)
        case _:
            known = "cifar10, cifar100, mnist, fashion-mnist, celeba, imagenet or lpips"
            raise ValueError(f"There is nothing to fetch for {name}; choose {known}.")


def fetch_archives(
    dataset: CIFAR10 | CIFAR100 | MNIST | FashionMNIST,
    reader: type[datasets.CIFAR10 | datasets.MNIST],
    home: Path,
    progress: Progress,
) -> None:
    """Download what torchvision's ``reader`` names, by the checksums it knows, and let it unpack that."""
    if dataset.absent(home) is None:
        return
    with staging(home / "data") as folder:
        archives = archives_of(reader)
        for file, (addresses, md5) in archives.items():
            download(addresses, folder / file, progress, md5=md5)
        reader(folder, download=True)  # finds the archives there and only unpacks them
        for file in archives:
            (folder / file).unlink()


def archives_of(reader: type[datasets.CIFAR10 | datasets.MNIST]) -> dict[str, tuple[list[str], str]]:
    """Where torchvision expects each archive, seen from the data folder; its addresses and its MD5."""
    if hasattr(reader, "resources"):
        raw = f"{reader.__name__}/raw"
        return {f"{raw}/{file}": ([mirror + file for mirror in reader.mirrors], md5) for file, md5 in reader.resources}
    return {reader.filename: ([reader.url], reader.tgz_md5)}


def fetch_celeba(home: Path) -> None:
    """Let torchvision get CelebA from Google Drive, which takes the package gdown."""
    from torchvision import datasets

    if CelebA().absent(home) is None:
        return
    try:
        with staging(home / "data") as folder:
            datasets.CelebA(folder, download=True)
            (folder / "celeba/img_align_celeba.zip").unlink()
    except Exception as error:  # gdown raises its own, and cannot be named here because it need not be installed
        raise ValueError(
            "CelebA could not be had from Google Drive, which takes the package gdown and often refuses; put the "
            "unpacked folder img_align_celeba and the five list files into the data folder under celeba/ by hand."
        ) from error


def unpack_imagenet(home: Path, progress: Progress) -> None:
    """Unpack the archives that the user put into the data folder; the training images only if they are there."""
    from torchvision.datasets import imagenet

    source = home / "data/imagenet"
    archives = {split: source / file for split, (file, _) in imagenet.ARCHIVE_META.items()}
    splits = [split for split in ("val", "train") if archives[split].exists() and not (source / split).exists()]
    if not splits or not archives["devkit"].exists():
        if reason := ImageNet().absent(home):
            raise ValueError(reason)
        return
    with staging(source) as folder:
        for split in ("devkit", *splits):
            (folder / archives[split].name).symlink_to(archives[split].resolve())
        for split in splits:
            progress.add_task(f"unpacking {archives[split].name}", total=None)
            unpack_imagenet_split(folder, split)
        for split in ("devkit", *splits):
            (folder / archives[split].name).unlink()


def unpack_imagenet_split(folder: Path, split: str) -> None:
    from torchvision import datasets

    try:
        datasets.ImageNet(folder, split=split)
    except (RuntimeError, OSError, EOFError, LookupError) as error:
        raise ValueError("An archive of ImageNet is damaged or incomplete; get it again from image-net.org.") from error


def fetch_lpips(home: Path, progress: Progress) -> None:
    """The convolutions of torchvision's AlexNet, which LPIPS (Zhang et al., CVPR 2018) compares images by.

    They are kept under torchvision's names, ``features.0.weight`` to ``features.10.bias``, without pickle.
    """
    from safetensors.torch import save_file
    from torchvision.models import AlexNet_Weights

    if (home / "weights" / LPIPS).exists():
        return
    source = AlexNet_Weights.IMAGENET1K_V1
    with staging(home / "weights") as folder:
        checkpoint = folder / "alexnet.pth"
        download([source.url], checkpoint, progress, sha256=digest_in(source.url))
        # Found in the folder, so only opened: its checksum holds, and weights_only runs no code that it may contain.
        state = source.get_state_dict(
            model_dir=str(folder), file_name=checkpoint.name, map_location="cpu", weights_only=True
        )
        save_file({name: weight for name, weight in state.items() if name.startswith("features.")}, folder / LPIPS)
        checkpoint.unlink()


def digest_in(address: str) -> str:
    """The first digits of the SHA-256, which torchvision writes into the file's name."""
    found = re.search(r"-([0-9a-f]{8,})\.pth$", address)
    if found is None:
        raise ValueError("This torchvision states no checksum for AlexNet; install the one in requirements.txt.")
    return found[1]


@contextmanager
def staging(target: Path) -> Iterator[Path]:
    """A folder whose content replaces that of the same names in ``target`` if all goes well, and vanishes if not."""
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target, prefix=".fetching-") as folder:
        yield Path(folder)
        for made in Path(folder).iterdir():
            place = target / made.name
            if place.is_dir():
                shutil.rmtree(place)
            made.replace(place)


def download(addresses: list[str], file: Path, progress: Progress, *, md5: str = "", sha256: str = "") -> None:
    """Save what the first working address serves as ``file``; its checksum must begin with the one that is given."""
    file.parent.mkdir(parents=True, exist_ok=True)
    failure: Exception | None = None
    for address in addresses:
        try:
            save(address, file, progress)
        except NETWORK_FAILURES as error:
            failure = error
            continue
        if matches(file, "md5", md5) and matches(file, "sha256", sha256):
            return
    reason = "could not be downloaded; check the network connection and" if failure else "arrived damaged;"
    raise ValueError(f"{file.name} {reason} run the command again.") from failure


def save(address: str, file: Path, progress: Progress) -> None:
    request = urllib.request.Request(address, headers={"User-Agent": "GIA Lab"})
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response, file.open("wb") as sink:
        task = progress.add_task(file.name, total=response.length)
        while chunk := response.read(1 << 18):
            sink.write(chunk)
            progress.advance(task, len(chunk))


def matches(file: Path, algorithm: str, digest: str) -> bool:
    with file.open("rb") as content:
        return hashlib.file_digest(content, algorithm).hexdigest().startswith(digest)
