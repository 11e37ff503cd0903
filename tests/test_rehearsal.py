"""What an attacker can imitate of a client: its rule, the defenses that are known, and chance of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from victims import generator, private_batch, small_network

from gia_core.attacks import LearningToInvert
from gia_core.clients import FedAvg, FedSGD
from gia_core.defenses import Clipping, Defense, GaussianNoise, MixUp, Pruning, defend
from gia_core.rehearsal import rehearsal
from gia_core.spec import AuditSpec, Knowledge
from gia_core.types import Rehearsal, Update

PUBLIC = private_batch(20, seed=11)


def imitated(*defenses: Defense, clients: int = 1, public_data: bool = True, seed: int = 0, **changes) -> Rehearsal:
    knows = Knowledge(public_data=public_data, **changes.pop("knows", {"defense": True}))
    spec = AuditSpec(attack=LearningToInvert(), defenses=defenses, knowledge=knows, **changes)
    found = rehearsal(spec, small_network(), PUBLIC, generator(seed), clients=clients, home=Path("nowhere"))
    assert found is not None
    return found


def alike(one: Update, other: Update) -> bool:
    return all(torch.allclose(a, b, atol=1e-7) for a, b in zip(one, other, strict=True))


def test_without_public_data_there_is_nothing_to_rehearse_with():
    spec = AuditSpec()
    assert rehearsal(spec, small_network(), PUBLIC, generator(), clients=1, home=Path("nowhere")) is None
    granted = AuditSpec(knowledge=Knowledge(public_data=True))
    assert rehearsal(granted, small_network(), None, generator(), clients=1, home=Path("nowhere")) is None


def test_an_undefended_client_is_imitated_exactly():
    model, batch = small_network(), private_batch(2)
    update, images = imitated().update_of(batch)
    assert alike(update, FedSGD()(model, batch))
    assert torch.equal(images, batch.images)


def test_a_known_defense_is_imitated_and_an_unknown_one_is_not():
    model, batch, defense = small_network(), private_batch(), Clipping(bound=0.01)
    known, _ = imitated(defense).update_of(batch)
    unknown, _ = imitated(defense, knows={}).update_of(batch)
    assert alike(known, defend(FedSGD(), (defense,), generator())(model, batch))
    assert alike(unknown, FedSGD()(model, batch))


def test_noise_is_of_the_attackers_own_chance_and_new_every_time():
    model, batch, noise = small_network(), private_batch(), GaussianNoise(std=0.1)
    seen = defend(FedSGD(), (noise,), generator(0))(model, batch)
    own = imitated(noise, seed=1)
    (first, _), (second, _) = own.update_of(batch), own.update_of(batch)
    clear = FedSGD()(model, batch)
    for update in (seen, first, second):
        assert not alike(update, clear)
    assert not alike(first, second)
    assert not alike(first, seen)


def test_every_imitated_client_begins_with_nothing_left_unsent():
    own = imitated(Pruning(ratio=0.9, error_feedback=True))
    first, _ = own.update_of(private_batch())
    own.update_of(private_batch(seed=3))
    again, _ = own.update_of(private_batch())
    assert alike(first, again)


def test_what_is_to_be_found_of_a_disguised_batch_are_the_disguised_images():
    batch = private_batch(4)
    _, images = imitated(MixUp(), batch_size=4).update_of(batch)
    assert images.shape == batch.images.shape
    assert not torch.equal(images, batch.images)


def test_several_clients_are_imitated_one_by_one():
    batch, defense = private_batch(4), Clipping(bound=0.01)
    mean, images = imitated(defense, clients=2).update_of(batch)
    one = imitated(defense)
    (a, _), (b, _) = one.update_of(batch.only(torch.arange(2))), one.update_of(batch.only(torch.arange(2, 4)))
    assert alike(mean, tuple((x + y) / 2 for x, y in zip(a, b, strict=True)))
    assert torch.equal(images, batch.images)


@pytest.mark.parametrize("other", [imitated(Clipping(bound=0.02)), imitated(client=FedAvg()), imitated(clients=2)])
def test_its_description_tells_clients_apart(other: Rehearsal):
    assert other.description != imitated(Clipping(bound=0.01)).description
    assert imitated(Clipping(bound=0.01), seed=1).description == imitated(Clipping(bound=0.01)).description
