"""Preparing a network: trained once, found again, the same for everybody with the same seed."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gia_core.datasets import Digits
from gia_core.models import MLP, VGG11, LeNet, Model, ResNet20
from gia_core.models.training import BATCH_SIZE, Training, pace, prepare, shift
from gia_core.models.weights import checksum, fingerprint, restore, store
from gia_core.types import Data, LabeledImages

SMALL = ResNet20(training=1)
"""With BatchNorm, whose statistics are trained too."""


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """On such small tensors several threads mostly wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def few_images(count: int = BATCH_SIZE + 1) -> Data:
    """Gray 8 x 8 images of two classes, dark and bright."""
    labels = np.arange(count, dtype=np.int64) % 2
    images = LabeledImages(labels, lambda index: np.full((8, 8, 1), 50 + 100 * labels[index] + index, np.uint8))
    return Data((1, 8, 8), ("dark", "bright"), victims=images, training=images, mean=(0.5,), std=(0.3,))


def preparation(
    home: Path, model: Model = SMALL, *, data: Data | None = None, seed: int = 0
) -> Generator[Training, None, nn.Module]:
    return prepare(model, Digits(), data or few_images(), seed=seed, home=home, device="cpu")


def prepared(
    home: Path, model: Model = SMALL, *, data: Data | None = None, seed: int = 0
) -> tuple[list[Training], nn.Module]:
    """Everything that was yielded, and the network."""
    steps, events = preparation(home, model, data=data, seed=seed), []
    while True:
        try:
            events.append(next(steps))
        except StopIteration as end:
            return events, end.value


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    return checksum(one.state_dict()) == checksum(other.state_dict())


def cached(home: Path) -> Path:
    (file,) = (home / "weights").iterdir()
    return file


def test_learns_digits_well_beyond_chance(home: Path) -> None:
    dataset = Digits(size=8)
    data = dataset.open(home)
    steps = prepare(MLP(width=64, training=3), dataset, data, seed=0, home=home, device="cpu")
    *_, last = steps
    assert last.accuracy > 0.5  # chance is 0.1

    _, network = prepared(home, MLP(width=64, training=3), data=data)
    images = torch.from_numpy(np.stack([data.victims.image(i) for i in range(len(data.victims))]))
    scores = network(images.permute(0, 3, 1, 2) / 255)
    assert (scores.argmax(dim=1).numpy() == data.victims.labels).mean() > 0.5


def test_tells_after_each_batch_how_far_it_is(home: Path) -> None:
    events, _ = prepared(home, MLP(width=8, training=3))
    assert [event.epoch for event in events] == [1, 1, 2, 2, 3, 3]  # 33 images are two batches of 32
    assert {event.epochs for event in events} == {3}
    assert all(0 <= event.accuracy <= 1 for event in events)
    assert all(event.loss > 0 for event in events)
    assert events[-1].loss < events[0].loss


def test_is_trained_once_and_then_found(home: Path) -> None:
    first_events, first = prepared(home)
    second_events, second = prepared(home)
    assert first_events
    assert not second_events
    assert same_weights(first, second)
    assert [file.suffix for file in (home / "weights").iterdir()] == [".safetensors"]


@pytest.mark.parametrize("model", [SMALL, SMALL.model_copy(update={"training": 0})], ids=["trained", "untrained"])
def test_the_seed_decides_the_weights(home: Path, tmp_path: Path, model: Model) -> None:
    torch_state = torch.get_rng_state()
    _, network = prepared(home, model)
    assert torch.equal(torch.get_rng_state(), torch_state)
    torch.rand(7)
    assert same_weights(prepared(tmp_path / "elsewhere", model)[1], network)
    assert not same_weights(prepared(home, model, seed=1)[1], network)


def test_returns_a_network_ready_to_be_attacked(home: Path) -> None:
    for _ in ("trained", "found"):
        for mode in ("train", "eval"):
            _, network = prepared(home, SMALL.model_copy(update={"mode": mode}))
            assert {module.training for module in network.modules()} == {mode == "train"}
            assert all(p.requires_grad and p.grad is None for p in network.parameters())
            assert {p.dtype for p in network.parameters()} == {torch.float32}


def test_the_mode_of_the_attack_shares_the_weights(home: Path) -> None:
    _, in_eval = prepared(home, SMALL)
    events, in_train = prepared(home, SMALL.model_copy(update={"mode": "train"}))
    assert not events
    assert same_weights(in_eval, in_train)


def test_training_moves_the_weights_and_the_statistics_of_batch_norm(home: Path) -> None:
    before = prepared(home, SMALL.model_copy(update={"training": 0}))[1].state_dict()
    after = prepared(home)[1].state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert set(before) - moved == {"0.mean", "0.std"}  # of the input normalization


