"""Learning to Invert: what is seen of an update, the closed form, orders, what is kept, and pictures never learned."""

from __future__ import annotations

import itertools
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from victims import generator, observation, private_batch, rehearsal, small_network

from gia_core.attacks import LearningToInvert
from gia_core.attacks.generative import inversion_lesson, inversion_regressors
from gia_core.attacks.generative.inversion_lesson import batches
from gia_core.attacks.generative.inversion_network import InversionNetwork, Sketch, classifier_inputs
from gia_core.attacks.generative.inversion_regressors import (
    Examples,
    descent,
    in_best_order,
    linear_maps,
    unordered_error,
)
from gia_core.audit import audit
from gia_core.clients import FedSGD
from gia_core.control import control_of
from gia_core.datasets import Digits
from gia_core.metrics import psnr
from gia_core.models.layers import drawn_from
from gia_core.spec import AuditSpec, Knowledge
from gia_core.types import Batch, Observation, Step

PUBLIC = private_batch(200, seed=11)
SMALL = LearningToInvert(examples=150)


def seen_of(batch: Batch, *, memory: Path | None = None, **changes) -> Observation:
    """What an attacker sees of this batch who holds public images."""
    model = small_network()
    imitated = replace(rehearsal(model, PUBLIC, FedSGD()), memory=memory, **changes)
    return replace(observation(model, batch), public=PUBLIC.images, rehearsal=imitated)


def last(attack: LearningToInvert, seen: Observation, seed: int = 0) -> Step:
    *_, step = attack.run(seen, generator(seed))
    return step


@pytest.mark.parametrize(
    "attack",
    [SMALL, LearningToInvert(examples=200, regressor="mlp", width=64, epochs=25, lr=3e-3)],
    ids=lambda attack: attack.regressor,
)
def test_pictures_that_were_never_learned_from_are_found(attack: LearningToInvert, tmp_path: Path):
    """Acceptance identity 13."""
    mean = PUBLIC.images.mean(0, keepdim=True)
    for seed in range(3):
        batch = private_batch(seed=seed)
        found = last(attack, seen_of(batch, memory=tmp_path)).images
        assert psnr(found, batch.images).item() > psnr(mean, batch.images).item() + 6


def test_of_two_images_both_are_found_in_some_order(tmp_path: Path):
    truth = torch.stack([private_batch(2, seed=seed).images for seed in range(10)])
    seen = (seen_of(private_batch(2, seed=seed), memory=tmp_path) for seed in range(10))
    found = torch.stack([last(LearningToInvert(examples=400), one).images for one in seen])
    mean = PUBLIC.images.mean(0).expand_as(truth)
    assert unordered_error(found, truth).mean() < unordered_error(mean, truth).mean() / 3


def test_the_error_asks_for_the_best_of_all_orders():
    rng = generator()
    found, images = torch.rand(3, 4, 1, 2, 2, generator=rng), torch.rand(3, 4, 1, 2, 2, generator=rng)
    orders = [images[:, list(order)] for order in itertools.permutations(range(4))]
    least = torch.stack([(found - one).square().flatten(1).mean(1) for one in orders]).min(0).values
    assert torch.allclose(unordered_error(found, images), least)
    for one in orders:
        assert torch.equal(in_best_order(found, one), in_best_order(found, images))


def identity(numbers: int) -> Sketch:
    return Sketch(numbers, numbers, signed=False, rng=generator())


def test_the_linear_map_is_ridge_regression_and_told_by_leaving_one_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(inversion_regressors, "PENALTIES", (1e-3,))
    rng = generator()
    examples = Examples(torch.randn(12, 5, generator=rng), torch.rand(12, 1, 1, 2, 2, generator=rng))
    network = InversionNetwork(identity(5), 0, torch.Size((1, 1, 2, 2)))
    network.adjust(examples.numbers)
    (error,) = linear_maps(network, examples)
    entered, images = network.entered(examples.numbers).double(), examples.images.flatten(1).double()
    ridge = Ridge(alpha=1e-3 * (entered @ entered.T).trace().item(), fit_intercept=False)
    mean = images.mean(0)
    targets = (images - mean).numpy()
    expected = torch.from_numpy(ridge.fit(entered.numpy(), targets).predict(entered.numpy())) + mean
    assert torch.allclose(network.layers(entered.float()).double(), expected, atol=1e-5)
    left_out = torch.from_numpy(cross_val_predict(ridge, entered.numpy(), targets, cv=LeaveOneOut())) + mean
    assert error == pytest.approx((left_out - images).square().mean().item(), rel=1e-4)


