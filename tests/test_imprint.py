"""The block that sorts images into bins in front of a model."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from victims import batch_norm_network, generator, observation, small_network

from gia_core.attacks import RobbingTheFed
from gia_core.attacks.analytic.imprint import Imprint, Imprinted, direction, equal_levels, fit, read
from gia_core.attacks.analytic.robbing_the_fed import expected
from gia_core.clients import FedAvg, FedSGD
from gia_core.metrics import pairing, psnr
from gia_core.spec import AuditSpec, Knowledge
from gia_core.types import UNKNOWN, Batch, Observation, Step

VARIANTS = pytest.mark.parametrize("variant", ["sparse", "dense"])


def pictures(count: int, seed: int) -> torch.Tensor:
    """Pictures of 1 × 8 × 8 pixels, all from the same distribution."""
    return torch.rand(count, 1, 8, 8, generator=generator(seed))


def batch_of(count: int, seed: int = 0) -> Batch:
    return Batch(pictures(count, 100 + seed), torch.randint(4, (count,), generator=generator(200 + seed)))


def server(model: nn.Module, batch: Batch, *, rule=None, public: int = 2000) -> Observation:
    """An observation of a malicious server with public images."""
    rule = rule or FedSGD()
    granted = {"public": pictures(public, 1), "query": lambda sent: rule(sent, batch)}
    return replace(observation(model, batch, rule=rule), **granted)


def rob(seen: Observation, **settings) -> Step:
    (step,) = RobbingTheFed(**{"mode": 5, **settings}).run(seen, generator())
    return step


def decibels(step: Step, batch: Batch) -> torch.Tensor:
    return psnr(step.images[pairing(step.images, batch.images)], batch.images)


def value(step: Step, title: str, line: str) -> float:
    (table,) = (table for table in step.tables if table.title == title)
    return dict(table.rows)[line]


@VARIANTS
def test_as_many_images_are_alone_in_their_bin_as_chance_allows(variant):
    """Acceptance identity 7, over several batches: within three standard deviations of the mean."""
    trials, size, bins = 6, 48, 96
    counts = []
    for seed in range(trials):
        batch = batch_of(size, seed)
        step = rob(server(small_network(), batch), bins=bins, variant=variant, gain=1.0)
        counts.append(int((decibels(step, batch) > 60).sum()))
    mean = size * (1 - 1 / bins) ** (size - 1)
    variance = mean + size * (size - 1) * (1 - 1 / bins) * (1 - 2 / bins) ** (size - 2) - mean**2
    assert sum(counts) / trials == pytest.approx(mean, abs=3 * math.sqrt(variance / trials))


def test_the_expected_number_is_that_of_counting_all_cases():
    cases = [(a, b, c) for a in range(3) for b in range(3) for c in range(3)]
    alone = sum(sum(case.count(x) == 1 for x in case) for case in cases) / len(cases)
    assert expected(3, torch.full((3,), 1 / 3)) == pytest.approx(alone, abs=0.05)


@VARIANTS
def test_the_images_in_the_lowest_and_the_topmost_bin_come_out(variant):
    """The published readout never separates the topmost one."""
    levels = torch.tensor([0.02, 0.5, 0.98])
    images = levels.reshape(3, 1, 1, 1) + 0.01 * (pictures(3, 3) - 0.5)
    batch = Batch(images, torch.tensor([0, 1, 2]))
    step = rob(server(small_network(), batch), bins=8, functional="brightness", variant=variant)
    assert (decibels(step, batch) > 60).all()


@VARIANTS
def test_images_that_share_a_bin_come_out_as_a_mixture_that_no_label_explains(variant):
    one = pictures(1, 5)[0]
    batch = Batch(torch.stack([one, one.flip(1)]), torch.tensor([0, 1]))  # equally bright
    step = rob(server(small_network(), batch), bins=8, functional="brightness", variant=variant)
    assert value(step, "Images and bins", "Bins that images fell into") == 1
    assert (step.labels == UNKNOWN).all()
    assert (decibels(step, batch) < 40).all()


@VARIANTS
def test_labels_are_told_by_the_strength_of_the_signal(variant):
    batch = batch_of(6)
    step = rob(server(small_network(), batch), bins=256, variant=variant)
    order = pairing(step.images, batch.images)
    alone = decibels(step, batch) > 60
    assert alone.sum() >= 4
    assert torch.equal(step.labels[order][alone], batch.labels[alone])


def test_sparse_rows_survive_local_steps():
    """The last part of acceptance identity 7: at most a tenth is lost."""
    batch = batch_of(64)
    counts = [
        int((decibels(rob(server(small_network(), batch, rule=rule), bins=256), batch) > 60).sum())
        for rule in (FedSGD(), FedAvg(local_batch_size=16, local_lr=0.05))
    ]
    assert counts[1] >= 0.9 * counts[0] > 30


def test_one_shot_takes_the_one_image_in_a_narrow_bin_and_nothing_else():
    seen = server(small_network(), batch_of(1))
    bins = RobbingTheFed(variant="one-shot", mode=5).fit(seen.public, 8, generator())
    candidates = pictures(200, 7)
    value_of = bins.value(candidates.flatten(1))
    within = (value_of > bins.edges[1]) & (value_of < bins.edges[2])
    images = torch.cat([candidates[within][:1], candidates[~within][:7]])
    batch = Batch(images, torch.arange(8) % 4)
    step = rob(server(small_network(), batch), variant="one-shot")
    assert decibels(step, batch)[0] > 60
    assert int((step.images == 0.5).flatten(1).all(1).sum()) == 7
    assert value(step, "What the server changed", "Parameters added") == 2 * 65
    chance = value(step, "Images and bins", "Expected alone in a bin, filled as by the public images")
    assert chance == pytest.approx((1 - 1 / 8) ** 7, abs=0.06)


@pytest.mark.parametrize("functional", ["brightness", "cosine", "random"])
def test_bins_are_about_equally_full_of_public_images(functional):
    public = pictures(2000, 1)
    bins = fit(direction(functional, 64, 5, generator()), public, equal_levels(20, public))
    assert bins.masses.sum() == pytest.approx(1)
    assert bins.masses.min() > 0.03
    assert bins.masses.max() < 0.07
    assert (bins.edges.diff() > 0).all()


def test_every_possible_image_falls_into_some_bin():
    public = pictures(50, 1)
    bins = fit(direction("cosine", 64, 5, generator()), public, equal_levels(8, public))
    extremes = torch.stack([(bins.direction > 0).double(), (bins.direction < 0).double()])
    reached = bins.value(extremes)
    assert reached[0] < bins.edges[-1]
    assert reached[1] > bins.edges[0]


@VARIANTS
def test_all_rows_of_an_image_get_the_same_gradient(variant):
    """Without that the difference of two rows would be no image."""
    public = pictures(200, 1)
    bins = fit(direction("cosine", 64, 5, generator()), public, equal_levels(16, public))
    model = Imprinted(Imprint(bins, variant, 0.1), small_network())
    batch = Batch(public[:1], torch.tensor([1]))
    _, bias, *_ = FedSGD()(model, batch)
    active = bias[bias != 0]
    assert len(active) >= 1
    assert torch.allclose(active, active[:1].expand_as(active), rtol=1e-5)
    assert read(FedSGD()(model, batch), variant).hit.sum() == 1


@pytest.mark.parametrize("network", [small_network, batch_norm_network], ids=lambda n: n.__name__)
def test_the_server_changes_a_copy_and_draws_nothing_from_torch(network):
    model = network()
    seen = server(model, batch_of(4))
    before, training = copy.deepcopy(model.state_dict()), model.training
    state = torch.random.get_rng_state()
    step = rob(seen, bins=16, functional="random")
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert model.training is training
    assert torch.equal(torch.random.get_rng_state(), state)
    assert int((decibels(step, batch_of(4)) > 60).sum()) >= 1


def test_a_client_that_sends_nothing_leaves_gray_images():
    seen = replace(server(small_network(), batch_of(4)), query=lambda m: tuple(map(torch.zeros_like, m.parameters())))
    for variant in ("sparse", "dense", "one-shot"):
        assert (rob(seen, bins=8, variant=variant).images == 0.5).all()


def test_noise_alone_is_not_taken_for_images():
    def noise(model: nn.Module) -> tuple[torch.Tensor, ...]:
        return tuple(torch.randn(p.shape, generator=generator(3)) for p in model.parameters())

    seen = replace(server(small_network(), batch_of(4)), query=noise)
    for variant in ("sparse", "dense"):
        step = rob(seen, bins=32, variant=variant)
        assert (step.images == 0.5).all()
        assert (step.labels == UNKNOWN).all()


def test_public_images_that_are_all_alike_are_refused_with_advice():
    seen = replace(server(small_network(), batch_of(2)), public=torch.full((10, 1, 8, 8), 0.5))
    with pytest.raises(ValueError, match="choose another functional"):
        rob(seen)


def test_what_it_needs_is_asked_for(home):
    refused = AuditSpec(attack=RobbingTheFed()).objections(home)
    assert {o.field for o in refused} == {"knowledge.public_data", "knowledge.malicious_server"}
    granted = Knowledge(public_data=True, malicious_server=True)
    assert AuditSpec(attack=RobbingTheFed(), knowledge=granted).objections(home) == []
    with pytest.raises(ValueError, match="grant both"):
        rob(observation(small_network(), batch_of(2)))
