"""The engine: identities that hold for any attack built from it, and cases that can be solved by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from itertools import pairwise

import pytest
import torch
from torch import nn
from victims import batch_norm_network, generator, observation, private_batch, small_network

from gia_core.attacks.matching import Prior, Recipe, match_updates, mismatch
from gia_core.attacks.matching.candidate import Candidate, ContextPrior
from gia_core.attacks.matching.consensus import Agreement, aligned_mean, onto, shift
from gia_core.attacks.matching.context_priors import batch_norm_prior, epoch_prior, feature_prior, group_prior
from gia_core.attacks.matching.distances import (
    cosine,
    depth_weighted,
    layer_l2,
    masked_cosine,
    on_layers,
    squared_l2,
)
from gia_core.attacks.matching.image_priors import distance_from_gray, median_filtered, total_variation
from gia_core.attacks.matching.objective import objective
from gia_core.attacks.matching.schedules import factor
from gia_core.attacks.matching.starts import dummy_images
from gia_core.clients import FedAvg, FedSGD
from gia_core.models.batch_norm import received_by_batch_norm
from gia_core.types import Batch, Round

ADAM = Recipe(distance=cosine, optimizer=partial(torch.optim.Adam, lr=0.05), iterations=30, labels="known")
DISTANCES = pytest.mark.parametrize("distance", [squared_l2, cosine], ids=lambda d: d.__name__)
EVERY_DISTANCE = pytest.mark.parametrize(
    "distance", [squared_l2, layer_l2, cosine, masked_cosine], ids=lambda d: d.__name__
)


def run(recipe: Recipe, seen, *, seed: int = 0):
    return list(match_updates(seen, recipe, generator(seed)))


@DISTANCES
def test_the_true_images_are_a_minimum(distance):
    """Acceptance identity 1, in float64."""
    model, batch = small_network().double(), private_batch(3)
    images = batch.images.double().requires_grad_()
    truth = Batch(images, batch.labels)
    seen = observation(model, Batch(batch.images.double(), batch.labels))
    value = objective(seen, distance)(truth, True)
    (gradient,) = torch.autograd.grad(value, images)
    assert abs(value.item()) < 1e-10
    assert gradient.abs().max() < 1e-7 if distance is cosine else gradient.abs().max() < 1e-10


@EVERY_DISTANCE
def test_a_weak_gradient_is_as_far_from_another_as_a_strong_one(distance):
    one, other = (FedSGD()(small_network(), private_batch(2, seed=seed)) for seed in (0, 1))
    weak, weak_other = (tuple(1e-4 * u for u in update) for update in (one, other))
    assert distance(weak)(weak_other).item() == pytest.approx(distance(one)(other).item(), rel=1e-3)


def test_cosine_ignores_the_scale_and_squared_l2_does_not():
    update = FedSGD()(small_network(), private_batch(2))
    tripled = tuple(3 * u for u in update)
    assert cosine(update)(tripled).item() == pytest.approx(0, abs=1e-6)
    assert squared_l2(update)(tripled).item() == pytest.approx(4, rel=1e-5)


def test_cosine_takes_all_tensors_as_one_vector():
    assert cosine((torch.tensor([1.0]), torch.tensor([0.0])))((torch.tensor([3.0]), torch.tensor([4.0]))).item() == (
        pytest.approx(1 - 3 / 5)
    )


def test_layers_can_be_left_out():
    update, target = (torch.ones(1), torch.ones(1), torch.ones(1)), (torch.zeros(1), torch.zeros(1) + 5, torch.ones(1))
    assert on_layers(squared_l2, "all", 1)(target)(update) == pytest.approx(17 / 26)
    assert on_layers(squared_l2, "first", 2)(target)(update) == pytest.approx(17 / 25)
    assert on_layers(squared_l2, "largest", 1)(target)(update) == pytest.approx(16 / 25)


def test_the_layer_distance_sums_norms_that_are_not_squared():
    observed = (torch.tensor([3.0, 4.0]), torch.tensor([[0.0, 5.0]]))
    assert layer_l2(observed)((torch.zeros(2), torch.tensor([[5.0, 5.0]]))).item() == pytest.approx((5 + 5) / (5 + 5))
    assert layer_l2(observed)(observed).item() == 0


def test_the_masked_cosine_sees_only_what_arrived():
    pruned = (torch.tensor([1.0, 0.0]), torch.tensor([2.0, 0.0]))
    assert masked_cosine(pruned)((torch.tensor([1.0, 7.0]), torch.tensor([2.0, -9.0]))).item() == pytest.approx(0)
    assert cosine(pruned)((torch.tensor([1.0, 7.0]), torch.tensor([2.0, -9.0]))).item() > 0.5


def test_weights_fall_from_the_input_to_the_output():
    update = tuple(torch.tensor([value]) for value in (1.0, 0.0, 0.0, 1.0))
    target = tuple(torch.tensor([value]) for value in (0.0, 0.0, 0.0, 1.0))
    weights = {"equal": (1, 1), "linear": (1, 1 / 4), "exponential": (1, math.exp(-3))}
    for name, (first, last) in weights.items():
        assert depth_weighted(squared_l2, name)(target)(update).item() == pytest.approx(first / last)


def test_total_variation_of_hand_made_images():
    """Acceptance identity 15."""
    constant = torch.full((1, 1, 4, 4), 0.3, requires_grad=True)
    total_variation(constant).backward()
    assert total_variation(constant) == 0
    assert constant.grad is not None
    assert torch.isfinite(constant.grad).all()
    stripes = torch.tensor([0.0, 1.0, 0.0, 1.0]).expand(1, 1, 4, 4)
    assert total_variation(stripes) == 1


def test_gray_is_far_from_nothing_and_has_a_slope():
    gray = torch.full((1, 1, 3, 3), 0.5, requires_grad=True)
    distance_from_gray(gray).backward()
    assert distance_from_gray(gray) == 0
    assert torch.equal(gray.grad, torch.zeros_like(gray))
    assert distance_from_gray(torch.ones(2, 3, 4, 4)).item() == pytest.approx(0.5)


def test_median_filter_removes_a_speck_and_keeps_an_edge():
    image = torch.zeros(1, 1, 6, 6)
    image[..., 3:] = 1
    speck = image.clone()
    speck[0, 0, 3, 1] = 1
    assert torch.equal(median_filtered(speck), image)


def test_schedules_fall_from_one():
    assert [factor("step", done) for done in (0, 0.38, 0.63, 0.88)] == pytest.approx([1, 0.1, 0.01, 0.001])
    assert [factor("cosine", done) for done in (0, 0.5, 1)] == pytest.approx([1, 0.5, 0])
    assert factor("constant", 0.9) == 1


@pytest.mark.parametrize("start", ["normal", "centered", "uniform", "gray", "tiled"])
def test_no_two_images_of_a_batch_start_alike(start):
    images = dummy_images(start, (3, 2, 10, 10), generator())
    assert images.shape == (3, 2, 10, 10)
    assert not torch.equal(images[0], images[1])
    assert not torch.equal(images[1], images[2])


def test_a_tiled_start_repeats_its_tile():
    images = dummy_images("tiled", (1, 1, 8, 8), generator())
    assert torch.equal(images[..., :4, :4], images[..., 4:, 4:])


def test_no_candidate_leaves_the_box():
    seen = observation(small_network(), private_batch(2), labels=True)
    rough = replace(ADAM, boxed=True, optimizer=partial(torch.optim.Adam, lr=5.0), start="normal")
    trial_images = [step.images for step in run(rough, seen)]
    assert all(images.min() >= 0 and images.max() <= 1 for images in trial_images)


def test_one_local_step_is_attacked_like_a_gradient():
    """Acceptance identity 3: the same trajectory, since cosine ignores the learning rate."""
    model, batch = small_network(), private_batch(2)
    gradients = run(ADAM, observation(model, batch, labels=True))
    changes = run(ADAM, observation(model, batch, rule=FedAvg(local_lr=0.5), labels=True))
    for one, other in zip(gradients, changes, strict=True):
        assert other.losses["matching"] == pytest.approx(one.losses["matching"], abs=1e-5)
    torch.testing.assert_close(changes[-1].images, gradients[-1].images, atol=1e-3, rtol=0)


def test_the_best_only_gets_better_and_is_what_is_shown():
    model, batch = small_network(), private_batch(2)
    seen = observation(model, batch, labels=True)
    steps = run(ADAM, seen)
    totals = [step.best["total"] for step in steps]
    assert totals == sorted(totals, reverse=True)
    assert totals[-1] < totals[0]
    boxed = run(replace(ADAM, boxed=True, start="uniform"), seen)[-1]
    again = mismatch(seen, cosine, Batch(boxed.images, boxed.labels))
    assert again == pytest.approx(boxed.best["matching"], abs=1e-6)


def test_same_seed_same_steps():
    seen = observation(small_network(), private_batch(2))
    recipe = replace(ADAM, labels="joint")
    assert [s.losses for s in run(recipe, seen, seed=5)] == [s.losses for s in run(recipe, seen, seed=5)]
    assert run(recipe, seen, seed=5)[0].losses != run(recipe, seen, seed=6)[0].losses


def test_every_prior_is_reported_beside_the_total():
    priors = (Prior("brightness", 0.5, lambda images: images.mean()), Prior("nothing", 3.0, lambda x: x.new_zeros(())))
    step = run(replace(ADAM, priors=priors, iterations=1), observation(small_network(), private_batch(), labels=True))[
        0
    ]
    assert set(step.losses) == {"total", "matching", "brightness", "nothing"}
    assert step.losses["total"] == pytest.approx(step.losses["matching"] + 0.5 * step.losses["brightness"])
    assert step.weighted["brightness"] == pytest.approx(0.5 * step.losses["brightness"])
    assert sum(step.weighted.values()) == pytest.approx(step.losses["total"])
    assert set(step.weighted) == set(step.losses) - {"total"}


def test_one_at_a_time_moves_the_images_in_turn():
    seen = observation(small_network(), private_batch(3), labels=True)
    steps = run(replace(ADAM, one_at_a_time=True, iterations=4, start="uniform"), seen)
    moved = [(a.images != b.images).flatten(1).any(dim=1) for a, b in pairwise(steps)]
    for change in moved:
        assert change.sum() <= 1


class Sabotage:
    """A distance that is not a number in the trials it is told to spoil, counted by their evaluations."""

    def __init__(self, spoiled: range) -> None:
        self.calls, self.spoiled = 0, spoiled

    def __call__(self, observed):
        measure = squared_l2(observed)

        def spoiled(update):
            self.calls += 1
            return measure(update) * (math.nan if self.calls in self.spoiled else 1)

        return spoiled


def test_a_trial_that_is_not_finite_never_wins_and_is_counted():
    """Acceptance identity 18: the first trial fails at once, the second runs."""
    recipe = replace(ADAM, distance=Sabotage(range(1, 2)), trials=2, iterations=5)
    steps = run(recipe, observation(small_network(), private_batch(), labels=True))
    assert [step.dropped for step in steps] == [1] * 6
    assert steps[0].best["total"] == math.inf
    assert math.isfinite(steps[-1].best["total"])
    assert steps[-1].iteration == 10


def test_an_attack_whose_every_trial_fails_still_ends_with_pixels():
    recipe = replace(ADAM, distance=Sabotage(range(1, 99)), trials=3, iterations=5)
    last = run(recipe, observation(small_network(), private_batch(), labels=True))[-1]
    assert last.dropped == 3
    assert torch.isfinite(last.images).all()


def test_later_trials_do_not_replace_a_better_one():
    recipe = replace(ADAM, trials=3, iterations=5)
    steps = run(recipe, observation(small_network(), private_batch(), labels=True))
    best = [step.best["matching"] for step in steps]
    assert len(steps) == 15
    assert best == sorted(best, reverse=True)


def test_the_attack_ends_at_its_tolerance():
    steps = run(replace(ADAM, tolerance=2.0, trials=3), observation(small_network(), private_batch(), labels=True))
    assert len(steps) == 1


def test_a_trial_without_progress_is_given_up_after_its_patience():
    still = replace(ADAM, optimizer=partial(torch.optim.SGD, lr=0.0), patience=4, iterations=50)
    assert len(run(still, observation(small_network(), private_batch(), labels=True))) == 5


def test_a_trial_that_explodes_is_dropped():
    wild = replace(
        ADAM,
        distance=squared_l2,
        optimizer=partial(torch.optim.SGD, lr=1e4),
        patience=1,
        divergence=1.0001,
        start="gray",
    )
    assert run(wild, observation(small_network(nn.Softplus), private_batch(), labels=True))[-1].dropped == 1


@pytest.mark.parametrize("network", [small_network, batch_norm_network], ids=lambda n: n.__name__)
def test_the_attack_leaves_the_model_and_the_global_generator_alone(network):
    """Acceptance identity 20."""
    model, batch = network(), private_batch(2)
    seen = observation(model, batch)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    mode, state = model.training, torch.random.get_rng_state()
    run(replace(ADAM, labels="joint", iterations=3), seen)
    assert model.training == mode
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def candidate(images, labels, model=None, consensus=None) -> Candidate:
    return Candidate(images, labels, model or small_network(), consensus)


@pytest.mark.parametrize("mode", [True, False], ids=["training mode", "evaluation mode"])
def test_the_true_batch_has_the_statistics_that_were_received(mode):
    """Acceptance identity 16, in both modes, and without touching the model's own averages."""
    model, batch = batch_norm_network().train(mode), private_batch(3)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    prior = batch_norm_prior(1.0, received_by_batch_norm(model, batch.images))
    assert prior.of(candidate(batch.images, batch.labels, model)).item() == pytest.approx(0, abs=1e-6)
    other = private_batch(3, seed=4)
    images = other.images.requires_grad_()
    far = prior.of(candidate(images, other.labels, model))
    (slope,) = torch.autograd.grad(far, images)
    assert far.item() > 0.01
    assert slope.abs().max() > 0
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_model_without_batch_norm_is_refused():
    with pytest.raises(ValueError, match="no BatchNorm layers"):
        batch_norm_prior(1.0, ())


