"""GIAS: a generator's codes, then its weights, where the answer is known."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError
from victims import generator, observation, private_batch, small_network, untrained_prior

from gia_core.attacks import GIAS
from gia_core.attacks.generative.drawings import by_codes, by_own_weights
from gia_core.audit import audit
from gia_core.baselines import closest
from gia_core.datasets import Digits, Faces
from gia_core.metrics import psnr
from gia_core.spec import AuditSpec, Knowledge
from gia_core.types import Batch, Observation, Round

LABELS = torch.tensor([0, 2])


def drawn_batch(prior, *, labels=LABELS, seed: int = 3) -> Batch:
    """Images that the prior can draw."""
    codes = torch.randn(len(labels), *prior.latent_shape, generator=generator(seed))
    return Batch(prior(codes, labels), labels)


def seen_by(prior, batch: Batch, **known) -> Observation:
    return replace(observation(small_network(), batch, labels=True, **known), prior=lambda name: prior)


def last(attack: GIAS, seen: Observation, seed: int = 0):
    *_, step = attack.run(seen, generator(seed))
    return step


@pytest.mark.parametrize("draw", [by_codes, by_own_weights])
@pytest.mark.parametrize("classes", [0, 4])
def test_what_is_searched_begins_as_the_prior_draws(draw, classes: int):
    prior = untrained_prior(num_classes=classes)
    codes = torch.randn(2, 16, generator=generator())
    drawing = draw(prior, codes, LABELS if classes else None)
    assert torch.allclose(drawing.images(), prior(codes, LABELS if classes else None), atol=1e-6)
    slopes = torch.autograd.grad(drawing.images().square().sum(), drawing.unknowns, allow_unused=True)
    assert any(slope is not None and slope.abs().max() > 0 for slope in slopes)


def test_every_image_has_weights_of_its_own():
    drawing = by_own_weights(untrained_prior(), torch.randn(3, 16, generator=generator()), None)
    slopes = torch.autograd.grad(drawing.images()[1].sum(), drawing.unknowns)
    assert all(slope[0].abs().max() == 0 and slope[2].abs().max() == 0 for slope in slopes)
    assert max(slope[1].abs().max() for slope in slopes) > 0


def test_the_code_of_a_drawn_image_is_found():
    prior = untrained_prior()
    batch = drawn_batch(prior)
    attack = GIAS(latent_iterations=150, weight_iterations=0, latent_lr=0.1, tv_weight=0, code_weight=0)
    step = last(attack, seen_by(prior, batch))
    assert step.best["matching"] < 1e-3
    assert psnr(step.images, batch.images).mean() > 35


def test_the_weights_reach_what_the_codes_cannot():
    prior, batch = untrained_prior(), private_batch(2)
    seen = seen_by(prior, batch)
    codes = last(GIAS(latent_iterations=40, weight_iterations=0, tv_weight=0), seen)
    both = last(GIAS(latent_iterations=40, weight_iterations=60, weight_lr=0.03, tv_weight=0), seen)
    assert psnr(both.images, batch.images).mean() > psnr(codes.images, batch.images).mean() + 3


def test_the_second_stage_begins_where_the_first_was_best():
    prior = untrained_prior()
    attack = GIAS(latent_iterations=30, weight_iterations=1, code_weight=0)
    steps = list(attack.run(seen_by(prior, drawn_batch(prior)), generator()))
    assert steps[-1].iteration == steps[-1].iterations == 31
    assert steps[-1].losses["total"] == pytest.approx(steps[-2].best["total"], rel=1e-4)


def test_the_best_of_several_starts_goes_on():
    prior = untrained_prior()
    attack = GIAS(latent_iterations=10, weight_iterations=1, restarts=3, code_weight=0)
    steps = list(attack.run(seen_by(prior, drawn_batch(prior)), generator()))
    lowest = min(step.losses["total"] for step in steps[:30])
    assert steps[-1].losses["total"] == pytest.approx(lowest, rel=1e-4)


def test_the_masked_cosine_ignores_what_pruning_left_out():
    prior = untrained_prior()
    batch, model = drawn_batch(prior), small_network()
    whole = observation(model, batch).rounds[0].update
    pruned = tuple(torch.where(u.abs() >= u.abs().quantile(0.7), u, 0) for u in whole)
    seen = replace(seen_by(prior, batch), rounds=(Round(model, pruned),))
    masked = GIAS(distance="masked-cosine").mismatch(seen, batch)
    assert masked == pytest.approx(0, abs=1e-5)
    assert GIAS(distance="cosine").mismatch(seen, batch) > 100 * abs(masked)


def test_a_prior_for_other_images_is_refused():
    prior = untrained_prior()
    seen = replace(seen_by(prior, drawn_batch(prior)), image_shape=(3, 8, 8))
    with pytest.raises(ValueError, match="another shape"):
        GIAS().run(seen, generator())


def test_an_attacker_without_priors_is_told():
    seen = replace(seen_by(None, private_batch()), prior=None)
    with pytest.raises(ValueError, match="has no priors"):
        GIAS().run(seen, generator())


def test_a_search_of_nothing_cannot_be_asked_for():
    with pytest.raises(ValidationError, match="nothing to search"):
        GIAS(latent_iterations=0, weight_iterations=0)


def test_classes_that_the_prior_does_not_know_are_not_asked_for():
    prior = untrained_prior(num_classes=7)  # the model has four
    batch = private_batch(2)
    assert len(list(GIAS(latent_iterations=1, weight_iterations=1).run(seen_by(prior, batch), generator()))) == 2


def test_the_prior_is_left_as_it_was():
    prior = untrained_prior()
    before = {name: tensor.clone() for name, tensor in prior.state_dict().items()}
    last(GIAS(latent_iterations=3, weight_iterations=3), seen_by(prior, private_batch()))
    assert all(torch.equal(before[name], tensor) for name, tensor in prior.state_dict().items())


def test_an_audit_holds_gias_against_what_its_prior_draws_blindly(home):
    spec = AuditSpec(
        dataset=Digits(), attack=GIAS(latent_iterations=2, weight_iterations=1), knowledge=Knowledge(labels=True)
    )
    started, *_, finished = audit(spec, home=home)
    blind = started.baselines["closest-sample"]["psnr"][0]
    assert blind > started.baselines["another-image"]["psnr"][0]
    assert finished.last.step.iteration == 3


def test_the_closest_sample_is_the_truth_where_the_prior_draws_it():
    truth = private_batch(2).images
    others = torch.rand(5, 1, 8, 8, generator=generator())
    assert torch.equal(closest(torch.cat([others, truth.flip(0), others]), truth), truth)


def test_a_prior_that_does_not_fit_is_an_objection(home):
    granted = Knowledge(labels=True)
    (objection,) = AuditSpec(dataset=Digits(size=16), attack=GIAS(), knowledge=granted).objections(home)
    assert objection.field == "attack.prior"
    assert "No prior on this machine has learned from digits of this size" in objection.reason
    (objection,) = AuditSpec(dataset=Digits(), attack=GIAS(prior="photos-32"), knowledge=granted).objections(home)
    assert "choose another prior" in objection.reason
    assert AuditSpec(dataset=Faces(), attack=GIAS(prior="digits-32"), knowledge=granted).objections(home) == []
