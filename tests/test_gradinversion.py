"""GradInversion, and what it shares with inverting-gradients against clients that train for several epochs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from victims import batch_norm_network, generator, observation, private_batch, small_network

from gia_core.attacks import GradInversion, InvertingGradients
from gia_core.clients import FedAvg
from gia_core.metrics import psnr
from gia_core.models import LeNet, ResNet20
from gia_core.models.batch_norm import received_by_batch_norm
from gia_core.spec import AuditSpec, Knowledge
from gia_core.types import Batch, Observation

TERMS = {"matching", "total variation", "distance from gray", "batch norm", "group consistency"}


def told(batch: Batch, **more) -> Observation:
    """What the server sees of a client with BatchNorm, the statistics of its batch included."""
    model = batch_norm_network().eval()
    statistics = received_by_batch_norm(model, batch.images)
    return replace(observation(model, batch, labels=True), batch_norm=statistics, **more)


def test_every_term_is_told_raw_and_weighted():
    attack = GradInversion(iterations=8, seeds=2, group_start=0.5, group_every=1)
    steps = list(attack.run(told(private_batch(2)), generator()))
    for step in steps:
        assert set(step.losses) == {"total", *TERMS}
        assert set(step.weighted) == TERMS
        assert sum(step.weighted.values()) == pytest.approx(step.losses["total"], rel=1e-4)
        assert step.weighted["batch norm"] == pytest.approx(attack.batch_norm_weight * step.losses["batch norm"])
    assert all(step.losses["group consistency"] == 0 for step in steps[:4])
    assert all(step.losses["group consistency"] > 0 for step in steps[4:])


def test_the_private_batch_is_where_data_and_statistics_agree():
    """Acceptance identities 1 and 16: nothing is left but what smoothness and the middle of the range would prefer."""
    batch = private_batch(3)
    seen = told(batch)
    attack = GradInversion()
    at_truth = {prior.name: prior.of(candidate_of(batch, seen)).item() for prior in attack.priors(seen)}
    assert attack.mismatch(seen, batch) == pytest.approx(0, abs=1e-6)
    assert at_truth["batch norm"] == pytest.approx(0, abs=1e-5)
    assert at_truth["total variation"] > 0


def candidate_of(batch: Batch, seen: Observation):
    from gia_core.attacks.matching.candidate import Candidate

    return Candidate(batch.images, batch.labels, seen.rounds[0].model)


def test_without_the_gradient_the_answer_does_not_depend_on_it():
    """The ablation: what the prior alone gives."""
    batch = private_batch(2)
    seen = told(batch)
    silent = tuple(torch.randn(u.shape, generator=generator(9)) for u in seen.rounds[0].update)
    deaf = replace(seen, rounds=(replace(seen.rounds[0], update=silent),))
    attack = GradInversion(iterations=10, gradient_weight=0)
    one, other = ([*attack.run(which, generator())][-1] for which in (seen, deaf))
    assert torch.equal(one.images, other.images)
    assert one.losses["matching"] != other.losses["matching"]
    heard = [*GradInversion(iterations=10).run(deaf, generator())][-1]
    assert not torch.equal(heard.images, one.images)


def test_the_statistics_help():
    batch = private_batch(2)
    seen = told(batch)
    recovered = [
        psnr([*GradInversion(iterations=150, batch_norm_weight=w).run(seen, generator())][-1].images, batch.images)
        for w in (0.0, GradInversion().batch_norm_weight)
    ]
    assert recovered[1].mean() > recovered[0].mean()


@pytest.mark.parametrize("distance", ["layer-l2", "squared-l2", "cosine"])
@pytest.mark.parametrize("group", ["mean", "registered"])
def test_every_choice_finds_its_way_down(distance, group):
    attack = GradInversion(iterations=30, distance=distance, group=group, group_every=5)
    *_, last = attack.run(told(private_batch(2)), generator())
    assert last.best["matching"] < attack_at_start(attack, told(private_batch(2)))
    assert last.images.min() >= 0
    assert last.images.max() <= 1


def attack_at_start(attack: GradInversion, seen: Observation) -> float:
    return next(iter(attack.run(seen, generator()))).losses["matching"]


def test_a_model_in_training_mode_keeps_its_averages():
    """Acceptance identity 20, for a forward pass beside the client's own."""
    model, batch = batch_norm_network(), private_batch(2)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    seen = replace(observation(model, batch, labels=True), batch_norm=received_by_batch_norm(model, batch.images))
    list(GradInversion(iterations=3).run(seen, generator()))
    assert model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_what_only_the_run_can_know_is_said_in_a_sentence():
    batch = private_batch(2)
    without = observation(small_network(), batch, labels=True)
    with pytest.raises(ValueError, match="grant"):
        GradInversion().run(without, generator())
    with pytest.raises(ValueError, match="no BatchNorm layers"):
        GradInversion().run(replace(without, batch_norm=()), generator())


