"""Soteria and PRECODE: what they hide of the features before the classifier, and what they leave."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from victims import bare_transformer, batch_norm_network, generator, private_batch, small_network, split_network

from gia_core.attacks import DLG, InvertingGradients, LinearLeak
from gia_core.audit import Finished, Started, audit
from gia_core.clients import FedAvg, FedSGD
from gia_core.datasets import Digits
from gia_core.defenses import comparison, defend, remodeled, simulated
from gia_core.defenses.bottleneck import Bottleneck, behind_the_bottleneck, divergence, reseeded
from gia_core.defenses.dp_sgd import DPSGD
from gia_core.defenses.precode import Precode
from gia_core.defenses.representation import features, input_shifts
from gia_core.defenses.soteria import Soteria, weight_position
from gia_core.models import MLP, classifier
from gia_core.spec import AuditSpec, Knowledge
from gia_core.types import Batch
from ui.preflight import network_changes


def scores(home: Path, *, granted: bool = False, **choices) -> tuple[Started, list[float]]:
    """One audit of a small network; the PSNR of every image."""
    knowledge = Knowledge(labels=True, defense=granted)
    given = {"dataset": Digits(size=8), "model": MLP(activation="sigmoid", width=64), "knowledge": knowledge}
    started, *_, finished = audit(AuditSpec(**given | choices), home=home)
    assert isinstance(started, Started)
    assert isinstance(finished, Finished)
    return started, finished.last.scores["psnr"]


def linear_features(weight: torch.Tensor) -> nn.Module:
    """Features that are ``weight`` (F, 64) times the pixels, and a classifier."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, len(weight), bias=False), nn.Linear(len(weight), 3))
    with torch.no_grad():
        model[1].weight.copy_(weight)
    return model.eval()


# Soteria.


def test_how_far_hidden_features_move_an_image_by_hand():
    """Of features that are linear, the slope is a row of the weight."""
    weight = torch.randn(5, 64, generator=generator())
    batch = private_batch(3)
    values = batch.images.flatten(1) @ weight.T
    wanted = (weight.norm(dim=1) / (values.abs() + 0.1)).sum(dim=0)
    assert torch.allclose(input_shifts(linear_features(weight), batch.images), wanted, rtol=1e-4)


def test_many_features_are_computed_in_parts():
    weight = torch.randn(70, 64, generator=generator())
    images = private_batch(2).images
    whole = input_shifts(linear_features(weight), images)
    parts = torch.cat([input_shifts(linear_features(part), images) for part in weight.split(10)])
    assert torch.allclose(whole, parts, rtol=1e-4)


def test_the_shifts_are_those_of_one_feature_and_one_image_at_a_time():
    model = nn.Sequential(nn.Conv2d(1, 3, 3, stride=2), nn.Tanh(), nn.Flatten(), nn.Linear(27, 4)).eval()
    images = private_batch(5).images.requires_grad_()
    found = features(model, images)
    wanted = torch.zeros(27)
    for feature in range(27):
        for image in range(5):
            (slope,) = torch.autograd.grad(found[image, feature], images, retain_graph=True)
            wanted[feature] += slope[image].norm() / (found[image, feature].detach().abs() + 0.1)
    assert torch.allclose(input_shifts(model, images), wanted, rtol=1e-4)


def test_the_smallest_ratios_are_hidden():
    weight = torch.eye(64)[:4] * torch.tensor([1.0, 4.0, 2.0, 3.0])[:, None]
    images = torch.zeros(1, 1, 8, 8)  # then a feature's ratio is the size of its row, ten times
    assert Soteria(ratio=0.5).mask(linear_features(weight), images).tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize("ratio", [0.0, 0.1, 0.5, 0.9])
