from __future__ import annotations

import pytest
import torch
from victims import batch_norm_network, private_batch, small_network

from gia_core.clients import FedAvg, FedSGD
from gia_core.types import Batch


def test_a_gradient_is_the_mean_of_the_gradients_of_its_images():
    model, batch = small_network(), private_batch(5)
    singles = [FedSGD()(model, Batch(batch.images[i : i + 1], batch.labels[i : i + 1])) for i in range(5)]
    for whole, *parts in zip(FedSGD()(model, batch), *singles, strict=True):
        torch.testing.assert_close(whole, torch.stack(parts).mean(dim=0))


def test_the_order_of_the_batch_does_not_show():
    model, batch = small_network(), private_batch(5)
    order = [3, 0, 4, 1, 2]
    shuffled = FedSGD()(model, Batch(batch.images[order], batch.labels[order]))
    for one, other in zip(FedSGD()(model, batch), shuffled, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("lr", [1e-1, 1e-3, 1e-6])
def test_one_local_step_is_a_gradient_times_minus_the_learning_rate(lr: float):
    model, batch = small_network(), private_batch(3)
    gradient = FedSGD()(model, batch)
    rule = FedAvg(local_lr=lr)
    for change, g in zip(rule(model, batch), gradient, strict=True):
        torch.testing.assert_close(change, -lr * g)
    for read, g in zip(rule.mean_gradient(rule(model, batch), 3), gradient, strict=True):
        torch.testing.assert_close(read, g)


def test_local_training_is_plain_sgd_on_consecutive_batches():
    """Against torch's own optimizer."""
    batch = private_batch(5)
    ours = FedAvg(local_epochs=2, local_batch_size=2, local_lr=0.1)(small_network(), batch)
    model = small_network()
    before = [p.detach().clone() for p in model.parameters()]
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        for part in (slice(0, 2), slice(2, 4), slice(4, 5)):
            sgd.zero_grad()
            torch.nn.functional.cross_entropy(model(batch.images[part]), batch.labels[part]).backward()
            sgd.step()
    for change, after, start in zip(ours, model.parameters(), before, strict=True):
        torch.testing.assert_close(change, (after - start).detach(), rtol=1e-3, atol=1e-6)


def test_mean_gradient_counts_the_local_steps():
    assert FedAvg(local_epochs=3, local_batch_size=2, local_lr=0.5).mean_gradient((torch.tensor(9 * 0.5),), 5)[0] == -1


@pytest.mark.parametrize("rule", [FedSGD(), FedAvg(local_epochs=2, local_batch_size=1)], ids=lambda rule: rule.name)
def test_the_update_can_be_differentiated_with_respect_to_the_images(rule):
    batch = private_batch(2)
    images = batch.images.clone().requires_grad_()
    update = rule(small_network(), Batch(images, batch.labels), differentiable=True)
    (gradient,) = torch.autograd.grad(sum(u.square().sum() for u in update), images)
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize("rule", [FedSGD(), FedAvg(local_epochs=2)], ids=lambda rule: rule.name)
def test_batch_statistics_of_the_model_stay_as_they_were(rule):
    model = batch_norm_network()
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    rule(model, private_batch(4))
    for name, buffer in model.named_buffers():
        assert torch.equal(buffer, before[name]), name


def test_who_knows_nothing_of_the_local_training_assumes_one_step():
    rule = FedAvg(local_epochs=5, local_batch_size=1, local_lr=0.1)
    model, batch = small_network(), private_batch(3)
    for guess, g in zip(rule.believed("none")(model, batch), FedSGD()(model, batch), strict=True):
        torch.testing.assert_close(guess, -0.1 * g)


def test_a_shuffling_client_takes_every_image_once_an_epoch_in_orders_of_its_own():
    rule = FedAvg(local_epochs=3, local_batch_size=2, shuffle=True)
    parts = rule.parts(5)
    epochs = [torch.cat(parts[first : first + 3]).tolist() for first in range(0, 9, 3)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(5))] * 3
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_what_an_attacker_believes_of_the_local_training():
    rule = FedAvg(local_epochs=3, local_batch_size=2, local_lr=0.1, shuffle=True)
    assert rule.believed("exact") == FedAvg(local_epochs=3, local_batch_size=2, local_lr=0.1)
    assert rule.believed("guessed") == FedAvg(local_epochs=2, local_batch_size=8, local_lr=1e-3)
    assert FedSGD().believed("none") == FedSGD()
