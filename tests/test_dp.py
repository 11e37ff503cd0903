"""Differential privacy: the mechanisms, the epsilon that they promise, and what may stand beside them."""

from __future__ import annotations

import math
import os
import signal
from pathlib import Path

import pytest
import torch
from scipy.stats import norm
from torch.func import functional_call, grad, vmap
from victims import generator, private_batch, small_network

from gia_core.accounting import Accountant, Epsilon, Release, count, epsilon, in_words, noise_for, reconstruction_bound
from gia_core.clients import FedAvg, FedSGD, Vertical
from gia_core.defenses import defend
from gia_core.defenses.ats import ATS
from gia_core.defenses.clipping import Clipping, clipped, total_norm
from gia_core.defenses.dp_sgd import DPSGD
from gia_core.defenses.gaussian_noise import GaussianNoise
from gia_core.defenses.laplace_noise import LaplaceNoise
from gia_core.defenses.mixup import MixUp
from gia_core.defenses.pruning import Pruning
from gia_core.defenses.quantization import Quantization
from gia_core.defenses.soteria import Soteria
from gia_core.defenses.stacking import promise
from gia_core.defenses.user_level_dp import UserLevelDP
from gia_core.models import ConvNet
from gia_core.spec import AuditSpec
from gia_core.types import Batch
from ui.remedies import remedies

VECTORS = [
    (Release(1.0, 0.01, 1000, 1e-5), 2.1014, 1.8384),
    (Release(1.1, 256 / 60000, 14062, 1e-5), 2.5966, 2.3917),
    (Release(0.5, 0.01, 1000, 1e-5), 15.464, 13.372),
    (Release(2.0, 0.02, 500, 1e-5), 1.0153, 0.9310),
    (Release(1.0, 1.0, 1, 1e-5), 4.7285, 4.3874),
    (Release(1.0, 1.0, 10, 1e-5), 19.054, 17.867),
    (Release(1.5, 0.05, 200, 1e-5), 2.6026, 2.3587),
    (Release(0.8, 0.01, 500, 1e-5), 2.979, 2.410),
]
"""A mechanism and its epsilon by Opacus 1.6.0, RDP and PRV."""
SAMPLED = VECTORS[0][0]


def flat(update) -> torch.Tensor:
    return torch.cat([u.flatten() for u in update])


def sent(defense, batch: Batch | None = None, *, seed: int = 0) -> torch.Tensor:
    """What a client of FedSGD sends, as one vector."""
    return flat(defend(FedSGD(), (defense,), generator(seed))(small_network(), batch or private_batch(4)))


def per_example(batch: Batch) -> torch.Tensor:
    """(B, parameters): gradients of the single images by torch's vmap, which the library does not use."""
    model = small_network()
    weights = dict(model.named_parameters())

    def loss(weights, image, label):
        return torch.nn.functional.cross_entropy(functional_call(model, weights, (image[None],)), label[None])

    found = vmap(grad(loss), in_dims=(None, 0, 0))(weights, batch.images, batch.labels)
    return torch.cat([found[name].flatten(1) for name in weights], dim=1)


# What DP-SGD sends.


def test_without_noise_and_clipping_it_is_the_mean_gradient():
    torch.testing.assert_close(
        sent(DPSGD(clip=1e9, noise_multiplier=0)), flat(FedSGD()(small_network(), private_batch(4)))
    )


def test_each_image_is_clipped_on_its_own():
    gradients = per_example(private_batch(4))
    clip = gradients.norm(dim=1).median().item()  # so that some are clipped and some are not
    wanted = (gradients * (clip / gradients.norm(dim=1, keepdim=True)).clamp(max=1)).mean(0)
    torch.testing.assert_close(sent(DPSGD(clip=clip, noise_multiplier=0)), wanted)


def test_of_one_image_it_is_the_rescaled_gradient():
    plain = flat(FedSGD()(small_network(), private_batch(1)))
    torch.testing.assert_close(
        sent(DPSGD(clip=0.1, noise_multiplier=0), private_batch(1)), plain * (0.1 / plain.norm())
    )


