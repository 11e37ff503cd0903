"""The client whose images take turns, and the network that is split between parties."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from victims import generator, private_batch, split_network

from gia_core.attacks import CAFE, DLG
from gia_core.audit import audit
from gia_core.clients import FedAvg, FedSGD, Vertical
from gia_core.datasets import Digits
from gia_core.models import LeNet, Quadrants
from gia_core.models.parties import quadrants
from gia_core.spec import AuditSpec
from gia_core.types import Batch, Round

SPEC = AuditSpec(
    dataset=Digits(),
    model=Quadrants(channels=4, hidden=8),
    client=Vertical(round_batch_size=3),
    batch_size=5,
    rounds=7,
    server_lr=0,
    attack=CAFE(iterations=2),
)


def test_participants_are_distinct_and_drawn_anew():
    rng = generator()
    drawn = [Vertical(round_batch_size=3).participants(10, rng).tolist() for _ in range(20)]
    assert all(len(set(chosen)) == 3 and chosen == sorted(chosen) for chosen in drawn)
    assert set().union(*drawn) == set(range(10))
    assert len(set(map(tuple, drawn))) > 10


def test_everybody_takes_part_where_there_are_fewer_than_a_round_could_take():
    assert Vertical(round_batch_size=8).participants(3, generator()).tolist() == [0, 1, 2]


def test_other_clients_use_their_whole_batch_and_draw_nothing():
    rng = generator()
    before = rng.get_state()
    assert FedSGD().participants(4, rng) is FedAvg().participants(4, rng) is None
    assert torch.equal(rng.get_state(), before)


def watched(spec: AuditSpec, home: Path) -> tuple[Batch, tuple[Round, ...]]:
    """The private batch, and the rounds that reach the attack."""
    seen = []

    class Watching(CAFE):
        def run(self, observation, rng):
            seen.extend(observation.rounds)
            return super().run(observation, rng)

    started, *_ = audit(spec.model_copy(update={"attack": Watching(iterations=1)}), home=home)
    return started.truth, tuple(seen)


def test_a_round_holds_the_gradient_of_those_who_took_part(home: Path):
    batch, rounds = watched(SPEC, home)
    assert len(rounds) == 7
    for exchanged in rounds:
        assert len(exchanged.indices) == 3
        assert exchanged.model is rounds[0].model, "a model that stands still is not copied"
        expected = FedSGD()(exchanged.model, batch.only(exchanged.indices))
        for ours, theirs in zip(exchanged.update, expected, strict=True):
            torch.testing.assert_close(ours, theirs)


def test_a_server_that_learns_sends_another_model_each_time(home: Path):
    _, (first, second, *_) = watched(SPEC.model_copy(update={"server_lr": 0.5}), home)
    for before, gradient, after in zip(first.model.parameters(), first.update, second.model.parameters(), strict=True):
        torch.testing.assert_close(after, before - 0.5 * gradient)


def test_the_self_test_compares_those_who_took_part(home: Path):
    started = next(audit(SPEC, home=home))
    assert started.capture.passed
    assert started.capture.distance < 1e-6


def test_the_private_images_do_not_depend_on_who_takes_part(home: Path):
    others = SPEC.model_copy(update={"client": FedSGD(), "attack": DLG(iterations=1), "rounds": 1})
    vertical, whole = (next(audit(spec, home=home)).truth for spec in (SPEC, others))
    assert torch.equal(vertical.images, whole.images)


def test_quadrants_put_together_are_the_image():
    image = torch.rand(2, 3, 5, 6, generator=generator())
    upper_left, upper_right, lower_left, lower_right = quadrants(image)
    assert upper_left.shape == (2, 3, 3, 3)
    upper, lower = torch.cat([upper_left, upper_right], dim=3), torch.cat([lower_left, lower_right], dim=3)
    assert torch.equal(torch.cat([upper, lower], dim=2), image)


def test_no_party_sees_another_ones_quadrant():
    network, images = split_network(), private_batch(1).images
    before = network.first_inputs(images)
    images[:, :, :4, 4:] += 0.5
    after = network.first_inputs(images)
    assert [torch.equal(one, other) for one, other in zip(before, after, strict=True)] == [True, False, True, True]


def test_first_inputs_are_what_the_first_layers_receive():
    network, images = split_network(), private_batch(3).images
    received = []
    for party in network.parties:
        party.first.register_forward_pre_hook(lambda module, inputs: received.append(inputs[0]))
    network(images)
    for ours, theirs in zip(network.first_inputs(images), received, strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize(
    ("change", "field"),
    [({"attack": DLG()}, "client"), ({"client": FedSGD()}, "client"), ({"model": LeNet()}, "model")],
    ids=["attack", "client", "model"],
)
def test_what_does_not_fit_together_is_refused(home: Path, change: dict[str, object], field: str):
    assert SPEC.objections(home) == []
    [objection] = SPEC.model_copy(update=change).objections(home)
    assert objection.field == field
    assert "needs a" in objection.reason
