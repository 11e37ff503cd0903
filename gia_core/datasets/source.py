"""What every data set can tell before it is opened."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path

from ..component import Component
from ..types import Data


class Source(Component):
    """A place that images come from. All but ``open`` is fast and works without torch."""

    @abstractmethod
    def absent(self, home: Path) -> str | None:
        """What is missing and how to get it, in one sentence; None if the data set can be used."""

    @property
    @abstractmethod
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every image."""

    @abstractmethod
    def class_sizes(self, home: Path) -> tuple[int, ...]:
        """Victim images of each of the K classes. Ask only if nothing is absent; raises ValueError for damage."""

    @abstractmethod
    def open(self, home: Path) -> Data:
        """Raises ValueError with one sentence where the data is absent or damaged."""

    def trainable(self, home: Path) -> bool:
        """Whether there are training images beside the victims. Ask only if nothing is absent."""
        return True

    def victim_count(self, home: Path) -> int:
        """Victim images of all classes together."""
        return sum(self.class_sizes(home))

    def class_count(self, home: Path) -> int:
        """K."""
        return len(self.class_sizes(home))


def data_folder(home: Path, root: str) -> Path:
    """Where a data set lies: ``root`` as the user wrote it, seen from the installation's data folder."""
    return home / "data" / root
