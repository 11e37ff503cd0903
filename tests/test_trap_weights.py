"""First layers that a malicious server sets so that few images activate a neuron."""

from __future__ import annotations

import copy
import statistics
from dataclasses import replace

import pytest
import torch
from test_linear_leak import normalizing_network
from torch import nn
from victims import generator, observation, private_batch

from gia_core.attacks import TrapWeights
from gia_core.attacks.analytic.first_layer import first_layer
from gia_core.attacks.analytic.traps import firing, foreseen, mirrored_rows, scaled, trapped, tuned
from gia_core.clients import FedAvg, FedSGD
from gia_core.metrics import pairing, psnr
from gia_core.models import MLP
from gia_core.spec import AuditSpec, Knowledge
from gia_core.types import Batch, Observation

PIXELS = 1024


def pictures(count: int, seed: int = 0) -> torch.Tensor:
    """Smooth pictures of 1 × 32 × 32 pixels, with the mean and the deviation of typical ones."""
    coarse = torch.randn(count, 1, 6, 6, generator=generator(seed))
    smooth = nn.functional.interpolate(coarse, size=32, mode="bicubic")
    smooth = smooth - smooth.mean((1, 2, 3), keepdim=True)
    return (0.47 + 0.25 * smooth / smooth.std((1, 2, 3), keepdim=True)).clamp(0, 1)


def queried(model: nn.Module, batch: Batch, *, rule=None) -> Observation:
    """An observation of a server that may send any model."""
    rule = rule or FedSGD()
    return replace(observation(model, batch, rule=rule), query=lambda sent: rule(sent, batch))


@pytest.mark.parametrize("scale", [0.9, 0.95, 0.97])
def test_rows_fire_as_often_as_the_rule_says(scale: float):
    """Acceptance identity 8."""
    images = pictures(64).flatten(1).double()
    active = images @ scaled(mirrored_rows(512, PIXELS, generator()), scale).double().T > 0
    foretold = [firing(scale, PIXELS, float(image.mean()), float(image.std())) for image in images]
    assert active.double().mean() == pytest.approx(statistics.mean(foretold), rel=0.3)


def test_half_of_a_row_is_negative_and_the_rest_mirrors_it():
    rows = scaled(mirrored_rows(5, 8, generator()), 0.9)
    assert (rows < 0).sum(1).tolist() == [4] * 5
    for row in rows:
        assert torch.allclose(row[row > 0].sort().values, 0.9 * row[row < 0].abs().sort().values)


def test_for_typical_images_a_row_fires_for_one_of_the_batch():
    for batch in (8, 32, 100):
        tuning = tuned(None, mirrored_rows(64, 3072, generator()), None, batch, generator())
        assert tuning.firing == pytest.approx(1 / batch, rel=0.1)


def test_the_rehearsal_on_typical_images_agrees_with_the_forecast_for_them():
    rows = mirrored_rows(256, PIXELS, generator())
    forecast = foreseen(0.95, pixels=PIXELS, batch=8, rows=256)
    tried = tuned(0.95, rows, pictures(256), 8, generator())
    assert tried.firing == pytest.approx(forecast.firing, rel=0.3)
    assert tried.silent == pytest.approx(forecast.silent, abs=0.15)
    assert tried.distinct == pytest.approx(forecast.distinct, abs=1.5)


def test_what_is_tried_out_is_at_least_as_good_as_what_is_computed():
    rows = mirrored_rows(64, PIXELS, generator())
    flat = 0.3 * (pictures(256) - 0.5) + 0.5  # pale pictures, for which typical rows never fire
    computed = tuned(None, rows, None, 16, generator()).scale
    there = tuned(computed, rows, flat, 16, generator())
    best = tuned(None, rows, flat, 16, generator())
    assert best.distinct > there.distinct + 2
    assert best.scale > computed


def test_the_normalization_is_taken_back():
    """What normalized inputs would spoil: the trap acts on the pixels themselves."""
    model = normalizing_network()
    layer = first_layer(model, (1, 8, 8))
    rows = scaled(mirrored_rows(32, 64, generator()), 0.8)
    bait = trapped(model, layer, rows)
    pixels = private_batch(16).images
    active = pixels.flatten(1) @ rows.T > 0
    assert ((bait[:3](pixels) > 0) == active).float().mean() > 0.99
    naive = (pixels.flatten(1) - 0.3) / 0.2 @ rows.T > 0
    assert naive.float().mean() > 1.5 * active.float().mean()


@pytest.mark.parametrize("rule", [FedSGD(), FedAvg(local_batch_size=4)], ids=lambda rule: rule.name)
def test_gives_away_much_more_than_the_model_as_it_was(rule):
    batch = Batch(private_batch(8, seed=2).images, torch.arange(8) % 4)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 4))
    for parameter in model.parameters():
        nn.init.uniform_(parameter, -0.1, 0.1, generator=generator(1))
    seen = replace(queried(model, batch, rule=rule), public=private_batch(100, seed=9).images)
    (step,) = TrapWeights().run(seen, generator())
    found = psnr(step.images[pairing(step.images, batch.images)], batch.images) > 60
    assert found.sum() >= 4
    titles = [table.title for table in step.tables]
    assert "What the server changed" in titles


def test_the_server_changes_a_copy_and_draws_from_its_own_generator():
    model = normalizing_network()
    before = copy.deepcopy(model.state_dict())
    state = torch.random.get_rng_state()
    list(TrapWeights().run(queried(model, private_batch(4)), generator()))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_client_that_sends_nothing_leaves_gray_images():
    model = normalizing_network()
    seen = replace(observation(model, private_batch(4)), query=lambda m: tuple(map(torch.zeros_like, m.parameters())))
    (step,) = TrapWeights().run(seen, generator())
    assert (step.images == 0.5).all()


def test_without_a_malicious_server_it_says_what_to_grant(home):
    with pytest.raises(ValueError, match="grant a malicious server"):
        list(TrapWeights().run(observation(normalizing_network(), private_batch()), generator()))
    refused = AuditSpec(attack=TrapWeights(), model=MLP(activation="tanh")).objections(home)
    assert {objection.field for objection in refused} == {"knowledge.malicious_server", "model.activation"}
    granted = Knowledge(malicious_server=True)
    assert AuditSpec(attack=TrapWeights(), model=MLP(), knowledge=granted).objections(home) == []