def test_clipping_single_images_turns_the_mean():
    turned, plain = sent(DPSGD(clip=0.01, noise_multiplier=0)), flat(FedSGD()(small_network(), private_batch(4)))
    assert torch.cosine_similarity(turned, plain, dim=0) < 0.9999


@pytest.mark.parametrize("clip", [1e-3, 0.5, 2.0])
def test_one_image_more_changes_it_by_no_more_than_the_clip(clip):
    defense, batch = DPSGD(clip=clip, noise_multiplier=0, expected_batch_size=10), private_batch(4)
    for left_out in range(4):
        others = batch.only(torch.tensor([i for i in range(4) if i != left_out]))
        difference = (sent(defense, batch) - sent(defense, others)).double().norm().item()
        assert 0 < difference <= clip / 10 * (1 + 1e-5)


def test_the_noise_has_the_standard_deviation_of_the_mechanism():
    clip, noise, expected, draws = 0.5, 1.5, 8, 200
    quiet = sent(DPSGD(clip=clip, noise_multiplier=0, expected_batch_size=expected), private_batch(1))
    rule = defend(FedSGD(), (DPSGD(clip=clip, noise_multiplier=noise, expected_batch_size=expected),), generator())
    residual = torch.stack([flat(rule(small_network(), private_batch(1))) - quiet for _ in range(draws)])
    assert residual.std().item() == pytest.approx(noise * clip / expected, rel=0.03)
    assert abs(residual.mean().item()) < 4 * noise * clip / expected / math.sqrt(residual.numel())


def test_its_seed_decides_the_noise():
    assert torch.equal(sent(DPSGD(), seed=3), sent(DPSGD(), seed=3))
    assert not torch.equal(sent(DPSGD(), seed=3), sent(DPSGD(), seed=4))


def test_labels_that_are_probabilities_are_taken_too():
    batch = private_batch(3)
    soft = Batch(batch.images, torch.nn.functional.one_hot(batch.labels, 4).float())
    torch.testing.assert_close(sent(DPSGD(), soft), sent(DPSGD(), batch))


def test_its_attacker_compares_up_to_scale():
    model, batch = small_network(), private_batch(1)
    defense = DPSGD(clip=0.1, noise_multiplier=0, expected_batch_size=64)
    observed = defend(FedSGD(), (defense,), generator())(model, batch)
    torch.testing.assert_close(flat(defense.expect(observed)(FedSGD()(model, batch))), flat(observed))


# What user-level DP sends.


@pytest.mark.parametrize("client", [FedSGD(), FedAvg(local_epochs=2, local_lr=0.5)], ids=lambda c: c.name)
def test_the_whole_update_is_clipped(client):
    defense = UserLevelDP(clip=0.05, noise_multiplier=0)
    update = defend(client, (defense,), generator())(small_network(), private_batch(4))
    plain = client(small_network(), private_batch(4))
    assert total_norm(update).item() == pytest.approx(0.05, rel=1e-6)
    assert torch.equal(flat(update), flat(defense.expect(update)(plain)))


@pytest.mark.parametrize("clients", [1, 100])
def test_each_client_adds_its_share_of_the_noise(clients):
    defense = UserLevelDP(clip=0.5, noise_multiplier=2.0, clients=clients)
    residual = sent(defense) - flat(clipped(FedSGD()(small_network(), private_batch(4)), 0.5))
    wanted = 2.0 * 0.5 / math.sqrt(clients)
    assert abs(residual.std().item() - wanted) < 4 * wanted / math.sqrt(2 * residual.numel())


# Epsilon.


@pytest.mark.parametrize(("release", "rdp", "prv"), VECTORS)
def test_epsilon_is_what_the_published_accountants_say(release, rdp, prv):
    counted = epsilon(release)
    assert counted.rdp == pytest.approx(rdp, abs=1e-3)
    assert counted.prv == pytest.approx(prv, abs=0.02)