def test_as_many_columns_are_empty_as_the_ratio_says_and_nothing_else_is_touched(ratio):
    model, batch = small_network(), private_batch(3)
    plain, hidden = FedSGD()(model, batch), defend(FedSGD(), (Soteria(ratio=ratio),), generator())(model, batch)
    place = weight_position(model)
    empty = (hidden[place] == 0).all(dim=0)
    assert abs(int(empty.sum()) - ratio * 32) <= 1
    assert torch.equal(hidden[place][:, ~empty], plain[place][:, ~empty])
    others = [i for i in range(len(plain)) if i != place]
    assert all(torch.equal(hidden[i], plain[i]) for i in others)


def test_the_mask_leaves_a_model_in_training_mode_alone():
    model, batch = batch_norm_network(), private_batch(3)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert Soteria(ratio=0.5).mask(model, batch.images).sum() == 128
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert features(model, batch.images).shape == (3, 256)


def test_who_knows_of_soteria_compares_all_but_the_empty_columns():
    model, batch = small_network(), private_batch(3)
    plain, hidden = FedSGD()(model, batch), defend(FedSGD(), (Soteria(ratio=0.7),), generator())(model, batch)
    compared = comparison((Soteria(ratio=0.7),), model, hidden)
    assert all(torch.equal(a, b) for a, b in zip(compared(plain), compared(hidden), strict=True))
    assert all(torch.equal(a, b) for a, b in zip(compared(hidden), hidden, strict=True))


def test_soteria_hides_the_columns_of_several_local_steps_too():
    model, batch = small_network(), private_batch(4)
    client = FedAvg(local_epochs=2, local_batch_size=2)
    hidden = defend(client, (Soteria(ratio=0.5),), generator())(model, batch)
    assert int((hidden[weight_position(model)] == 0).all(dim=0).sum()) == 16


@pytest.mark.parametrize("attack", [DLG(iterations=100, restarts=1), InvertingGradients(iterations=300)])
def test_soteria_falls_to_the_attacker_who_leaves_the_columns_out(home: Path, attack):
    _, without = scores(home, attack=attack)
    _, naive = scores(home, attack=attack, defenses=(Soteria(ratio=0.7),))
    known, adaptive = scores(home, attack=attack, defenses=(Soteria(ratio=0.7),), granted=True)
    assert known.capture.distance < 1e-4
    assert max(naive) < 12
    assert min(adaptive) > min(min(without), 40) - 3


def test_soteria_does_not_touch_what_the_first_layer_gives_away(home: Path):
    _, found = scores(home, attack=LinearLeak(), defenses=(Soteria(ratio=0.9),))
    assert min(found) > 50


# PRECODE.


def precoded(model: nn.Module, **choices) -> nn.Module:
    return remodeled((Precode(**{"size": 8} | choices),), model, generator(5))


@pytest.mark.parametrize(
    "network",
    [small_network, batch_norm_network, bare_transformer, split_network, lambda: nn.Linear(64, 4)],
    ids=["mlp", "batch norm", "transformer", "split", "classifier alone"],
)
def test_the_bottleneck_stands_before_the_classifier_of_any_network(network):
    model = network()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    changed = precoded(model)
    assert {name: tensor.shape for name, tensor in model.state_dict().items()}.keys() == before.keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    images = private_batch(2).images
    assert changed(images if len(before) > 2 else images.flatten(1)).shape == (2, 4)
    assert torch.equal(classifier(changed).weight, classifier(model).weight)
    assert changed.training == model.training
    ignored = behind_the_bottleneck(changed)
    assert sum(ignored) == 6
    assert len(ignored) == len(list(model.parameters())) + 4


def test_without_precode_the_network_is_the_same_object():
    model = small_network()
    assert remodeled((Soteria(),), model, generator()) is model