@pytest.mark.parametrize("signed", [True, False])
def test_a_sketch_adds_up_the_entries_of_each_bin(signed: bool):
    update = (torch.arange(6.0).reshape(2, 3), torch.tensor([10.0, 20.0]))
    flat = torch.cat([part.flatten() for part in update])
    flat = flat / flat.norm()
    sketch = Sketch(8, 3, signed=signed, rng=generator())
    expected = [(flat * sketch.signs)[sketch.bins == number].sum() for number in range(3)]
    assert torch.allclose(sketch(update), torch.stack(expected))
    assert set(sketch.signs.tolist()) == ({-1.0, 1.0} if signed else {1.0})
    assert torch.allclose(Sketch(8, 9, signed=signed, rng=generator())(update), flat)


def test_signs_keep_inner_products_on_average():
    one, other = (torch.rand(300, generator=generator(seed)) for seed in (1, 2))
    true = torch.cosine_similarity(one, other, dim=0)

    def mean(signed: bool) -> torch.Tensor:
        sketches = (Sketch(300, 30, signed=signed, rng=generator(seed)) for seed in range(300))
        return torch.stack([sketch((one,)) @ sketch((other,)) for sketch in sketches]).mean()

    assert mean(signed=True) == pytest.approx(true.item(), abs=0.05)
    assert mean(signed=False) > 5 * true


def test_what_the_classifier_received_is_read_off_whatever_the_label():
    model, batch = small_network(), private_batch()
    received = model[:-1](batch.images)[0]
    for label in range(4):
        update = FedSGD()(model, Batch(batch.images, torch.tensor([label])))
        assert torch.allclose(classifier_inputs(model, update, 1)[0], received, rtol=1e-3)


def test_of_several_images_each_is_read_off_the_row_of_its_label():
    model, batch = small_network(), Batch(private_batch(2).images, torch.tensor([3, 1]))
    with torch.no_grad():  # with hardly any probability elsewhere, rows of labels hold nothing but their image
        model[-1].weight.zero_()
        model[-1].bias.copy_(torch.tensor([30.0, 0, 0, 0]))
    found = classifier_inputs(model, FedSGD()(model, batch), 2)
    assert torch.allclose(found, model[:-1](batch.images).flip(0), rtol=1e-2)


def test_every_public_image_is_used_once_before_any_is_used_again():
    drawn = [batch.images for batch in itertools.islice(batches(PUBLIC, 2, generator()), 101)]
    sums = torch.cat(drawn[:100]).sum(dim=(1, 2, 3)).sort().values
    assert torch.allclose(sums, PUBLIC.images.sum(dim=(1, 2, 3)).sort().values)
    first, again = drawn[100].flatten(1), PUBLIC.images.flatten(1)
    assert torch.cdist(first, again).min() == 0  # pictures this small are moved by less than a pixel


def test_what_judges_is_never_learned_from():
    used: list[torch.Tensor] = []

    def client(model, batch):
        used.append(batch.images)
        return FedSGD()(model, batch), batch.images

    last(LearningToInvert(examples=400), seen_of(private_batch(), client=client))
    judging, learning = torch.cat(used[:40]).flatten(1), torch.cat(used[40:]).flatten(1)
    assert len(learning) == 360
    assert torch.cdist(judging, learning).min() > 0


def test_a_network_is_trained_once_and_remembered(tmp_path: Path):
    first = list(SMALL.run(seen_of(private_batch(), memory=tmp_path), generator()))
    victim = private_batch(seed=9)
    (again,) = SMALL.run(seen_of(victim, memory=tmp_path), generator(5))
    assert first[-1].iteration == first[-1].iterations == len(first)
    assert again.iterations == 1
    assert "trained in this run and is kept" in first[-1].tables[-1].note
    assert "remembered" in again.tables[0].note
    assert again.tables[0].rows == first[-1].tables[-1].rows
    assert torch.allclose(again.images, last(SMALL, seen_of(victim)).images, atol=1e-6)


