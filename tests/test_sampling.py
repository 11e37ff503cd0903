"""Which images become the private batch."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gia_core.datasets import CIFAR10, Photos
from gia_core.datasets.sampling import impossible, objection, sample
from gia_core.spec import Victim
from gia_core.types import LabeledImages


def numbered(labels: list[int]) -> LabeledImages:
    """Images of one pixel that shows their index."""
    return LabeledImages(np.array(labels, np.int64), lambda index: np.full((1, 1, 1), index, np.uint8))


def drawn(labels: list[int], batch_size: int, victim: Victim, *, seed: int = 0) -> tuple[list[int], list[int]]:
    """Indices and labels of the batch."""
    batch = sample(numbered(labels), batch_size, victim, torch.Generator().manual_seed(seed))
    return (batch.images.flatten() * 255).round().int().tolist(), batch.labels.tolist()


LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=30)
VICTIMS = st.builds(
    Victim,
    labels=st.sampled_from(["any", "different", "equal"]),
    label=st.none() | st.integers(0, 6),
    indices=st.just(()) | st.lists(st.integers(-3, 35), max_size=4).map(tuple),
)


@given(LABELS, st.integers(1, 12), VICTIMS, st.integers(0, 2**31 - 1))
def test_a_batch_is_as_chosen_or_refused_in_one_sentence(
    labels: list[int], batch_size: int, victim: Victim, seed: int
) -> None:
    sizes = np.bincount(labels).tolist()
    if reason := impossible(sizes, batch_size, victim):
        assert reason.endswith(".")
        assert "\n" not in reason
        with pytest.raises(ValueError, match=f"^{re.escape(reason)}$"):
            drawn(labels, batch_size, victim, seed=seed)
        return
    indices, classes = drawn(labels, batch_size, victim, seed=seed)
    assert len(indices) == len(set(indices)) == batch_size
    assert classes == [labels[index] for index in indices]
    if victim.indices:
        assert tuple(indices) == victim.indices
        return
    assert victim.label is None or set(classes) == {victim.label}
    if victim.labels != "any":
        assert len(set(classes)) == (batch_size if victim.labels == "different" else 1)


@given(LABELS, st.integers(1, 12), VICTIMS)
def test_nothing_is_refused_that_could_be_drawn(labels: list[int], batch_size: int, victim: Victim) -> None:
    allowed = [label for label in labels if victim.label in (None, label)]
    counts = [allowed.count(label) for label in set(allowed)]
    most = {"any": len(allowed), "different": len(counts), "equal": max(counts, default=0)}[victim.labels]
    in_range = all(0 <= index < len(labels) for index in victim.indices)
    listed = in_range and len(set(victim.indices)) == len(victim.indices) == batch_size
    possible = listed if victim.indices else batch_size <= most
    assert (impossible(np.bincount(labels).tolist(), batch_size, victim) is None) == possible


@given(LABELS, st.integers(0, 1000), st.sampled_from(["any", "different"]))
def test_a_larger_batch_begins_with_the_smaller_one(labels: list[int], seed: int, choice: str) -> None:
    victim = Victim.model_validate({"labels": choice})
    largest = len(set(labels)) if choice == "different" else len(labels)
    whole, _ = drawn(labels, largest, victim, seed=seed)
    for size in range(1, largest):
        assert drawn(labels, size, victim, seed=seed)[0] == whole[:size]


def test_the_seed_decides() -> None:
    labels = list(range(10)) * 20
    batches = [drawn(labels, 4, Victim(), seed=seed) for seed in (0, 0, 1)]
    assert batches[0] == batches[1] != batches[2]


def test_every_image_can_be_drawn() -> None:
    for victim in (Victim(), Victim(labels="different"), Victim(labels="equal")):
        found = {drawn([0, 0, 1, 2], 1, victim, seed=seed)[0][0] for seed in range(60)}
        assert found == {0, 1, 2, 3}


def test_equal_labels_come_from_a_class_that_is_large_enough() -> None:
    for seed in range(20):
        assert drawn([0, 1, 1, 2, 2, 2], 3, Victim(labels="equal"), seed=seed)[1] == [2, 2, 2]


def test_pixels_become_numbers_from_zero_to_one() -> None:
    pixels = np.array([[[0, 51, 255], [255, 102, 0]]], np.uint8)  # one row of two colored pixels
    batch = sample(LabeledImages(np.array([7]), lambda index: pixels), 1, Victim(), torch.Generator())
    assert batch.images.dtype == torch.float32
    assert batch.images.is_contiguous()
    expected = [[[[0.0, 1.0]], [[0.2, 0.4]], [[1.0, 0.0]]]]
    assert torch.allclose(batch.images, torch.tensor(expected))
    assert batch.labels.tolist() == [7]


IMPOSSIBLE = [
    (9, Victim(labels="different"), "All-different labels allow a batch of at most 8, one image of each class"),
    (65, Victim(labels="equal"), "Equal labels allow a batch of at most 64, the size of the largest class"),
    (65, Victim(label=3), "Class 3 allows a batch of at most 64"),
    (1, Victim(label=8), "There is no class 8; the classes are numbered from 0 to 7"),
    (2, Victim(label=3, labels="different"), "Images of one class cannot have all-different labels"),
    (513, Victim(), "This data set allows a batch of at most 512"),
    (1, Victim(indices=(512,)), "There is no image 512; the images are numbered from 0 to 511"),
    (1, Victim(indices=(-1,)), "There is no image -1"),
    (2, Victim(indices=(5,)), "A batch of 2 takes as many image numbers, not 1"),
    (2, Victim(indices=(5, 5)), "An image number is given twice"),
]
POSSIBLE = [
    (8, Victim(labels="different")),
    (64, Victim(labels="equal", label=7)),
    (2, Victim(labels="different", label=99, indices=(0, 511))),
]


@pytest.mark.parametrize(("batch_size", "victim", "reason"), IMPOSSIBLE)
def test_what_is_impossible_is_known_before_the_run(batch_size: int, victim: Victim, reason: str, home: Path) -> None:
    assert (objection(Photos(), batch_size, victim, home) or "").startswith(reason)


@pytest.mark.parametrize(("batch_size", "victim"), POSSIBLE)
def test_what_is_possible_meets_no_objection(batch_size: int, victim: Victim, home: Path) -> None:
    assert objection(Photos(), batch_size, victim, home) is None


def test_absent_data_is_the_first_objection(home: Path) -> None:
    assert objection(CIFAR10(), 10**6, Victim(), home) == CIFAR10().absent(home)


def test_objections_and_uploads_do_without_torch() -> None:
    script = """
import io, pathlib, sys
from PIL import Image
from gia_core.datasets import *
from gia_core.datasets.sampling import objection
from gia_core.datasets.uploads import decode_all
from gia_core.spec import Victim
png = io.BytesIO()
Image.new("RGB", (40, 40)).save(png, "PNG")
upload = Upload(pictures=decode_all([("a.png", png.getvalue())], size=32))
for dataset in (Photos(), Faces(), Digits(), CIFAR10(), MNIST(), CelebA(), ImageNet(), ImageFolder(root="a"), upload):
    objection(dataset, 1, Victim(), pathlib.Path("nowhere"))
sys.exit("torch" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_damaged_lists_are_an_objection_too(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from small_datasets import write_celeba

    from gia_core.datasets import CelebA

    write_celeba(home / "data", monkeypatch)
    (home / "data/celeba/list_attr_celeba.txt").write_text("")
    reason = objection(CelebA(), 1, Victim(), home)
    assert reason is not None
    assert reason.startswith("CelebA is damaged")