@pytest.mark.parametrize("noise", [0.5, 1.0, 2.0, 5.0])
def test_epsilon_of_one_full_step_is_just_above_the_exact_one(noise):
    """The Gaussian mechanism's own formula (Balle and Wang, ICML 2018, theorem 8), solved by bisection."""
    low, high = 0.0, 100.0
    for _ in range(60):
        middle = (low + high) / 2
        delta = norm.cdf(0.5 / noise - middle * noise) - math.exp(middle) * norm.cdf(-0.5 / noise - middle * noise)
        low, high = (middle, high) if delta > 1e-5 else (low, middle)
    counted = epsilon(Release(noise, 1.0, 1, 1e-5))
    assert high - 1e-6 <= counted.prv <= high + 0.02
    assert counted.prv <= counted.rdp


def test_more_steps_more_sampling_and_less_noise_cost_more():
    for by in ("rdp", "prv"):
        before = count(SAMPLED, by)
        for worse in (
            SAMPLED._replace(steps=2000),
            SAMPLED._replace(sample_rate=0.02),
            SAMPLED._replace(noise_multiplier=0.9),
            SAMPLED._replace(delta=1e-6),
        ):
            assert count(worse, by) > before


def test_what_cannot_be_counted_is_told_apart_from_zero():
    assert epsilon(SAMPLED._replace(noise_multiplier=0.0)) == Epsilon(math.inf, None)
    assert epsilon(Release(0.01, 1.0, 1000, 1e-5)).prv is None  # beyond any meaning
    assert epsilon(Release(1.0, 1.0, 1, 1e-300)).prv is None  # beyond any precision
    assert epsilon(Release(100.0, 0.01, 1, 0.5)).rdp == 0.0  # never below zero


@pytest.mark.parametrize(("by", "published"), [("rdp", 0.8655), ("prv", 0.8154)])
def test_the_noise_for_a_wanted_epsilon_gives_it(by, published):
    noise = noise_for(3.0, SAMPLED, by)
    assert noise == pytest.approx(published, abs=1e-3)
    assert 2.99 <= count(SAMPLED._replace(noise_multiplier=noise), by) <= 3.0


def test_an_epsilon_that_no_noise_is_shown_to_give_is_refused():
    with pytest.raises(ValueError, match=r"epsilon of 0\.001; ask for more"):
        noise_for(1e-3, SAMPLED)


@pytest.mark.parametrize(("noise", "chance"), [(1.0, 0.39), (2.0, 0.217), (5.0, 0.14)])
def test_the_bound_on_reconstruction(noise, chance):
    assert reconstruction_bound(Release(noise, 1.0, 1, 1e-5), candidates=10) == pytest.approx(chance, abs=0.005)
    assert reconstruction_bound(Release(1e9, 1.0, 1, 1e-5), candidates=10) == pytest.approx(0.1)
    assert reconstruction_bound(Release(0.0, 1.0, 1, 1e-5)) == 1.0


def test_epsilon_in_words():
    assert in_words(SAMPLED, Epsilon(3.21, 2.9)) == "epsilon 3.21 at delta 1e-5 by RDP, 2.9 by PRV"
    assert in_words(SAMPLED, Epsilon(3.21, None)) == "epsilon 3.21 at delta 1e-5 by RDP"
    assert "infinite" in in_words(SAMPLED, Epsilon(math.inf, None))


def test_a_process_of_its_own_gives_the_same_answers_even_after_it_was_killed():
    accountant = Accountant()
    try:
        assert accountant.epsilon(SAMPLED) == epsilon(SAMPLED)
        assert accountant.rdp(SAMPLED) == epsilon(SAMPLED).rdp
        assert accountant.noise_for(3.0, SAMPLED) == noise_for(3.0, SAMPLED)
        with pytest.raises(ValueError, match="ask for more"):
            accountant.noise_for(1e-3, SAMPLED)
        os.kill(accountant._process.pid, signal.SIGKILL)
        accountant._process.wait()
        assert accountant.epsilon(SAMPLED._replace(noise_multiplier=0.0)) == Epsilon(math.inf, None)
    finally:
        accountant.close()