def test_everything_that_decides_the_weights_is_in_the_fingerprint() -> None:
    data = few_images()
    brighter = LabeledImages(data.training.labels, lambda index: data.training.image(index) + np.uint8(1))
    fingerprints = [
        fingerprint(SMALL, Digits(), data, seed=0),
        fingerprint(SMALL, Digits(), data, seed=1),
        fingerprint(SMALL, Digits(size=8), data, seed=0),
        fingerprint(SMALL, Digits(), replace(data, mean=(0.4,)), seed=0),
        fingerprint(SMALL, Digits(), few_images(20), seed=0),
        fingerprint(SMALL, Digits(), replace(data, training=brighter), seed=0),
        *(
            fingerprint(SMALL.model_copy(update=change), Digits(), data, seed=0)
            for change in ({"training": 2}, {"width": 2}, {"activation": "elu"}, {"normalization": "group"})
        ),
        fingerprint(LeNet(training=1), Digits(), data, seed=0),
    ]
    assert len(set(fingerprints)) == len(fingerprints)


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def change_one_number(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-10] ^= 1
    file.write_bytes(content)


def replace_by_another_network(file: Path) -> None:
    store(LeNet().build(few_images(), torch.Generator()), file)


@pytest.mark.parametrize(
    "damage",
    [
        cut_short,
        change_one_number,
        replace_by_another_network,
        lambda file: file.write_bytes(b""),
        lambda file: file.write_text("not weights at all"),
    ],
    ids=["cut short", "one number changed", "another network", "empty", "text"],
)
def test_a_damaged_file_is_replaced(home: Path, damage: Callable[[Path], object]) -> None:
    _, network = prepared(home)
    intact = cached(home).read_bytes()
    damage(cached(home))
    events, again = prepared(home)
    assert events
    assert same_weights(again, network)
    assert cached(home).read_bytes() == intact


def test_a_file_that_does_not_fit_leaves_the_network_as_it_was(tmp_path: Path) -> None:
    network = SMALL.build(few_images(), torch.Generator())
    before = checksum(network.state_dict())
    replace_by_another_network(tmp_path / "file")
    assert not restore(network, tmp_path / "file")
    assert not restore(network, tmp_path / "missing")
    assert checksum(network.state_dict()) == before


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_giving_up_early_leaves_no_file(home: Path, steps: int) -> None:
    training = preparation(home, MLP(width=8, training=2))
    assert len(list(islice(training, steps))) == steps
    training.close()
    assert list(home.iterdir()) == []


def test_zero_epochs_need_no_training_images_and_leave_no_file(home: Path) -> None:
    events, network = prepared(home, LeNet(), data=few_images(0))
    assert not events
    assert not network.training
    assert list(home.iterdir()) == []


def test_training_without_training_images_is_refused(home: Path) -> None:
    with pytest.raises(ValueError, match="no training images; set the model's training to 0 epochs"):
        prepared(home, data=few_images(0))


def test_images_that_do_not_fit_are_refused_before_training(home: Path) -> None:
    with pytest.raises(ValueError, match="vgg11 needs images of at least 32 x 32 pixels"):
        prepared(home, VGG11(training=1))


def test_training_that_diverges_is_told(home: Path) -> None:
    with pytest.raises(ValueError, match="The training diverged"):
        prepared(home, data=replace(few_images(), std=(1e-44,)))
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("count", [1, 2, BATCH_SIZE])
def test_any_number_of_images_can_be_learned_from(home: Path, count: int) -> None:
    events, _ = prepared(home, data=few_images(count))
    assert len(events) == 1


def test_the_learning_rate_rises_briefly_and_falls_to_zero() -> None:
    rates = [pace(progress / 100) for progress in range(101)]
    peak = rates.index(1.0)
    assert peak == 10
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert rates[0] == rates[-1] == 0


def test_shifted_images_show_the_same_inner_part() -> None:
    def moves(shifted: Tensor, image: Tensor) -> bool:
        return any(torch.equal(shifted.roll((y, x), (1, 2))[:, 4:-4, 4:-4], image[:, 4:-4, 4:-4]) for y, x in within)

    within = [(y, x) for y in range(-2, 3) for x in range(-2, 3)]  # a sixteenth of 32
    rng = torch.Generator().manual_seed(0)
    images = torch.rand(20, 3, 32, 32, generator=rng)
    shifted = shift(images, rng)
    assert shifted.shape == images.shape
    assert not torch.equal(shifted, images)
    assert all(moves(s, image) for s, image in zip(shifted, images, strict=True))
