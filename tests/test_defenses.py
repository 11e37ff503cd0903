"""Each defense, at the setting where it should do nothing and where it should do the most."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from victims import generator, private_batch, small_network

from gia_core.clients import FedSGD
from gia_core.defenses import Defense, defend, expectation
from gia_core.defenses.gaussian_noise import GaussianNoise
from gia_core.defenses.pruning import Pruning, largest
from gia_core.spec import AuditSpec, kinds

WEAKEST = [GaussianNoise(std=0), Pruning(ratio=0)]
STRONG = [GaussianNoise(std=1), Pruning(ratio=0.99)]


def gradient():
    return FedSGD()(small_network(), private_batch(3))


def defended(*defenses, seed: int = 0):
    return defend(FedSGD(), defenses, generator(seed))(small_network(), private_batch(3))


@pytest.mark.parametrize("catalog", [WEAKEST, STRONG], ids=["weakest", "strong"])
def test_no_defense_is_left_untested(catalog):
    assert {type(defense) for defense in catalog} == set(kinds(Defense).values())


@pytest.mark.parametrize("defense", WEAKEST, ids=lambda d: d.name)
def test_does_nothing_at_its_weakest(defense):
    for u, g in zip(defended(defense), gradient(), strict=True):
        assert torch.equal(u, g)


@pytest.mark.parametrize("defense", STRONG, ids=lambda d: d.name)
def test_same_seed_same_update(defense):
    for one, other in zip(defended(defense, seed=4), defended(defense, seed=4), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("defense", STRONG, ids=lambda d: d.name)
def test_keeps_shapes_and_what_the_inner_rule_made(defense):
    inner = gradient()
    before = [g.clone() for g in inner]
    outer = defend(lambda model, batch, *, differentiable=False: inner, (defense,), generator())(None, None)
    assert [u.shape for u in outer] == [g.shape for g in inner]
    assert all(torch.equal(g, b) for g, b in zip(inner, before, strict=True))


@pytest.mark.parametrize("defense", STRONG, ids=lambda d: d.name)
def test_survives_json(defense):
    spec = AuditSpec(defenses=(defense,))
    assert AuditSpec.model_validate_json(spec.model_dump_json()) == spec


def test_noise_has_the_standard_deviation_it_says():
    residual = torch.cat([(u - g).flatten() for u, g in zip(defended(GaussianNoise(std=0.3)), gradient(), strict=True)])
    standard_error = 0.3 / math.sqrt(2 * residual.numel())
    assert abs(residual.std().item() - 0.3) < 4 * standard_error
    assert abs(residual.mean().item()) < 4 * 0.3 / math.sqrt(residual.numel())


def test_relative_noise_scales_with_the_update():
    flat = torch.cat([g.flatten() for g in gradient()])
    noisy = torch.cat([u.flatten() for u in defended(GaussianNoise(std=0.5, scale="relative"))])
    wanted = 0.5 * flat.square().mean().sqrt().item()
    assert abs((noisy - flat).std().item() - wanted) < 4 * wanted / math.sqrt(2 * flat.numel())


@pytest.mark.parametrize("ratio", [0.1, 0.5, 0.9, 0.99])
def test_pruning_keeps_exactly_the_largest_of_each_layer(ratio: float):
    for u, g in zip(defended(Pruning(ratio=ratio)), gradient(), strict=True):
        kept = u != 0
        assert kept.sum() == math.ceil(round((1 - ratio) * g.numel(), 6))
        assert torch.equal(u[kept], g[kept])
        assert (g[~kept].abs() <= g[kept].abs().min()).all()


def test_global_pruning_compares_all_layers():
    flat, full = (
        torch.cat([u.flatten() for u in x]) for x in (defended(Pruning(ratio=0.9, scope="global")), gradient())
    )
    kept = flat != 0
    assert kept.sum() == math.ceil(round(0.1 * full.numel(), 6))
    assert (full[~kept].abs() <= full[kept].abs().min()).all()


@given(values=st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=40), share=st.floats(0.01, 1))
def test_any_share_keeps_the_count_it_promises_even_among_equals(values, share):
    assert largest(torch.tensor(values), share).sum() == math.ceil(round(share * len(values), 6))


def test_pruning_twice_is_pruning_once():
    once, twice = defended(Pruning(ratio=0.9)), defended(Pruning(ratio=0.9), Pruning(ratio=0.9))
    assert all(torch.equal(a, b) for a, b in zip(once, twice, strict=True))


def test_the_first_listed_acts_first():
    """Noise after pruning fills the zeros again; pruning after noise leaves them."""
    noise_last = defended(Pruning(ratio=0.9), GaussianNoise(std=1))
    noise_first = defended(GaussianNoise(std=1), Pruning(ratio=0.9))
    assert all((u != 0).all() for u in noise_last)
    assert any((u == 0).any() for u in noise_first)


def test_who_knows_the_pruning_expects_of_the_true_gradient_what_arrived():
    observed = defended(Pruning(ratio=0.9))
    expected = expectation((Pruning(ratio=0.9),), observed)(gradient())
    assert all(torch.equal(e, o) for e, o in zip(expected, observed, strict=True))


def test_without_defenses_an_update_is_expected_as_it_is():
    update = gradient()
    assert all(a is b for a, b in zip(expectation((), update)(update), update, strict=True))
