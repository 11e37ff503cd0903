from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from ..types import Data, LabeledImages
from . import pictures
from .source import Source, data_folder

ENDINGS = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}
EVERY = 5
"""Every fifth picture of a class, in the order of the names, is a victim, beginning with the first."""


class ImageFolder(Source):
    """A folder of class folders: the pictures in each subfolder (PNG, JPEG, WebP, BMP) are one class named after it.

    Every fifth picture of a class is a victim, the rest are for training; the only picture of a class is a victim.
    """

    name: Literal["image-folder"] = "image-folder"
    root: str = Field(min_length=1)
    """The folder that holds the class folders: its full path on this machine, or its path inside the data folder."""
    size: int = Field(32, ge=8, le=256)
    """Height and width of the images in pixels: the central square of each picture, resized."""

    def absent(self, home: Path) -> str | None:
        shown = f'The folder "{Path(self.root).name}"'
        try:
            classes = len(self.classes(home))
        except NotADirectoryError:
            return f"{shown} is a file; give the folder that holds the class folders."
        except FileNotFoundError:
            return f"{shown} was not found; give its full path, or its path inside the data folder."
        except OSError:
            return f"{shown} cannot be read; allow this user to read it and its subfolders."
        if classes < 2:
            return f"{shown} needs at least two subfolders with pictures, one for each class."
        return None

    def classes(self, home: Path) -> dict[str, list[Path]]:
        """The sorted picture files of each class, without empty classes."""
        entries = sorted(data_folder(home, self.root).iterdir())
        listed = {entry.name: picture_files(entry) for entry in entries if is_shown(entry) and entry.is_dir()}
        return {name: files for name, files in listed.items() if files}

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return 3, self.size, self.size

    def class_sizes(self, home: Path) -> tuple[int, ...]:
        return tuple(len(files[::EVERY]) for files in self.classes(home).values())

    def trainable(self, home: Path) -> bool:
        return any(len(files) > 1 for files in self.classes(home).values())

    def open(self, home: Path) -> Data:
        if reason := self.absent(home):
            raise ValueError(reason)
        classes = self.classes(home)
        rest = [[file for i, file in enumerate(files) if i % EVERY] for files in classes.values()]
        return Data(
            image_shape=self.image_shape,
            class_names=tuple(classes),
            victims=split([files[::EVERY] for files in classes.values()], size=self.size),
            training=split(rest, size=self.size),
            mean=(0.5, 0.5, 0.5),  # unknown pictures: the middle of the range
            std=(0.25, 0.25, 0.25),
        )


def is_shown(entry: Path) -> bool:
    """Hidden files and folders belong to the system."""
    return not entry.name.startswith(".")


def picture_files(folder: Path) -> list[Path]:
    """Told by their endings; what is in them is checked when they are read."""
    return sorted(file for file in folder.iterdir() if is_shown(file) and file.suffix.lower() in ENDINGS)


def split(classes: list[list[Path]], *, size: int) -> LabeledImages:
    """One list of files per class, class by class."""
    import numpy as np

    files = [file for members in classes for file in members]
    labels = np.repeat(np.arange(len(classes), dtype=np.int64), [len(members) for members in classes])
    return LabeledImages(labels, lambda index: pictures.read(files[index], size=size))