def test_the_features_of_single_images_are_told_exactly_by_the_gradient():
    batch = private_batch(1)
    prior = feature_prior(1.0, observation(small_network(), batch))
    assert prior.of(candidate(batch.images, batch.labels)).item() == pytest.approx(0, abs=1e-6)
    assert prior.of(candidate(private_batch(1, seed=9).images, batch.labels)).item() > 1e-3


def test_the_features_of_classes_that_repeat_are_left_out():
    batch = Batch(private_batch(2).images, torch.tensor([1, 1]))
    prior = feature_prior(1.0, observation(small_network(), batch))
    assert prior.of(candidate(private_batch(2, seed=9).images, batch.labels)).item() == 0


def test_features_cannot_be_read_without_a_bias():
    with pytest.raises(ValueError, match="classifier with a bias"):
        feature_prior(1.0, observation(small_network(bias=False), private_batch(1)))


@pytest.mark.parametrize("compared_by", ["mean", "features"])
def test_epochs_with_the_same_images_in_any_order_are_alike(compared_by):
    batch = private_batch(3)
    prior = epoch_prior(1.0, compared_by, 1, generator())
    shuffled = torch.cat([batch.images, batch.images[[2, 0, 1]]])
    assert prior.of(candidate(shuffled, batch.labels)).item() == pytest.approx(0, abs=1e-10)
    different = torch.cat([batch.images, private_batch(3, seed=1).images])
    assert prior.of(candidate(different, batch.labels)).item() > 1e-4
    assert prior.of(candidate(batch.images, batch.labels)).item() == 0