def test_the_spec_says_what_is_missing():
    granted = Knowledge(labels=True, batch_norm="exact")
    fine = AuditSpec(model=ResNet20(), attack=GradInversion(), knowledge=granted)
    assert fine.objections(Path("nowhere")) == []
    untold = fine.model_copy(update={"knowledge": Knowledge(labels=True)})
    assert [objection.field for objection in untold.objections(Path("nowhere"))] == ["knowledge.batch_norm"]
    other = fine.model_copy(update={"model": ResNet20(normalization="group")})
    assert [objection.field for objection in other.objections(Path("nowhere"))] == ["model.normalization"]


@pytest.mark.parametrize("known", ["exact", "guessed", "none"])
def test_local_steps_are_attacked_with_whatever_is_known_of_them(known):
    batch = private_batch(2)
    rule = FedAvg(local_epochs=2, local_batch_size=1, local_lr=0.1)
    seen = replace(observation(small_network(), batch, rule=rule, labels=True), rule=rule.believed(known))
    *_, last = InvertingGradients(iterations=150, lr=0.02).run(seen, generator())
    gray = psnr(torch.full_like(batch.images, 0.5), batch.images).mean()
    assert psnr(last.images, batch.images).mean() > gray


@pytest.mark.parametrize("kept_alike_by", ["mean", "features"])
def test_a_shuffling_client_can_be_attacked_with_images_of_its_own_for_every_epoch(kept_alike_by):
    batch = private_batch(3)
    rule = FedAvg(local_epochs=3, local_batch_size=1, local_lr=0.1, shuffle=True)
    seen = replace(observation(small_network(), batch, rule=rule, labels=True), rule=rule.believed("exact"))
    attack = InvertingGradients(iterations=200, lr=0.02, epoch_images=kept_alike_by)
    *_, last = attack.run(seen, generator())
    assert set(last.losses) == {"total", "matching", "total variation", "epoch consistency"}
    assert last.images.shape == batch.images.shape
    gray = psnr(torch.full_like(batch.images, 0.5), batch.images).mean()
    assert psnr(last.images, batch.images).mean() > gray


def test_a_second_round_of_the_same_batch_is_matched_too():
    batch = private_batch(2)
    model = small_network()
    first = observation(model, batch, labels=True)
    later = observation(first.rule.advance(model, first.rounds[0].update, 2.0), batch, labels=True)
    both = replace(first, rounds=first.rounds + later.rounds)
    attack = InvertingGradients(iterations=60)
    *_, last = attack.run(both, generator())
    apart = attack.mismatch(first, Batch(last.images, last.labels)) + attack.mismatch(
        later, Batch(last.images, last.labels)
    )
    assert last.best["matching"] == pytest.approx(apart, abs=1e-5)


def test_the_feature_match_is_one_more_term():
    batch = private_batch(1)
    seen = observation(small_network(), batch)
    *_, last = InvertingGradients(iterations=100, feature_weight=0.1).run(seen, generator())
    assert last.best["feature match"] < 0.1
    assert "feature match" not in next(iter(InvertingGradients(iterations=1).run(seen, generator()))).losses


def test_a_spec_with_epochs_of_their_own_survives_json():
    spec = AuditSpec(model=LeNet(), client=FedAvg(local_epochs=2), attack=InvertingGradients(epoch_images="features"))
    assert AuditSpec.model_validate_json(spec.model_dump_json()) == spec
