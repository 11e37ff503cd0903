"""Images read off the gradient of a fully connected first layer."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn
from victims import batch_norm_network, generator, observation, private_batch, small_network

from gia_core.attacks import LinearLeak
from gia_core.attacks.analytic.first_layer import rows
from gia_core.attacks.analytic.isolation import isolated
from gia_core.clients import FedAvg, FedSGD
from gia_core.metrics import pairing, psnr
from gia_core.models import MLP
from gia_core.spec import AuditSpec
from gia_core.types import UNKNOWN, Batch, Data, LabeledImages, Observation, Round, Step


def leak(seen: Observation) -> Step:
    (step,) = LinearLeak().run(seen, generator())
    return step


def normalizing_network(*, classes: int = 4) -> nn.Module:
    """The catalog's model, which normalizes the 1 × 8 × 8 pixels that it receives."""
    none = LabeledImages(torch.zeros(0, dtype=torch.int64).numpy(), lambda index: torch.zeros(8, 8, 1).numpy())
    data = Data((1, 8, 8), tuple("abcd"[:classes]), none, none, mean=(0.3,), std=(0.2,))
    return MLP(width=32).build(data, generator())


def with_layer(weight: torch.Tensor, bias: torch.Tensor) -> nn.Module:
    """A ReLU network whose first layer is given, on 1 × 2 × 2 images."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, len(bias)), nn.ReLU(), nn.Linear(len(bias), 3))
    for parameter in model.parameters():
        nn.init.uniform_(parameter, -0.5, 0.5, generator=generator(3))
    with torch.no_grad():
        model[1].weight.copy_(weight)
        model[1].bias.copy_(bias)
    return model


def seen_of(model: nn.Module, batch: Batch) -> Observation:
    seen = observation(model, batch, classes=3)
    return replace(seen, image_shape=(1, 2, 2))


@pytest.mark.parametrize("network", [small_network, normalizing_network], ids=lambda n: n.__name__)
@pytest.mark.parametrize("seed", range(3))
def test_one_image_comes_out_exactly(network, seed: int):
    """Acceptance identity 6."""
    batch = private_batch(seed=seed)
    step = leak(observation(network(), batch))
    assert (step.images - batch.images).abs().max() < 1e-5
    assert torch.equal(step.labels, batch.labels)


@pytest.mark.parametrize("factor", [1e-6, 0.3, 40.0])
def test_scaling_the_gradient_as_clipping_does_protects_nothing(factor: float):
    """The other half of acceptance identity 6."""
    model, batch = normalizing_network(), private_batch()
    clipped = tuple(factor * g for g in FedSGD()(model, batch))
    step = leak(observation(model, batch, update=clipped))
    assert (step.images - batch.images).abs().max() < 1e-5


def test_local_steps_protect_nothing():
    batch = private_batch()
    rule = FedAvg(local_epochs=6, local_lr=0.1)
    assert psnr(leak(observation(normalizing_network(), batch, rule=rule)).images, batch.images) > 90


def test_pruning_takes_only_the_pixels_of_which_no_row_is_left():
    model, batch = small_network(), private_batch()
    weight, bias, *rest = FedSGD()(model, batch)
    pruned = weight.clone()
    pruned[: len(weight) // 2] = 0
    pruned[:, 5] = 0
    step = leak(observation(model, batch, update=(pruned, bias, *rest)))
    error = (step.images - batch.images).flatten().abs()
    assert error[5] == batch.images.flatten()[5]
    error[5] = 0
    assert error.max() < 1e-5


def test_rows_that_are_not_numbers_are_left_out():
    model, batch = small_network(), private_batch()
    weight, bias, *rest = (g.clone() for g in FedSGD()(model, batch))
    weight[3, 7], bias[4] = torch.nan, torch.inf
    step = leak(observation(model, batch, update=(weight, bias, *rest)))
    assert (step.images - batch.images).abs().max() < 1e-5


def test_without_a_bias_the_direction_is_found_and_the_range_filled():
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 16, bias=False), nn.Sigmoid(), nn.Linear(16, 4))
    for parameter in model.parameters():
        nn.init.uniform_(parameter, -0.5, 0.5, generator=generator())
    batch = private_batch()
    step = leak(observation(model, batch))
    assert torch.allclose(step.images, batch.images / batch.images.max(), atol=1e-4)
    assert "no bias" in step.tables[0].note


@pytest.mark.parametrize("size", [1, 3])
def test_a_silent_gradient_leaves_gray_images(size: int):
    model = small_network()
    nothing = tuple(torch.zeros_like(p) for p in model.parameters())
    step = leak(observation(model, private_batch(size), update=nothing))
    assert (step.images == 0.5).all()
    assert step.tables[0].rows is not None


def test_neurons_that_see_one_image_give_it_away_and_agreement_confirms_it():
    images = torch.tensor([[0.9, 0.1, 0.2, 0.3], [0.1, 0.8, 0.4, 0.0], [0.2, 0.3, 0.1, 0.7]]).reshape(3, 1, 2, 2)
    # Two neurons for the first image, one for the second, two for the third, and one for all.
    pick = [[2.0, -1, -1, -1], [1.5, -1, -1, -0.5], [-1, 1, 0, 0], [-1, -1, 0, 2], [-0.5, -1, -1, 2], [1, 1, 1, 1]]
    model = with_layer(torch.tensor(pick), torch.tensor([-0.2, -0.2, -0.3, -0.2, -0.2, 0.0]))
    active = model[:2](images) > 0
    assert active.sum(0).tolist() == [1, 1, 1, 1, 1, 3]

    step = leak(seen_of(model, Batch(images, torch.tensor([0, 1, 2]))))
    order = pairing(step.images, images)
    assert torch.allclose(step.images[order], images, atol=1e-5)
    assert [step.tables[0].rows[i][1] for i in order] == [2, 1, 2]
    assert step.labels[order].tolist() == [0, 1, 2]


def test_a_scaled_gradient_leaves_agreement_as_the_only_confirmation():
    images = torch.tensor([[0.9, 0.1, 0.2, 0.3], [0.1, 0.8, 0.4, 0.0]]).reshape(2, 1, 2, 2)
    pick = torch.tensor([[2.0, -1, -1, -1], [1.5, -1, -1, -0.5], [1.0, -1, -0.5, -0.5], [-1, 1, 0, 0]])
    model = with_layer(pick, torch.full((4,), -0.2))
    batch = Batch(images, torch.tensor([0, 1]))
    clipped = tuple(0.3 * g for g in FedSGD()(model, batch))
    step = leak(replace(observation(model, batch, update=clipped, classes=3), image_shape=(1, 2, 2)))
    assert torch.allclose(step.images, images, atol=1e-5)  # the surest first
    assert [row[1:] for row in step.tables[0].rows] == [
        (3, "confirmed: rows agree"),
        (1, "open: this image or a mixture"),
    ]
    assert (step.labels == UNKNOWN).all()


@pytest.mark.parametrize("seed", range(6))
def test_a_mixture_is_never_called_confirmed(seed: int):
    """All neurons see both images, in shares that differ little where the labels are equal."""
    batch = Batch(private_batch(2, seed=seed).images, torch.tensor([1, 1]))
    model = small_network()
    seen = observation(model, batch)
    found = isolated(rows(seen, model, seen.rounds[0].update), 2)
    assert len(found) > 0
    assert not any(candidate.confirmed for candidate in found)


def test_silent_rows_hold_no_image():
    model = small_network()
    nothing = tuple(torch.zeros_like(p) for p in model.parameters())
    assert isolated(rows(observation(model, private_batch(4)), model, nothing), 4) == []


def test_another_round_is_another_set_of_neurons():
    """Each round has one neuron, which fires for one image."""
    images = torch.eye(4).reshape(4, 1, 2, 2)
    batch = Batch(images, torch.tensor([0, 1, 2, 0]))
    models = [with_layer(images[i].reshape(1, 4), torch.tensor([-0.5])) for i in (2, 0)]
    rounds = tuple(Round(model, FedSGD()(model, batch)) for model in models)
    step = leak(replace(seen_of(models[0], batch), rounds=rounds))
    best = psnr(step.images[pairing(step.images, images)], images)
    assert (best > 60).tolist() == [True, False, True, False]


def test_a_convolution_in_front_is_refused_with_advice():
    model = batch_norm_network().eval()
    with pytest.raises(ValueError, match="choose the model mlp"):
        leak(observation(model, private_batch()))


def test_the_form_offers_it_for_fully_connected_models_only(home):
    refused = AuditSpec(attack=LinearLeak()).objections(home)
    assert [objection.field for objection in refused] == ["model"]
    assert AuditSpec(attack=LinearLeak(), model=MLP()).objections(home) == []
