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
from gia_core.attacks.matching.distances import cosine, on_layers, squared_l2
from gia_core.attacks.matching.engine import objective
from gia_core.attacks.matching.image_priors import median_filtered, total_variation
from gia_core.attacks.matching.labels import idlg, restore_labels
from gia_core.attacks.matching.schedules import factor
from gia_core.attacks.matching.starts import dummy_images
from gia_core.clients import FedAvg, FedSGD
from gia_core.types import Batch

ADAM = Recipe(distance=cosine, optimizer=partial(torch.optim.Adam, lr=0.05), iterations=30, labels="known")
DISTANCES = pytest.mark.parametrize("distance", [squared_l2, cosine], ids=lambda d: d.__name__)


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


@DISTANCES
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


def test_total_variation_of_hand_made_images():
    """Acceptance identity 15."""
    constant = torch.full((1, 1, 4, 4), 0.3, requires_grad=True)
    total_variation(constant).backward()
    assert total_variation(constant) == 0
    assert constant.grad is not None
    assert torch.isfinite(constant.grad).all()
    stripes = torch.tensor([0.0, 1.0, 0.0, 1.0]).expand(1, 1, 4, 4)
    assert total_variation(stripes) == 1


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


def labels_of_single_images(activation, count: int, *, bias: bool):
    for seed in range(count):
        model = small_network(activation, classes=10, bias=bias, seed=seed)
        batch = private_batch(1, classes=10, seed=seed)
        weight, *rest = FedSGD()(model, batch)[2:]
        yield batch.labels.item(), weight, rest[0] if rest else None


def test_idlg_is_exact_for_one_image_with_relu_features():
    """Acceptance identity 4, by the weight gradient alone."""
    assert all(idlg(weight, None) == label for label, weight, _ in labels_of_single_images(nn.ReLU, 200, bias=False))


@pytest.mark.parametrize("bias", [True, False])
def test_idlg_is_exact_for_features_of_any_sign(bias: bool):
    assert all(idlg(weight, b) == label for label, weight, b in labels_of_single_images(nn.Tanh, 200, bias=bias))


def test_the_smallest_row_sum_alone_fails_for_features_of_any_sign():
    """Why the surer rules come first."""
    wrong = [
        weight.sum(dim=1).argmin() != label for label, weight, _ in labels_of_single_images(nn.Tanh, 200, bias=True)
    ]
    assert sum(wrong) > 20


def test_labels_are_read_off_an_update_of_several_local_steps():
    model, batch = small_network(), private_batch(1, seed=3)
    seen = observation(model, batch, rule=FedAvg(local_epochs=3, local_lr=0.01))
    assert torch.equal(restore_labels("auto", seen), batch.labels)


def test_labels_that_were_not_granted_are_refused():
    with pytest.raises(ValueError, match="not known"):
        restore_labels("known", observation(small_network(), private_batch()))
    with pytest.raises(ValueError, match="one image"):
        restore_labels("idlg", observation(small_network(), private_batch(2)))


def test_auto_takes_what_is_granted_then_what_can_be_read_then_searches():
    batch = private_batch(2)
    assert torch.equal(restore_labels("auto", observation(small_network(), batch, labels=True)), batch.labels)
    assert restore_labels("auto", observation(small_network(), batch)) is None