def test_the_epochs_difference_is_the_mean_over_their_pairs():
    values = torch.tensor([0.0, 0.1, 0.5])
    images = values[:, None, None, None].expand(3, 1, 8, 8)
    pairs = [(values[i] - values[j]) ** 2 for i, j in ((0, 1), (0, 2), (1, 2))]
    prior = epoch_prior(1.0, "mean", 1, generator())
    assert prior.of(candidate(images, torch.tensor([0]))).item() == pytest.approx(float(sum(pairs)) / 3)


def test_epochs_are_put_in_the_order_of_the_first_before_they_are_averaged():
    images = private_batch(4).images
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(aligned_mean(torch.stack([images, images[order], images])), images)


@pytest.mark.parametrize("move", [(0, 0), (2, -1), (-3, 3)])
def test_a_shift_is_found_and_undone(move):
    image = torch.rand(3, 16, 16, generator=generator())
    moved = torch.roll(image, move, dims=(1, 2))
    assert shift(moved, image) == (-move[0], -move[1])
    inside = slice(3, -3)
    assert torch.equal(onto(moved, image)[:, inside, inside], image[:, inside, inside])


def test_seeds_agree_on_their_mean_with_or_without_shifts():
    image = torch.rand(1, 1, 16, 16, generator=generator())
    moved = torch.stack([image, image, image, torch.roll(image, (0, 2), dims=(2, 3))])
    torch.testing.assert_close(Agreement(0, 1).consensus(moved), moved.mean(dim=0))
    registered = Agreement(0, 1, registered=True).consensus(moved)
    torch.testing.assert_close(registered[..., 3:-3, 3:-3], image[..., 3:-3, 3:-3])


