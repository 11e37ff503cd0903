"""Folders of class folders, as users have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_datasets import write_image_folder

from gia_core.datasets import ImageFolder


def test_every_fifth_picture_of_a_folder_is_a_victim(home: Path) -> None:
    write_image_folder(home / "data/pets", {"cat": 7, "dog": 1, "fish": 3})
    data = ImageFolder(root="pets").open(home)
    assert data.class_names == ("cat", "dog", "fish")
    assert data.victims.labels.tolist() == [0, 0, 1, 2]
    assert data.training.labels.tolist() == [0, 0, 0, 0, 0, 2, 2]


def test_a_folder_may_lie_anywhere(home: Path, tmp_path: Path) -> None:
    write_image_folder(tmp_path / "elsewhere", {"cat": 1, "dog": 1})
    assert ImageFolder(root=str(tmp_path / "elsewhere")).victim_count(home) == 2


def test_only_visible_pictures_in_visible_folders_count(home: Path) -> None:
    write_image_folder(home / "data/pets", {"cat": 2, "dog": 2, ".hidden": 2, "empty": 0})
    for name in (".DS_Store", ".cat.png", "notes.txt", "clip.gif"):
        (home / "data/pets/cat" / name).write_bytes(b"")
    (home / "data/pets/loose.png").write_bytes(b"")
    data = ImageFolder(root="pets").open(home)
    assert data.class_names == ("cat", "dog")
    assert len(data.victims) + len(data.training) == 4


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP"])
def test_pictures_of_every_kind_are_cropped_to_their_center(kind: str, home: Path) -> None:
    wide = Image.new("RGB", (90, 30), "red")
    wide.paste("lime", (30, 0, 60, 30))
    for name in ("cat", "dog"):
        (home / "data/pets" / name).mkdir(parents=True)
        wide.save(home / f"data/pets/{name}/1.{kind.lower()}", kind)
    image = ImageFolder(root="pets", size=8).open(home).victims.image(0).astype(int)
    assert np.abs(image[:, 1:-1] - (0, 255, 0)).max() < 12


@pytest.mark.parametrize(
    ("content", "name"), [(b"", "1.png"), (b"not a picture", "1.jpg"), (b"GIF89a" + bytes(50), "1.webp")]
)
def test_an_unreadable_picture_is_named_without_its_path(content: bytes, name: str, home: Path) -> None:
    write_image_folder(home / "data/pets", {"cat": 0, "dog": 1})
    (home / "data/pets/cat" / name).write_bytes(content)
    data = ImageFolder(root="pets").open(home)
    with pytest.raises(ValueError, match=rf"^cat/{name} cannot be read as a picture; replace or remove it[.]$"):
        data.victims.image(0)


def test_a_folder_that_is_of_no_use_says_why_without_its_path(home: Path, tmp_path: Path) -> None:
    (tmp_path / "few/cat").mkdir(parents=True)
    write_image_folder(tmp_path / "one", {"cat": 3})
    (tmp_path / "file").write_bytes(b"")
    complaints = {
        "missing": "was not found",
        "few": "needs at least two subfolders",
        "one": "needs at least two subfolders",
        "file": "is a file",
    }
    for name, complaint in complaints.items():
        sentence = ImageFolder(root=str(tmp_path / name)).absent(home)
        assert sentence is not None
        assert sentence.startswith(f'The folder "{name}" {complaint}')
        assert str(tmp_path) not in sentence
        with pytest.raises(ValueError, match=complaint):
            ImageFolder(root=str(tmp_path / name)).open(home)
