from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from ..types import Data, LabeledImages
from . import pictures
from .stored import Stored

if TYPE_CHECKING:
    import numpy as np

Attribute = Literal[
    "5_o_Clock_Shadow", "Arched_Eyebrows", "Attractive", "Bags_Under_Eyes", "Bald", "Bangs", "Big_Lips", "Big_Nose",
    "Black_Hair", "Blond_Hair", "Blurry", "Brown_Hair", "Bushy_Eyebrows", "Chubby", "Double_Chin", "Eyeglasses",
    "Goatee", "Gray_Hair", "Heavy_Makeup", "High_Cheekbones", "Male", "Mouth_Slightly_Open", "Mustache", "Narrow_Eyes",
    "No_Beard", "Oval_Face", "Pale_Skin", "Pointy_Nose", "Receding_Hairline", "Rosy_Cheeks", "Sideburns", "Smiling",
    "Straight_Hair", "Wavy_Hair", "Wearing_Earrings", "Wearing_Hat", "Wearing_Lipstick", "Wearing_Necklace",
    "Wearing_Necktie", "Young",
]  # fmt: skip
TRAINING, TEST = "0", "2"
"""How the partition file writes the splits; 1 is a validation split nobody needs here."""


class CelebA(Stored):
    """CelebA: 202,599 portraits of celebrities, for non-commercial research (Liu et al., ICCV 2015).

    Two classes: portraits with an attribute and portraits without. Victims are the official test split.
    """

    name: Literal["celeba"] = "celeba"
    size: Literal[32, 64, 128] = 32
    """Height and width of the images in pixels: the central square of each portrait, made smaller."""
    attribute: Attribute = "Smiling"
    """What the two classes differ in: the attribute is present or it is not. The model learns to tell which."""

    title: ClassVar[str] = "CelebA"
    files: ClassVar[tuple[str, ...]] = (
        "celeba/img_align_celeba",
        "celeba/list_attr_celeba.txt",
        "celeba/list_eval_partition.txt",
        "celeba/identity_CelebA.txt",
        "celeba/list_bbox_celeba.txt",
        "celeba/list_landmarks_align_celeba.txt",
    )
    remedy: ClassVar[str] = (
        "run `python -m gia_core fetch celeba` once, or put its unpacked folder img_align_celeba and its five list "
        "files into the data folder under celeba/"
    )

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return 3, self.size, self.size

    def class_sizes(self, home: Path) -> tuple[int, ...]:
        with self.reading(home) as folder:
            partition = partition_of(Path(folder) / "celeba")
            listed = (Path(folder) / "celeba/list_attr_celeba.txt").read_text().splitlines()
            column = listed[1].split().index(self.attribute) + 1
            portraits = zip(listed[2:], partition, strict=True)
            values = Counter(line.split()[column] for line, part in portraits if part == TEST)
        return values["-1"], values["1"]

    def open(self, home: Path) -> Data:
        from torchvision.datasets import CelebA as Reader

        with self.reading(home) as folder:
            portraits = Reader(folder, split="all", target_type="attr")
            partition = partition_of(Path(folder) / "celeba")
        labels: np.ndarray = portraits.attr[:, portraits.attr_names.index(self.attribute)].numpy()
        files = [self.folder(home) / "celeba/img_align_celeba" / file for file in portraits.filename]
        shown = self.attribute.replace("_", " ").lower()
        return Data(
            image_shape=self.image_shape,
            class_names=(f"not {shown}", shown),
            victims=split(files, labels, chosen=[part == TEST for part in partition], size=self.size),
            training=split(files, labels, chosen=[part == TRAINING for part in partition], size=self.size),
            mean=(0.506, 0.425, 0.383),  # of all portraits, as commonly published
            std=(0.310, 0.290, 0.290),
        )


def partition_of(folder: Path) -> list[str]:
    """The split of every portrait, in order."""
    return [line.split()[1] for line in (folder / "list_eval_partition.txt").read_text().splitlines()]


def split(files: list[Path], labels: np.ndarray, *, chosen: list[bool], size: int) -> LabeledImages:
    """The portraits that are ``chosen``, read one by one."""
    kept = [file for file, keep in zip(files, chosen, strict=True) if keep]
    return LabeledImages(labels[chosen], lambda index: pictures.read(kept[index], size=size))