def test_seeds_look_at_each_other_from_their_start_on_every_so_often():
    agreement = Agreement(starts=0.5, every=3)
    assert [i for i in range(1, 13) if agreement.due(i, 12)] == [7, 10]
    assert [i for i in range(1, 4) if Agreement(starts=0, every=1).due(i, 3)] == [1, 2, 3]


def test_the_group_pulls_only_once_there_is_one():
    images, labels = private_batch(2).images, torch.tensor([0, 1])
    assert group_prior(1.0).of(candidate(images, labels)) == 0
    assert group_prior(1.0).of(candidate(images, labels, consensus=images - 0.25)).item() == pytest.approx(0.25)


def test_seeds_that_hold_each_other_end_closer_together_and_the_best_leads():
    seen = observation(small_network(), private_batch(2), labels=True)
    apart, together = (
        replace(ADAM, seeds=3, agreement=Agreement(0.3, 1), priors=(group_prior(weight),), boxed=True, start="uniform")
        for weight in (0.0, 10.0)
    )
    distances = [run(recipe, seen)[-1].losses["group consistency"] for recipe in (apart, together)]
    assert distances[1] < distances[0] / 2
    steps = run(together, seen)
    assert len(steps) == ADAM.iterations
    assert all(b.best["matching"] <= a.best["matching"] for a, b in pairwise(steps))
    again = mismatch(seen, cosine, Batch(steps[-1].images, steps[-1].labels))
    assert again == pytest.approx(steps[-1].best["matching"], abs=1e-6)