def test_the_same_seed_gives_the_same_bottleneck_and_torch_keeps_its_own_random_numbers():
    model = small_network()
    state = torch.random.get_rng_state()
    one, other = precoded(model), precoded(model)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_updates_of_one_batch_differ_by_their_noise_alone():
    model, batch = precoded(small_network()), private_batch(2)
    client = defend(FedSGD(), (Precode(),), generator(1))
    first, second = client(model, batch), client(model, batch)
    assert not any(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    again = defend(FedSGD(), (Precode(),), generator(1))(model, batch)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def test_a_forward_pass_changes_nothing_and_the_client_keeps_its_noise_to_itself():
    model, batch = precoded(small_network()), private_batch(2)
    before = model(batch.images)
    defend(FedSGD(), (Precode(),), generator(1))(model, batch)
    assert torch.equal(model(batch.images), before)
    assert not torch.equal(reseeded(model, generator(1))(batch.images), before)


def test_the_code_has_the_mean_and_the_spread_that_the_network_computes():
    bottleneck = Bottleneck(1, 2000, 0.0)
    with torch.no_grad():
        for parameter in bottleneck.parameters():
            parameter.zero_()
        bottleneck.encoder.bias[:2000] = 3.0
        bottleneck.decoder = nn.Identity()
    code = bottleneck(torch.zeros(1, 1))
    spread = F.softplus(torch.zeros(())).item()
    assert abs(code.mean().item() - 3) < 4 * spread / 2000**0.5
    assert code.std().item() == pytest.approx(spread, rel=0.1)


def test_without_spread_and_with_copying_layers_nothing_is_left_of_the_bottleneck():
    model, batch = small_network(), private_batch(3)
    changed = precoded(model, size=32, beta=0)
    bottleneck = next(module for module in changed.modules() if isinstance(module, Bottleneck))
    with torch.no_grad():
        for parameter in bottleneck.parameters():
            parameter.zero_()
        bottleneck.encoder.weight[:32] = torch.eye(32)
        bottleneck.encoder.bias[32:] = -40.0
        bottleneck.decoder.weight.copy_(torch.eye(32))
    assert torch.allclose(changed(batch.images), model(batch.images), atol=1e-6)
    update = defend(FedSGD(), (Precode(beta=0),), generator())(changed, batch)
    kept = [u for u, ignored in zip(update, behind_the_bottleneck(changed), strict=True) if not ignored]
    assert all(torch.allclose(u, g, atol=1e-6) for u, g in zip(kept, FedSGD()(model, batch)[:2], strict=True))


def test_the_divergence_by_hand():
    assert divergence(torch.zeros(2, 3), torch.ones(2, 3)) == 0
    assert divergence(torch.tensor([[1.0, 2.0]]), torch.ones(1, 2)) == pytest.approx(2.5 / torch.tensor(2.0).log())
    assert divergence(torch.zeros(4, 1), torch.full((4, 1), 0.0)).isfinite()


@pytest.mark.parametrize("beta", [0.0, 0.5])
def test_the_gradient_is_that_of_the_loss_with_its_added_part(beta):
    model, batch = precoded(small_network(), beta=beta), private_batch(3)
    bottleneck = next(module for module in model.modules() if isinstance(module, Bottleneck))
    mean, spread = bottleneck.code(features_before(model, batch))
    plain = copy.deepcopy(model)
    next(module for module in plain.modules() if isinstance(module, Bottleneck)).beta = 0.0
    entropy = FedSGD()(plain, batch)
    added = torch.autograd.grad(
        beta * divergence(mean, spread), list(model.parameters()), allow_unused=True, materialize_grads=True
    )
    for got, one, other in zip(FedSGD()(model, batch), entropy, added, strict=True):
        assert torch.allclose(got, one + other, atol=1e-6)


def features_before(model: nn.Module, batch: Batch) -> torch.Tensor:
    """(B, F) what the bottleneck of ``small_network`` receives."""
    return model[2](model[1](model[0](batch.images)))


def test_an_attack_can_differentiate_through_the_bottleneck():
    model, batch = precoded(small_network(), beta=0.1).double(), private_batch(2)
    images = batch.images.double().requires_grad_()

    def first_gradient(pixels: torch.Tensor) -> torch.Tensor:
        return FedSGD()(model, Batch(pixels, batch.labels), differentiable=True)[0].square().sum()

    assert torch.autograd.gradcheck(first_gradient, (images,), eps=1e-6, atol=1e-6)


def test_who_knows_of_precode_compares_only_what_comes_before_it():
    model, batch = precoded(small_network()), private_batch(2)
    update = FedSGD()(model, batch)
    compared = comparison((Precode(),), model, update)(update)
    assert all(torch.equal(c, u) for c, u in zip(compared[:2], update[:2], strict=True))
    assert all((c == 0).all() for c in compared[2:])


@pytest.mark.parametrize("beta", [0.0, 0.5])
def test_of_a_single_image_the_update_tells_what_the_noise_did_to_the_layers_before(beta):
    model, batch = precoded(small_network(), beta=beta), private_batch(1)
    sent = defend(FedSGD(), (Precode(beta=beta),), generator(1))(model, batch)
    known = simulated((Precode(),), model, sent)
    assert not torch.allclose(FedSGD()(model, batch)[0], sent[0], rtol=1e-2)  # the noise was another
    found = FedSGD()(known, batch, differentiable=True)
    told = [not ignored for ignored in behind_the_bottleneck(known)]
    assert sum(told) == 4  # weight and bias of the first layer and of the encoder
    assert all(torch.allclose(f, s, atol=1e-6) for f, s, is_told in zip(found, sent, told, strict=True) if is_told)


def test_a_client_does_not_take_over_what_an_attacker_was_told():
    model, batch = precoded(small_network()), private_batch(1)
    known = simulated((Precode(),), model, tuple(torch.ones_like(p) for p in model.parameters()))
    client = [defend(FedSGD(), (Precode(),), generator(2))(one, batch) for one in (model, known)]
    assert all(torch.equal(a, b) for a, b in zip(*client, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), known.parameters(), strict=True))


