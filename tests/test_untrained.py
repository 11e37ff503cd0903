"""CI-Net and deep image prior: networks that have learned nothing."""

from __future__ import annotations

import pytest
import torch
from victims import generator, observation, private_batch, small_network

from gia_core.attacks import CINet, DeepImagePrior
from gia_core.attacks.generative.drawings import by_shared_weights
from gia_core.attacks.generative.untrained import (
    CODE,
    NOISE_CHANNELS,
    Gated,
    Hourglass,
    OverParameterized,
    over_parameterized,
)
from gia_core.attacks.matching.distances import squared_and_plain_l2
from gia_core.metrics import psnr


@pytest.mark.parametrize(("batch_size", "width"), [(1, 32), (64, 64), (128, 128)])
def test_ci_net_has_more_weights_than_four_per_pixel(batch_size: int, width: int):
    network = over_parameterized(OverParameterized, (3, 32, 32), batch_size)
    assert network.width == width
    assert sum(p.numel() for p in network.parameters()) > 4 * batch_size * 32 * 32


@pytest.mark.parametrize("side", [8, 25, 28, 64])
def test_the_networks_draw_images_of_every_size(side: int):
    drawn = [
        over_parameterized(OverParameterized, (1, side, side), 2)(torch.randn(2, CODE)),
        over_parameterized(Gated, (1, side, side), 2)(torch.randn(2, CODE)),
        Hourglass((1, side, side), 8)(torch.rand(2, NOISE_CHANNELS, side, side)),
    ]
    for images in drawn:
        assert images.shape == (2, 1, side, side)
        assert images.min() >= 0
        assert images.max() <= 1


def test_shared_weights_are_pulled_by_every_image():
    drawing = by_shared_weights(Hourglass((1, 8, 8), 8), torch.rand(2, NOISE_CHANNELS, 8, 8))
    slopes = [torch.autograd.grad(drawing.images()[i].sum(), drawing.unknowns) for i in range(2)]
    assert all(max(s.abs().max() for s in of_image) > 0 for of_image in slopes)


@pytest.mark.parametrize(
    "attack", [CINet(iterations=4), CINet(recipe="grnn", iterations=4), DeepImagePrior(iterations=4)]
)
def test_all_images_come_from_one_network(attack):
    steps = list(attack.run(observation(small_network(), private_batch(3), labels=True), generator()))
    assert steps[-1].images.shape == (3, 1, 8, 8)
    assert [step.iteration for step in steps] == [1, 2, 3, 4]


def test_signs_and_sizes_of_the_gradient_lead_to_different_images():
    seen = observation(small_network(), private_batch(), labels=True)
    last = [list(CINet(iterations=5, sign=sign).run(seen, generator()))[-1].images for sign in (True, False)]
    assert not torch.allclose(*last)


def test_without_jitter_the_input_stays_the_same():
    seen = observation(small_network(), private_batch(), labels=True)
    still = [next(iter(DeepImagePrior(jitter=0, lr=1e-9).run(seen, generator()))).losses for _ in range(2)]
    assert still[0] == still[1]


@pytest.mark.parametrize(
    "attack",
    [
        CINet(iterations=120, lr=3e-3),
        CINet(recipe="grnn", iterations=200, lr=1e-3),
        DeepImagePrior(iterations=80, lr=1e-2, width=8),
    ],
)
def test_two_images_are_told_apart_on_a_network_with_sigmoids(attack):
    batch = private_batch(2)
    *_, last = attack.run(observation(small_network(), batch, labels=True), generator())
    assert psnr(last.images, batch.images).mean() > psnr(torch.full_like(batch.images, 0.5), batch.images).mean() + 3


def test_grnn_draws_the_labels_together_with_the_images():
    batch = private_batch(3, seed=4)
    attack = CINet(recipe="grnn", labels="joint", iterations=200, lr=1e-3)
    *_, last = attack.run(observation(small_network(), batch), generator())
    assert torch.equal(last.labels.sort().values, batch.labels.sort().values)
    assert batch.labels.unique().numel() > 1


def test_the_distance_of_grnn_is_a_share_and_its_root():
    observed = (torch.tensor([3.0]), torch.tensor([[4.0]]))
    measure = squared_and_plain_l2(observed)
    assert measure((torch.tensor([0.0]), torch.tensor([[4.0]]))) == pytest.approx(9 / 25 + 3 / 5)
    assert measure(observed) < 1e-9


def test_each_recipe_takes_its_own_rates_unless_told_otherwise():
    weights = [torch.zeros(1, requires_grad=True)]
    rates = [CINet(recipe=r).stage().optimizer(weights).defaults["lr"] for r in ("ci-net", "grnn")]
    assert rates == [2e-3, 1e-4]
    assert CINet(recipe="grnn", lr=0.5).stage().optimizer(weights).defaults["lr"] == 0.5
    assert (CINet().smoothness, CINet(recipe="grnn").smoothness, CINet(tv_weight=0.2).smoothness) == (0, 1e-3, 0.2)
