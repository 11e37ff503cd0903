"""Each defense, at the setting where it should do nothing and where it should do the most."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import stats
from victims import generator, private_batch, small_network

from gia_core.clients import FedSGD
from gia_core.defenses import ATS, Defense, InstaHide, MixUp, Precode, Soteria, defend, expectation
from gia_core.defenses.clipping import Clipping, total_norm
from gia_core.defenses.dp_sgd import DPSGD
from gia_core.defenses.gaussian_noise import GaussianNoise
from gia_core.defenses.laplace_noise import LaplaceNoise
from gia_core.defenses.pruning import Pruning, largest
from gia_core.defenses.quantization import Quantization
from gia_core.defenses.stages import ORDER
from gia_core.defenses.user_level_dp import UserLevelDP
from gia_core.spec import AuditSpec, kinds
from gia_core.types import Batch

WEAKEST = [
    GaussianNoise(std=0),
    LaplaceNoise(std=0),
    Clipping(bound=1e9),
    Pruning(ratio=0),
    Quantization(scheme="fp32"),
    DPSGD(clip=1e9, noise_multiplier=0),
    UserLevelDP(clip=1e9, noise_multiplier=0),
    MixUp(k=1, max_weight=1),
    InstaHide(k=1, max_weight=1, flips=0),
    ATS(strength=0),
    Soteria(ratio=0),
]
STRONG = [
    GaussianNoise(std=1),
    LaplaceNoise(std=1),
    Clipping(bound=0.01),
    Pruning(ratio=0.99),
    Quantization(scheme="qsgd", levels=1),
    DPSGD(clip=0.01, noise_multiplier=10),
    UserLevelDP(clip=0.01, noise_multiplier=10),
    MixUp(k=2),
    InstaHide(k=2),
    ATS(),
    Soteria(ratio=0.9),
]


def gradient(size: int = 3):
    return FedSGD()(small_network(), private_batch(size))


def defended(*defenses, seed: int = 0, size: int = 3):
    return defend(FedSGD(), defenses, generator(seed))(small_network(), private_batch(size))


def flat(update):
    return torch.cat([u.flatten() for u in update])


@pytest.mark.parametrize("catalog", [WEAKEST, STRONG], ids=["weakest", "strong"])
def test_no_defense_is_left_untested(catalog):
    """PRECODE changes the network, so it has tests of its own."""
    assert {*map(type, catalog), Precode} == set(kinds(Defense).values())


@pytest.mark.parametrize("defense", WEAKEST, ids=lambda d: d.name)
def test_does_nothing_at_its_weakest(defense):
    """To the last bit, but for DP-SGD on several images, whose gradients it adds up itself."""
    size = 1 if isinstance(defense, DPSGD) else 3
    for u, g in zip(defended(defense, size=size), gradient(size), strict=True):
        assert torch.equal(u, g)


@pytest.mark.parametrize("defense", STRONG, ids=lambda d: d.name)
def test_changes_something_at_its_strongest_and_nothing_that_it_is_given(defense):
    model, batch = small_network(), private_batch(3)
    before = [p.clone() for p in model.parameters()], batch.images.clone(), batch.labels.clone()
    after = defend(FedSGD(), (defense,), generator())(model, batch)
    assert not torch.equal(flat(after), flat(gradient()))
    assert all(torch.equal(p, b) for p, b in zip(model.parameters(), before[0], strict=True))
    assert torch.equal(batch.images, before[1])
    assert torch.equal(batch.labels, before[2])


@pytest.mark.parametrize("defense", STRONG, ids=lambda d: d.name)
def test_what_an_attacker_expects_can_be_differentiated_even_where_it_is_zero(defense):
    observed = defended(defense)
    for update in (gradient(), tuple(torch.zeros_like(g) for g in gradient())):
        simulated = tuple(u.clone().requires_grad_() for u in update)
        expected = expectation((defense,), observed)(simulated)
        assert [e.shape for e in expected] == [o.shape for o in observed]
        distance = sum((e - o).square().sum() for e, o in zip(expected, observed, strict=True))
        assert all(g.isfinite().all() for g in torch.autograd.grad(distance, simulated))


@pytest.mark.parametrize("defense", STRONG, ids=lambda d: d.name)
def test_a_defended_rule_can_be_differentiated_with_respect_to_the_images(defense):
    batch = private_batch(2)
    images = batch.images.clone().requires_grad_()
    update = defend(FedSGD(), (defense,), generator())(
        small_network(), Batch(images, batch.labels), differentiable=True
    )
    (slope,) = torch.autograd.grad(sum(u.square().sum() for u in update), images)
    assert slope.isfinite().all()
    assert slope.abs().sum() > 0


@pytest.mark.parametrize("kind", [GaussianNoise, LaplaceNoise, Clipping, Pruning, Quantization, DPSGD, UserLevelDP])
def test_its_stages_come_in_the_order_of_all_stages(kind):
    assert kind.stages
    assert list(kind.stages) == sorted(kind.stages, key=ORDER.index)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "gaussian-noise", "std": math.inf},
        {"name": "laplace-noise", "std": -1},
        {"name": "clipping", "bound": 0},
        {"name": "quantization", "levels": 0},
        {"name": "quantization", "scheme": "int3"},
        {"name": "dp-sgd", "clip": 0},
        {"name": "dp-sgd", "clip": math.inf},
        {"name": "dp-sgd", "noise_multiplier": -0.1},
        {"name": "dp-sgd", "sample_rate": 0},
        {"name": "dp-sgd", "sample_rate": 1.1},
        {"name": "dp-sgd", "steps": 0},
        {"name": "dp-sgd", "delta": 1},
        {"name": "user-level-dp", "clients": 0},
        {"name": "user-level-dp", "clients": 1, "sample_rate": 0.5},
    ],
    ids=str,
)
def test_a_strength_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValidationError):
        AuditSpec.model_validate({"defenses": [wrong]})


@pytest.mark.parametrize("defense", STRONG, ids=lambda d: d.name)
def test_same_seed_same_update(defense):
    for one, other in zip(defended(defense, seed=4), defended(defense, seed=4), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("defense", STRONG, ids=lambda d: d.name)
def test_keeps_shapes_and_what_the_inner_rule_made(defense):
    inner = gradient()
    before = [g.clone() for g in inner]
    rule = defend(lambda model, batch, *, differentiable=False: inner, (defense,), generator())
    outer = rule(small_network(), private_batch(3))
    assert [u.shape for u in outer] == [g.shape for g in inner]
    assert all(torch.equal(g, b) for g, b in zip(inner, before, strict=True))


@pytest.mark.parametrize("defense", STRONG, ids=lambda d: d.name)
def test_survives_json(defense):
    spec = AuditSpec(defenses=(defense,))
    assert AuditSpec.model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize("kind", [GaussianNoise, LaplaceNoise])
def test_noise_has_the_standard_deviation_it_says(kind):
    residual = flat(defended(kind(std=0.3))) - flat(gradient())
    # The variance of a sample's standard deviation grows with the fourth moment: 3 for Gaussian, 6 for Laplace noise.
    standard_error = 0.3 * math.sqrt(5 / (4 * residual.numel()))
    assert abs(residual.std().item() - 0.3) < 4 * standard_error
    assert abs(residual.mean().item()) < 4 * 0.3 / math.sqrt(residual.numel())


@pytest.mark.parametrize(
    ("kind", "law"), [(GaussianNoise, stats.norm(scale=0.3)), (LaplaceNoise, stats.laplace(scale=0.3 / math.sqrt(2)))]
)
def test_noise_follows_the_law_it_is_named_after(kind, law):
    residual = flat(defended(kind(std=0.3))) - flat(gradient())
    assert stats.kstest(residual.numpy(), law.cdf).pvalue > 0.01


@pytest.mark.parametrize("kind", [GaussianNoise, LaplaceNoise])
def test_relative_noise_scales_with_the_update(kind):
    plain = flat(gradient())
    wanted = 0.5 * plain.square().mean().sqrt().item()
    residual = flat(defended(kind(std=0.5, scale="relative"))) - plain
    assert abs(residual.std().item() - wanted) < 4 * wanted * math.sqrt(5 / (4 * plain.numel()))


@pytest.mark.parametrize("kind", [GaussianNoise, LaplaceNoise])
def test_other_seeds_give_other_noise(kind):
    assert not torch.equal(flat(defended(kind(std=1), seed=1)), flat(defended(kind(std=1), seed=2)))


def test_clipping_keeps_the_direction_and_gives_the_norm():
    short, plain = flat(defended(Clipping(bound=0.1))), flat(gradient())
    assert plain.norm() > 0.1
    assert short.double().norm().item() == pytest.approx(0.1, rel=1e-6)
    assert torch.cosine_similarity(short.double(), plain.double(), dim=0).item() == pytest.approx(1, abs=1e-9)


def test_an_update_within_the_bound_is_not_clipped():
    bound = 1.001 * total_norm(gradient()).item()
    assert torch.equal(flat(defended(Clipping(bound=bound))), flat(gradient()))


def test_clipping_by_layer_shortens_only_the_long_ones():
    norms = [g.norm().item() for g in gradient()]
    bound = sorted(norms)[1] * 1.01
    short = defended(Clipping(bound=bound, scope="layer"))
    assert any(norm > bound for norm in norms)
    for u, g, norm in zip(short, gradient(), norms, strict=True):
        torch.testing.assert_close(u, g * min(1.0, bound / norm))


@pytest.mark.parametrize("scope", ["global", "layer"])
def test_who_knows_the_bound_expects_of_the_true_gradient_what_arrived(scope):
    defense = Clipping(bound=0.1, scope=scope)
    observed = defended(defense)
    assert torch.equal(flat(expectation((defense,), observed)(gradient())), flat(observed))


@settings(deadline=None)  # torch's first calls take long
@given(values=st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=1, max_size=20), bound=st.floats(1e-6, 1e6))
def test_no_update_is_longer_than_the_bound(values, bound):
    update = (torch.tensor(values),)
    assert total_norm(Clipping(bound=bound).shorten(update)).item() <= bound * (1 + 1e-6)


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


def test_error_feedback_sends_everything_in_the_end():
    """What arrived over many rounds is what an undefended client would have sent, but for what is still kept."""
    rule = Pruning(ratio=0.9, error_feedback=True).wrap(FedSGD(), generator())
    model, batch, rounds = small_network(), private_batch(3), 40
    sent = [flat(rule(model, batch)) for _ in range(rounds)]
    assert torch.equal(sent[0], flat(defended(Pruning(ratio=0.9))))
    plain = flat(gradient())
    forgetful = (sent[0] - plain).norm() / plain.norm()
    assert (torch.stack(sent).mean(0) - plain).norm() / plain.norm() < forgetful / 4


def test_error_feedback_keeps_exactly_what_was_not_sent():
    updates = iter([(torch.tensor([1.0, -3.0]),), (torch.tensor([1.5, -0.5]),), (torch.zeros(3),)])
    rule = Pruning(ratio=0.5, error_feedback=True).wrap(lambda *_, differentiable=False: next(updates), generator())
    assert rule(None, None)[0].tolist() == [0.0, -3.0]  # 1 is kept
    assert rule(None, None)[0].tolist() == [2.5, 0.0]  # 1 + 1.5 is sent, -0.5 is kept
    assert rule(None, None)[0].tolist() == [0.0, 0.0, 0.0]  # another shape: the memory does not fit and is dropped


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
