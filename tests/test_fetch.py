"""Downloads, from a web server on this machine that plays the official sites."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from rich.console import Console
from rich.progress import Progress
from safetensors.torch import load_file
from small_datasets import pack_cifar, pack_mnist, write_celeba, write_cifar, write_imagenet_archives, write_mnist
from torchvision import datasets as official
from torchvision.models import AlexNet_Weights

from gia_core.datasets import CIFAR10, CIFAR100, MNIST, FashionMNIST
from gia_core.datasets.fetch import digest_in, fetch

Serve = Callable[[dict[str, bytes]], str]


@pytest.fixture
def progress() -> Iterator[Progress]:
    with Progress(console=Console(file=io.StringIO())) as shown:
        yield shown


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves contents by file name; the answer is the address they lie under. Below cut/ only half of it arrives."""
    contents: dict[str, bytes] = {}

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = contents.get(self.path.rpartition("/")[2])
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write((content or b"")[: len(content or b"") // (2 if "/cut/" in self.path else 1)])

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    def publish(files: dict[str, bytes]) -> str:
        contents.update(files)
        return f"http://127.0.0.1:{server.server_port}"

    yield publish
    server.shutdown()
    server.server_close()
    thread.join()


def left_in(home: Path) -> list[str]:
    return sorted(str(file.relative_to(home)) for file in home.rglob("*"))


@pytest.mark.parametrize("kind", [CIFAR10, CIFAR100])
def test_cifar_arrives_unpacked(
    kind: type[CIFAR10 | CIFAR100],
    home: Path,
    tmp_path: Path,
    serve: Serve,
    progress: Progress,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader = getattr(official, kind.__name__)
    write_cifar(tmp_path, reader, monkeypatch)
    site = serve({reader.filename: pack_cifar(tmp_path, reader, monkeypatch)})
    monkeypatch.setattr(reader, "url", f"{site}/{reader.filename}")
    fetch(kind().name, home, progress)
    assert len(kind().open(home).victims) == 4
    assert [file.name for file in (home / "data").iterdir()] == [reader.base_folder]
    assert [(task.description, task.finished) for task in progress.tasks] == [(reader.filename, True)]


@pytest.mark.parametrize("kind", [MNIST, FashionMNIST])
def test_mnist_arrives_unpacked_from_the_first_site_that_has_it(
    kind: type[MNIST | FashionMNIST], home: Path, serve: Serve, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = getattr(official, kind.__name__)
    site = serve(pack_mnist(reader, monkeypatch))
    monkeypatch.setattr(reader, "mirrors", [f"{site}/missing?", f"{site}/cut/", f"{site}/"])
    fetch(kind().name, home, progress)
    assert len(kind().open(home).victims) == 4
    assert len(left_in(home / "data" / reader.__name__ / "raw")) == 4


def test_what_is_there_is_not_fetched_again(home: Path, progress: Progress, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar(home / "data", official.CIFAR10, monkeypatch)
    write_mnist(home / "data", official.MNIST)
    write_celeba(home / "data", monkeypatch)
    before = left_in(home)
    for name in ("cifar10", "mnist", "celeba"):
        fetch(name, home, progress)
    assert left_in(home) == before
    assert not progress.tasks


@pytest.mark.parametrize("path", ["gone/", "cut/", "other/"])
def test_a_failed_download_leaves_nothing_behind(
    path: str, home: Path, serve: Serve, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = bytes(range(256)) * 1000
    site = serve({"cifar-10-python.tar.gz": content})
    monkeypatch.setattr(official.CIFAR10, "tgz_md5", hashlib.md5(content + b"!").hexdigest())
    name = "nothing" if path == "gone/" else official.CIFAR10.filename
    monkeypatch.setattr(official.CIFAR10, "url", f"{site}/{path}{name}")
    with pytest.raises(ValueError, match=r"^cifar-10-python.tar.gz [^\n]+ run the command again[.]$") as refused:
        fetch("cifar10", home, progress)
    assert ("network" in str(refused.value)) == (path == "gone/")
    assert left_in(home) == ["data"]
    assert CIFAR10().absent(home)


def test_a_dead_network_is_told_in_one_sentence(
    home: Path, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(official.CIFAR10, "url", "http://127.0.0.1:9/cifar-10-python.tar.gz")
    with pytest.raises(ValueError, match="could not be downloaded; check the network connection"):
        fetch("cifar10", home, progress)


def test_the_trunk_of_lpips_is_kept_without_the_classifier(
    home: Path, serve: Serve, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    trunk = {"features.0.weight": torch.randn(2, 3), "features.0.bias": torch.randn(2)}
    checkpoint = io.BytesIO()
    torch.save({**trunk, "classifier.1.weight": torch.randn(4, 4)}, checkpoint)  # noqa: TID251 - the official format
    digest = hashlib.sha256(checkpoint.getvalue()).hexdigest()[:8]
    name = f"alexnet-owt-{digest}.pth"
    site = serve({name: checkpoint.getvalue()})
    monkeypatch.setattr(AlexNet_Weights.IMAGENET1K_V1.value, "url", f"{site}/{name}")
    fetch("lpips", home, progress)
    assert left_in(home / "weights") == ["lpips-alexnet.safetensors"]
    kept = load_file(home / "weights/lpips-alexnet.safetensors")
    assert kept.keys() == trunk.keys()
    assert all(torch.equal(kept[key], trunk[key]) for key in trunk)


def test_weights_with_a_wrong_checksum_are_not_opened(
    home: Path, serve: Serve, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = serve({"alexnet-owt-7be5be79.pth": b"not what was announced"})
    monkeypatch.setattr(AlexNet_Weights.IMAGENET1K_V1.value, "url", f"{site}/alexnet-owt-7be5be79.pth")
    with pytest.raises(ValueError, match="arrived damaged; run the command again"):
        fetch("lpips", home, progress)
    assert left_in(home) == ["weights"]


def test_torchvision_states_the_checksum_of_alexnet() -> None:
    assert digest_in(AlexNet_Weights.IMAGENET1K_V1.url) == "7be5be79"


def test_celeba_says_how_to_get_it_by_hand(home: Path, progress: Progress, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise RuntimeError("To download files from GDrive, 'gdown' is required.")

    monkeypatch.setattr(official.celeba, "download_file_from_google_drive", refuse)
    with pytest.raises(ValueError, match="into the data folder under celeba/ by hand"):
        fetch("celeba", home, progress)
    assert left_in(home) == ["data"]


def test_imagenet_says_how_to_get_it_by_hand(home: Path, progress: Progress) -> None:
    with pytest.raises(ValueError, match="put them into the data folder under imagenet/"):
        fetch("imagenet", home, progress)


def test_a_damaged_archive_of_imagenet_leaves_nothing_behind(
    home: Path, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_imagenet_archives(home / "data", monkeypatch)
    (home / "data/imagenet/ILSVRC2012_img_val.tar").write_bytes(b"cut off")
    before = left_in(home)
    with pytest.raises(ValueError, match=r"^An archive of ImageNet is damaged"):
        fetch("imagenet", home, progress)
    assert left_in(home) == before


@pytest.mark.parametrize("name", ["photos", "upload", "../etc", ""])
def test_nothing_else_can_be_fetched(name: str, home: Path, progress: Progress) -> None:
    with pytest.raises(ValueError, match="There is nothing to fetch"):
        fetch(name, home, progress)
    assert left_in(home) == []
