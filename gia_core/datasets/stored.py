"""Data sets that lie on disk the way torchvision keeps them. A run reads them and never downloads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from .source import Source, data_folder


class Stored(Source):
    """A data set that has to be fetched, or put in place, once."""

    root: str = ""
    """Folder on this machine that holds the data set; leave it empty for GIA Lab's data folder, where fetch puts it."""

    title: ClassVar[str]
    """Its name in prose."""
    files: ClassVar[tuple[str, ...]]
    """What must exist in the folder, in torchvision's layout."""
    remedy: ClassVar[str]
    """How to get it, the second half of a sentence."""

    def folder(self, home: Path) -> Path:
        """Where torchvision looks for it."""
        return data_folder(home, self.root)

    def absent(self, home: Path) -> str | None:
        if all((self.folder(home) / file).exists() for file in self.files):
            return None
        if self.root:
            return f"{self.title} is not in the folder given as root, which must hold {Path(self.files[0]).parent}."
        return f"{self.title} is not on this machine yet; {self.remedy}."

    @contextmanager
    def reading(self, home: Path) -> Iterator[str]:
        """The folder for torchvision's reader, whose failures become one sentence."""
        if reason := self.absent(home):
            raise ValueError(reason)
        try:
            yield str(self.folder(home))
        except (OSError, RuntimeError, ValueError, LookupError, EOFError, AssertionError) as error:
            raise ValueError(f"{self.title} is damaged; remove its files, then {self.remedy}.") from error