def test_a_term_that_moves_has_no_say_in_which_images_are_best():
    """Its weight would otherwise make every image from before it set in look better."""
    calls = []

    def late(candidate):
        calls.append(None)
        return candidate.images.new_tensor(100.0 if len(calls) > 15 else 0.0)

    recipe = replace(ADAM, priors=(ContextPrior("late", 1.0, late, comparable=False),))
    last = run(recipe, observation(small_network(), private_batch(2), labels=True))[-1]
    assert last.best["late"] == 100
    assert last.best["matching"] == min(last.best["matching"], last.losses["matching"])


def test_one_lost_seed_does_not_end_the_trial():
    recipe = replace(ADAM, distance=Sabotage(range(1, 2)), seeds=3, iterations=4)
    # Every seed has a measure of its own, and shares the count: only the very first evaluation is spoiled.
    steps = run(recipe, observation(small_network(), private_batch(), labels=True))
    assert [step.dropped for step in steps] == [1] * 4
    assert math.isfinite(steps[-1].best["total"])


def test_without_gradient_weight_the_priors_decide_alone():
    prior = Prior("brightness", 1.0, lambda images: images.square().mean())
    recipe = replace(ADAM, gradient_weight=0.0, priors=(prior,), boxed=True, iterations=100, labels="joint")
    last = run(recipe, observation(small_network(), private_batch(2)))[-1]
    assert last.images.max() < 0.05
    assert last.losses["matching"] > 0
    assert last.weighted["matching"] == 0
    assert last.losses["total"] == pytest.approx(last.losses["brightness"])


