"""What the theory is made of, measured on networks: gradients of single images, and κ over several rounds."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gia_core.attacks import DLG, InvertingGradients
from gia_core.datasets import Digits
from gia_core.models import MLP
from gia_core.spec import AuditSpec, Victim
from gia_core.theory import gradients, rounds
from gia_core.theory.networks import network_of
from gia_core.types import Batch


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def network() -> nn.Module:
    layers = nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.Tanh(), nn.Linear(5, 3))
    for parameter in layers.parameters():
        nn.init.normal_(parameter, generator=generator())
    return layers


def batch(count: int = 4) -> Batch:
    return Batch(torch.rand(count, 3, 2, 2, generator=generator()), torch.arange(count) % 3)


def test_the_gradients_of_single_images_are_those_of_autograd():
    layers, images = network(), batch()
    found = gradients.per_sample(layers, images)
    for number in range(4):
        loss = F.cross_entropy(layers(images.images[number : number + 1]), images.labels[number : number + 1])
        expected = torch.autograd.grad(loss, list(layers.parameters()))
        assert torch.allclose(found[number], torch.cat([one.flatten() for one in expected]), atol=1e-6)


def test_directions_alone_decide_how_far_two_gradients_are_apart():
    found = gradients.cosine_distances(torch.tensor([[1.0, 0.0], [5.0, 0.0], [0.0, 2.0], [-1.0, 0.0]]))
    expected = torch.tensor([[0.0, 0, 1, 2], [0, 0, 1, 2], [1, 1, 0, 1], [2, 2, 1, 0]], dtype=torch.double)
    assert torch.allclose(found, expected)


def test_swapping_an_image_for_its_twin_changes_nothing():
    found = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert gradients.swapped_distance(found, [0, 2], 0, 1) == pytest.approx(0, abs=1e-12)
    assert gradients.swapped_distance(found, [0], 0, 2) == pytest.approx(1)


def watched(count: int, **changes: object) -> AuditSpec:
    spec = AuditSpec(
        dataset=Digits(size=8),
        model=MLP(),
        batch_size=2,
        victim=Victim(indices=(0, 1)),
        attack=InvertingGradients(iterations=1),
        rounds=count,
    )
    return spec.model_copy(update=changes)


def test_kappa_is_zero_where_all_rounds_are_the_same(tmp_path: Path):
    assert rounds.largest_difference(watched(1), home=tmp_path) == 0
    assert rounds.largest_difference(watched(3, server_lr=0.0), home=tmp_path) == pytest.approx(0, abs=1e-7)


def test_kappa_grows_with_the_step_of_the_server(tmp_path: Path):
    small, large = (rounds.largest_difference(watched(2, server_lr=rate), home=tmp_path) for rate in (0.01, 0.5))
    assert 0 < small < large


def test_the_objective_is_flat_at_the_truth(tmp_path: Path):
    seen, truth = rounds.watched(watched(1), tmp_path)
    at = rounds.slope(seen, InvertingGradients(distance="squared-l2"), truth.labels)
    elsewhere = torch.full_like(truth.images, 0.5)
    assert at(truth.images).abs().max() < 1e-6
    assert at(elsewhere).abs().max() > 1e-4


def test_kappa_of_another_attack_or_an_impossible_setup_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="choose that attack"):
        rounds.largest_difference(watched(1, attack=DLG()), home=tmp_path)
    with pytest.raises(ValueError, match=r"\w"):
        rounds.largest_difference(watched(1, batch_size=3), home=tmp_path)


def test_a_trained_network_is_found_again(tmp_path: Path):
    spec = watched(1, model=MLP(training=1))
    data = spec.dataset.open(tmp_path)
    first, second = (network_of(spec, data, tmp_path).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    untrained = network_of(watched(1), data, tmp_path).state_dict()
    assert any(not torch.equal(first[name], untrained[name]) for name in first)