@pytest.mark.parametrize(
    "change",
    [
        {"public": Batch(PUBLIC.images.flip(0), PUBLIC.labels)},
        {"public": Batch(PUBLIC.images, PUBLIC.labels.flip(0))},
        {"model": small_network(seed=1)},
        {"description": "disguised"},
    ],
    ids=["images", "labels", "model", "defense"],
)
def test_something_else_takes_another_network(change: dict[str, object], tmp_path: Path):
    last(SMALL, seen_of(private_batch(), memory=tmp_path))
    assert last(SMALL, seen_of(private_batch(), memory=tmp_path, **change)).iterations > 1
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("other", [LearningToInvert(examples=151), LearningToInvert(examples=150, hashing="plain")])
def test_other_settings_take_another_network(other: LearningToInvert, tmp_path: Path):
    last(SMALL, seen_of(private_batch(), memory=tmp_path))
    assert last(other, seen_of(private_batch(), memory=tmp_path)).iterations > 1


def test_a_larger_batch_takes_another_network(tmp_path: Path):
    last(SMALL, seen_of(private_batch(), memory=tmp_path))
    assert last(SMALL, seen_of(private_batch(2), memory=tmp_path)).iterations > 1


def test_a_damaged_network_is_trained_anew_and_replaced(tmp_path: Path):
    seen = seen_of(private_batch(), memory=tmp_path)
    first = last(SMALL, seen)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    for damaged in (whole[:-4] + b"\1\2\3\4", whole[:100], b"\x80\4not weights at all"):
        file.write_bytes(damaged)
        assert torch.equal(last(SMALL, seen).images, first.images)
        assert last(SMALL, seen).iterations == 1


def test_a_network_of_other_shapes_is_not_used(tmp_path: Path):
    seen = seen_of(private_batch(), memory=tmp_path)
    first = last(SMALL, seen)
    (file,) = tmp_path.iterdir()
    last(LearningToInvert(examples=150, entries=100), seen)
    (other,) = set(tmp_path.iterdir()) - {file}
    other.replace(file)
    again = last(SMALL, seen)
    assert again.iterations > 1
    assert torch.equal(again.images, first.images)


def test_networks_that_were_not_used_for_longest_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(inversion_lesson, "MOST_KEPT", 2)
    for age, name in enumerate(("newest", "older", "oldest")):
        file = tmp_path / f"{name}.safetensors"
        file.write_bytes(b"")
        os.utime(file, (1000 - age, 1000 - age))
    last(SMALL, seen_of(private_batch(), memory=tmp_path))
    assert {file.stem for file in tmp_path.iterdir()} >= {"newest"}
    assert len(list(tmp_path.iterdir())) == 2


def test_where_nothing_can_be_kept_the_victim_is_attacked_all_the_same(tmp_path: Path):
    blocked = tmp_path / "a file"
    blocked.write_bytes(b"")
    step = last(SMALL, seen_of(private_batch(), memory=blocked))
    assert "could not be kept" in step.tables[-1].note
    assert torch.equal(step.images, last(SMALL, seen_of(private_batch())).images)


def test_an_attacker_without_public_data_is_told_beforehand(home: Path):
    (objection,) = AuditSpec(attack=SMALL).objections(home)
    assert "public data" in objection.reason
    with pytest.raises(ValueError, match="grant the attacker public data"):
        SMALL.run(replace(seen_of(private_batch()), rehearsal=None), generator())


def test_a_training_that_diverges_is_told_in_a_sentence():
    examples = Examples(torch.randn(12, 5, generator=generator()), torch.rand(12, 1, 1, 2, 2, generator=generator()))
    with drawn_from(generator()):
        network = InversionNetwork(identity(5), 0, torch.Size((1, 1, 2, 2)), hidden=64)
    with pytest.raises(ValueError, match="diverged; choose a smaller learning rate"):
        list(descent(network, examples, epochs=5, lr=1e30, rng=generator()))


def test_a_model_that_gives_no_numbers_is_told_in_a_sentence():
    broken = small_network()
    torch.nn.init.constant_(broken[1].weight, float("nan"))
    with pytest.raises(ValueError, match="not finite"):
        last(SMALL, seen_of(private_batch(), model=broken))


def test_an_audit_keeps_the_network_and_its_control_finds_nothing(home: Path):
    spec = AuditSpec(
        dataset=Digits(), attack=LearningToInvert(examples=300), knowledge=Knowledge(public_data=True), seed=1
    )
    started, *_, finished = audit(spec, home=home)
    mean = started.baselines["dataset-mean"]["psnr"][0]
    assert finished.last.scores["psnr"][0] > mean + 6
    assert len(list((home / "learned").iterdir())) == 1
    _, *progress, control = audit(control_of(spec), home=home)
    assert len(progress) == 1
    assert control.last.scores["psnr"][0] < mean + 1
