"""The contract that every attack in the catalog keeps."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest
import torch
from victims import (
    bare_transformer,
    batch_norm_network,
    generator,
    observation,
    private_batch,
    rehearsal,
    single_updates,
    small_network,
    smooth_prior,
    split_network,
    untrained_prior,
)

from gia_core.attacks import (
    APRIL,
    CAFE,
    DLG,
    GGL,
    GIAS,
    GIML,
    IDLG,
    RGAP,
    Attack,
    CINet,
    CocktailParty,
    DeepImagePrior,
    Fishing,
    GradInversion,
    InvertingGradients,
    LabelCounts,
    LearningToInvert,
    LinearLeak,
    RobbingTheFed,
    TrapWeights,
)
from gia_core.clients import FedAvg
from gia_core.component import Condition
from gia_core.metrics import psnr
from gia_core.models.batch_norm import received_by_batch_norm
from gia_core.spec import AuditSpec, Knowledge, kinds
from gia_core.types import UNKNOWN, Observation

QUICK = [
    DLG(iterations=60),
    IDLG(iterations=60),
    InvertingGradients(iterations=300, lr=0.02),
    GradInversion(iterations=200, tv_weight=0.05),
    RGAP(),
    APRIL(),
    CAFE(iterations=100),
    CINet(iterations=150, lr=3e-3),
    DeepImagePrior(iterations=100, lr=1e-2, width=8),
    LearningToInvert(examples=150),
    GIAS(latent_iterations=20, weight_iterations=200, weight_lr=0.01),
    GIML(rounds=1, together=2, latent_iterations=20, weight_iterations=20, final_iterations=200, width=8, latent=16),
    GGL(iterations=60, population=20, code_weight=0),
    CocktailParty(iterations=30, inversion_iterations=30),
    Fishing(then=InvertingGradients(iterations=200)),
    LinearLeak(),
    RobbingTheFed(bins=16, mode=5),
    TrapWeights(),
    LabelCounts(),
]
"""Every attack in the catalog, small enough for a test."""

each_attack = pytest.mark.parametrize("attack", QUICK, ids=lambda attack: attack.name)


def victim(attack) -> torch.nn.Module:
    """A network that the attack can be used on."""
    if "quadrants" in attack.needs.models:
        return split_network()
    if "vit" in attack.needs.models:
        return bare_transformer()
    if any(isinstance(need, Condition) and need.among == ("relu",) for need in attack.needs.conditions):
        return small_network(torch.nn.ReLU)
    return batch_norm_network().eval() if "batch_norm" in attack.needs.knowledge else small_network()


def granted(attack, model, batch, **known) -> Observation:
    """An observation with what the attack cannot do without."""
    seen = observation(model, batch, **known)
    if "batch_norm" in attack.needs.knowledge:
        seen = replace(seen, batch_norm=received_by_batch_norm(model, batch.images))
    if "malicious_server" in attack.needs.knowledge:
        seen = replace(seen, query=lambda tampered: seen.rule(tampered, batch))
    if hasattr(attack, "prior"):  # codes alone reach only what the prior has learned
        prior = smooth_prior() if attack.name == "ggl" else untrained_prior()
        seen = replace(seen, prior=lambda name: prior)
    if "single_updates" in attack.needs.knowledge:
        seen = replace(seen, others=lambda clients: single_updates(model, private_batch(len(clients), seed=11)))
    if "public_data" in attack.needs.knowledge:
        public = private_batch(200, seed=11)
        seen = replace(seen, public=public.images, rehearsal=rehearsal(model, public, seen.rule))
    return seen


def test_no_attack_is_left_untested():
    assert {type(attack) for attack in QUICK} == set(kinds(Attack).values())


@each_attack
def test_beats_a_gray_image_on_an_undefended_client(attack):
    batch = private_batch()
    *_, last = attack.run(granted(attack, victim(attack), batch), generator())
    gray = psnr(torch.full_like(batch.images, 0.5), batch.images).item()
    assert psnr(last.images, batch.images).item() > gray + 6 or not attack.finds_images
    told = last.labels != UNKNOWN
    assert torch.equal(last.labels[told], batch.labels[told])
    assert told.all() or "labels" not in type(attack).model_fields


@each_attack
def test_same_seed_same_answer(attack):
    seen = granted(attack, victim(attack), private_batch())
    first = [next(iter(attack.run(seen, generator(7)))) for _ in range(2)]
    assert torch.equal(first[0].images, first[1].images)
    assert first[0].losses == first[1].losses


@each_attack
def test_any_step_is_a_valid_place_to_stop(attack):
    batch = private_batch()
    seen = granted(attack, victim(attack), batch)
    steps = [step for step, _ in zip(attack.run(seen, generator()), range(6), strict=False)]
    totals = [step.best["total"] for step in steps if step.losses]
    assert totals == sorted(totals, reverse=True)
    assert [step.iteration for step in steps] == list(range(1, len(steps) + 1))
    for step in steps:
        assert step.images.shape == batch.images.shape
        assert step.images.min() >= 0
        assert step.images.max() <= 1
        assert step.labels.shape == batch.labels.shape


@each_attack
def test_the_true_batch_has_no_mismatch(attack):
    batch = private_batch()
    seen = granted(attack, victim(attack), batch)
    if attack.mismatch(seen, batch) is None:
        assert "matching" not in next(iter(attack.run(seen, generator()))).losses  # it compares no updates
        return
    assert attack.mismatch(seen, batch) == pytest.approx(0, abs=1e-6)
    assert attack.mismatch(seen, private_batch(seed=5)) > 1e-3


@each_attack
@pytest.mark.parametrize("mode", ["its own", "with batch norm"])
def test_the_model_stays_as_it_was(attack, mode):
    """Acceptance identity 20."""
    if mode == "with batch norm" and attack.needs.models:
        pytest.skip("the attack refuses this network")
    model = victim(attack) if mode == "its own" else batch_norm_network()
    batch = private_batch(attack.needs.batch_size or 2)
    seen = granted(attack, model, batch, labels=True)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    modes, state = [module.training for module in model.modules()], torch.get_rng_state()
    next(iter(attack.run(seen, generator())))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), state)


@each_attack
def test_a_zero_gradient_ends_without_an_error(attack):
    model = victim(attack)
    nothing = tuple(torch.zeros_like(p) for p in model.parameters())
    *_, last = attack.run(granted(attack, model, private_batch(), update=nothing), generator())
    assert torch.isfinite(last.images).all()


@each_attack
def test_survives_json(attack):
    spec = AuditSpec(attack=attack)
    assert AuditSpec.model_validate_json(spec.model_dump_json()) == spec


def test_an_observation_has_no_field_for_the_truth():
    assert set(Observation.__dataclass_fields__) == {
        "rounds", "rule", "image_shape", "batch_size", "num_classes", "labels",
        "batch_norm", "public", "rehearsal", "query", "prior", "others", "keep", "encoded_labels", "natural",
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_dlg_recovers_the_image_and_reads_its_label_last(seed: int):
    """Acceptance identity 17, on the network and the pictures of the tests."""
    batch = private_batch(seed=seed)
    *_, last = DLG().run(observation(small_network(seed=seed), batch), generator(seed))
    assert last.best["matching"] < 1e-8
    assert psnr(last.images, batch.images).item() > 40
    assert torch.equal(last.labels, batch.labels)


def test_dlg_separates_the_images_of_a_batch_one_at_a_time():
    batch = private_batch(2)
    seen = observation(small_network(), batch, labels=True)
    *_, last = DLG(labels="known", one_at_a_time=True, iterations=100, restarts=1).run(seen, generator())
    assert last.best["matching"] < last.losses["matching"] * 1.5
    assert not torch.equal(last.images[0], last.images[1])


def test_inverting_gradients_differentiates_through_local_steps():
    batch = private_batch(2)
    rule = FedAvg(local_epochs=2, local_batch_size=1, local_lr=0.1)
    attack = InvertingGradients(iterations=400, lr=0.02)
    known = observation(small_network(), batch, rule=rule, labels=True)
    *_, last = attack.run(known, generator())
    assert last.best["matching"] < 0.05
    gray = psnr(torch.full_like(batch.images, 0.5), batch.images).mean()
    assert psnr(last.images, batch.images).mean() > gray + 3


def test_soft_labels_are_searched_where_nothing_tells_them():
    batch = private_batch(2, seed=3)
    attack = InvertingGradients(iterations=200, lr=0.05, labels="joint", sign="none")
    *_, last = attack.run(observation(small_network(), batch), generator())
    assert last.losses["matching"] < 0.5


def test_every_label_choice_of_an_attack_is_one_the_engine_knows():
    from gia_core.attacks.labels import LabelStrategy

    choices = [kind.model_fields["labels"] for kind in kinds(Attack).values() if "labels" in kind.model_fields]
    assert choices
    for choice in choices:
        assert set(get_args(choice.annotation)) <= set(get_args(LabelStrategy))


def test_granted_labels_are_used_as_they_are():
    batch = private_batch(3, seed=2)
    seen = observation(small_network(), batch, labels=True)
    step = next(iter(InvertingGradients(iterations=1).run(seen, generator())))
    assert torch.equal(step.labels, batch.labels)
    assert Knowledge().labels is False