# What may stand together.


def test_only_what_clips_and_adds_noise_promises_anything():
    assert promise(()) is None
    assert promise((GaussianNoise(std=1.0), LaplaceNoise(std=1.0))) is None
    assert promise((Clipping(bound=1.0),)) is None
    assert promise((DPSGD(noise_multiplier=1.0), Pruning())) == SAMPLED
    assert promise((UserLevelDP(),)) == Release(1.0, 1.0, 1, 1e-5)


@pytest.mark.parametrize(
    "defenses",
    [
        (Clipping(), GaussianNoise(), Pruning(), Quantization()),
        (DPSGD(), Pruning()),
        (DPSGD(), LaplaceNoise(), Quantization(scheme="sign")),
        (UserLevelDP(), Quantization(), Pruning()),
        (Quantization(), Pruning(), Pruning()),
        (ATS(), DPSGD()),
        (Soteria(), UserLevelDP()),
    ],
    ids=lambda defenses: "+".join(d.name for d in defenses),
)
def test_what_is_in_order_is_accepted(home: Path, defenses):
    assert AuditSpec(defenses=defenses).objections(home) == []


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (AuditSpec(defenses=(Pruning(), GaussianNoise())), "gaussian-noise has to act before pruning"),
        (AuditSpec(defenses=(Quantization(), DPSGD())), "dp-sgd has to act before quantization"),
        (AuditSpec(defenses=(LaplaceNoise(), Clipping())), "clipping has to act before laplace-noise"),
        (AuditSpec(defenses=(GaussianNoise(), UserLevelDP())), "user-level-dp has to act before gaussian-noise"),
        (AuditSpec(defenses=(Pruning(), Clipping())), "clipping has to act before pruning"),
        (AuditSpec(defenses=(DPSGD(), UserLevelDP())), "keep one of them"),
        (AuditSpec(defenses=(DPSGD(), Pruning(), DPSGD())), "keep one of them"),
        (AuditSpec(defenses=(Clipping(), DPSGD())), "leave clipping out"),
        (AuditSpec(defenses=(UserLevelDP(), Clipping())), "leave clipping out"),
        (AuditSpec(defenses=(DPSGD(),), model=ConvNet()), "normalization to group"),
        (AuditSpec(defenses=(UserLevelDP(),), model=ConvNet(mode="eval")), "normalization to group"),
        (AuditSpec(defenses=(DPSGD(),), client=FedAvg()), "user-level-dp"),
        (AuditSpec(defenses=(DPSGD(),), client=Vertical()), "fedsgd"),
        (AuditSpec(defenses=(DPSGD(steps=2),), rounds=3), "raise its steps"),
        (AuditSpec(defenses=(MixUp(k=2), DPSGD()), batch_size=4), "epsilon would not hold"),
        (AuditSpec(defenses=(DPSGD(), Soteria())), "soteria has to act before dp-sgd"),
    ],
    ids=lambda value: value if isinstance(value, str) else "+".join(d.name for d in value.defenses),
)
def test_what_would_not_be_what_it_says_is_refused_with_what_to_change(home: Path, spec: AuditSpec, words: str):
    found = [objection for objection in spec.objections(home) if objection.field == "defenses"]
    [objection] = found
    assert words in objection.reason
    assert objection.reason.endswith(".")


def test_the_network_with_group_norm_is_offered(home: Path):
    spec = AuditSpec(defenses=(DPSGD(),), model=ConvNet())
    [remedy] = [found for objection in spec.objections(home) for found in remedies(spec, objection, home)]
    assert remedy.words == "Set the normalization to group"
    assert remedy.spec.model.normalization == "group"