def test_precode_hides_a_single_image_from_nobody_who_knows_of_it(home: Path):
    choices = {"defenses": (Precode(size=64),), "attack": InvertingGradients(iterations=300), "batch_size": 1}
    assert scores(home, **choices)[0].capture.distance > 0.1
    known, adaptive = scores(home, granted=True, **choices)
    assert known.capture.distance < 1e-4
    assert min(adaptive) > 30


def test_precode_falls_to_the_attacker_who_ignores_the_random_part(home: Path):
    attack = InvertingGradients(iterations=300)
    _, without = scores(home, attack=attack)
    naive_run, naive = scores(home, attack=attack, defenses=(Precode(size=64),))
    known, adaptive = scores(home, attack=attack, defenses=(Precode(size=64),), granted=True)
    assert naive_run.capture.distance > known.capture.distance > 0
    assert min(without) > 35
    assert max(naive) < 10
    assert min(adaptive) > 25


def test_precode_does_not_touch_what_the_first_layer_gives_away(home: Path):
    _, found = scores(home, attack=LinearLeak(), defenses=(Precode(),))
    assert min(found) > 50


# What does not go together, and what the page says.


@pytest.mark.parametrize(
    ("choices", "reason"),
    [
        ({"defenses": (Precode(),), "model": MLP(training=1)}, "set the model's training to 0"),
        ({"defenses": (Precode(), Precode(size=8))}, "leave the others out"),
        ({"defenses": (DPSGD(), Soteria())}, "soteria has to act before dp-sgd"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_sentence(home: Path, choices, reason):
    found = AuditSpec(**choices).objections(home)
    assert any(one.field == "defenses" and reason in one.reason for one in found)


def test_the_page_says_that_the_network_changed():
    assert any("PRECODE puts layers into it" in text for text in network_changes(AuditSpec(defenses=(Precode(),))))
    assert network_changes(AuditSpec(defenses=(Soteria(),))) == []


@pytest.mark.parametrize("ratio", [-0.1, 1.0])
def test_impossible_shares_cannot_be_set(ratio):
    with pytest.raises(ValueError, match="ratio"):
        Soteria(ratio=ratio)


@pytest.mark.parametrize("bad", [{"size": 0}, {"beta": -1.0}])
def test_impossible_bottlenecks_cannot_be_set(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        Precode(**bad)