def test_langevin_noise_moves_the_images_by_learning_rates():
    seen = observation(small_network(), private_batch(), labels=True)
    still = partial(torch.optim.SGD, lr=0.0)
    assert torch.equal(*(step.images for step in run(replace(ADAM, optimizer=still, noise=1.0, iterations=2), seen)))
    quiet, noisy = (run(replace(ADAM, noise=noise, iterations=2), seen)[-1].losses for noise in (0.0, 0.5))
    assert quiet["matching"] != noisy["matching"]


def test_a_round_counts_only_the_images_that_took_part():
    model, batch = small_network(), private_batch(4)
    chosen = torch.tensor([3, 1])
    part = observation(model, Batch(batch.images[chosen], batch.labels[chosen]))
    update = part.rounds[0].update
    seen = replace(observation(model, batch), rounds=(Round(model, update, chosen),))
    assert mismatch(seen, squared_l2, batch) == pytest.approx(0, abs=1e-10)
    absent = batch.images.clone()
    absent[[0, 2]] = 0.5
    assert mismatch(seen, squared_l2, Batch(absent, batch.labels)) == pytest.approx(0, abs=1e-10)


def test_several_rounds_of_one_batch_are_summed():
    model, batch = small_network(), private_batch(2)
    later = FedSGD().advance(model, FedSGD()(model, batch), 1.0)
    one, two = observation(model, batch), observation(later, batch)
    both = replace(one, rounds=one.rounds + two.rounds)
    other = private_batch(2, seed=7)
    expected = mismatch(one, squared_l2, other) + mismatch(two, squared_l2, other)
    assert mismatch(both, squared_l2, other) == pytest.approx(expected, rel=1e-5)
    assert mismatch(both, squared_l2, batch) == pytest.approx(0, abs=1e-10)


def test_equal_images_in_every_epoch_are_the_client_without_copies():
    model, batch = small_network(), private_batch(3)
    rule = FedAvg(local_epochs=2, local_batch_size=2, local_lr=0.1)
    copies = Batch(batch.images.expand(2, *batch.images.shape), batch.labels)
    for one, other in zip(rule(model, batch), rule(model, copies), strict=True):
        assert torch.equal(one, other)


def test_each_epoch_trains_on_images_of_its_own():
    model, batch = small_network(), private_batch(4)
    first, second = batch.images[:2], batch.images[2:]
    labels = batch.labels[:2]
    rule = FedAvg(local_epochs=1, local_batch_size=1, local_lr=0.1)
    halfway = rule.advance(model, rule(model, Batch(first, labels)), 1.0)
    second_half = rule(halfway, Batch(second, labels))
    whole = replace_epochs(rule, 2)(model, Batch(torch.stack([first, second]), labels))
    for total, before, change in zip(whole, rule(model, Batch(first, labels)), second_half, strict=True):
        torch.testing.assert_close(total, before + change)


def replace_epochs(rule: FedAvg, epochs: int) -> FedAvg:
    return rule.model_copy(update={"local_epochs": epochs})


def test_a_shuffling_client_is_searched_with_images_of_every_epoch():
    batch = private_batch(2)
    rule = FedAvg(local_epochs=3, local_batch_size=1, local_lr=0.1, shuffle=True)
    seen = replace(observation(small_network(), batch, rule=rule, labels=True), rule=rule.believed("exact"))
    recipe = replace(ADAM, epoch_copies=True, priors=(epoch_prior(1.0, "mean", 1, generator()),), boxed=True)
    steps = run(recipe, seen)
    assert steps[-1].images.shape == batch.images.shape
    assert steps[-1].best["matching"] < steps[0].best["matching"] / 2


@pytest.mark.parametrize("rule", [FedSGD(), FedAvg(local_epochs=1)], ids=lambda rule: rule.name)
def test_images_for_every_epoch_need_epochs(rule):
    seen = observation(small_network(), private_batch(), rule=rule, labels=True)
    with pytest.raises(ValueError, match="several local epochs"):
        run(replace(ADAM, epoch_copies=True), seen)
