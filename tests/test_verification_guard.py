"""The client that checks what it receives, and the models that attacks send it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError
from test_imprint import batch_of, server
from test_trap_weights import pictures, queried
from torch import nn
from victims import generator, observation, private_batch, small_network

from gia_core.attacks import Fishing, InvertingGradients, RobbingTheFed, TrapWeights
from gia_core.clients import FedSGD
from gia_core.types import Batch, Observation, Step
from gia_core.verification import RefusedError, Verification
from gia_core.verification.findings import Detector, Finding, Inspection
from gia_core.verification.guard import REMEMBERED, TITLE, Guard

QUICK = InvertingGradients(iterations=1)


def guarded(
    seen: Observation, batch: Batch, verification: Verification, agreed: nn.Module
) -> tuple[Guard, Observation]:
    """A server's view of a client that checks what it is sent."""
    guard = Guard(verification, agreed)

    def query(model: nn.Module) -> tuple[torch.Tensor, ...]:
        guard.receive(model, batch)
        update = FedSGD()(model, batch)
        guard.send(update)
        return update

    query(seen.rounds[0].model)  # the honest round
    return guard, replace(seen, query=query)


def fished(labels: tuple[int, ...]) -> tuple[Observation, Batch, nn.Module]:
    model, batch = small_network(), Batch(private_batch(len(labels)).images, torch.tensor(labels))
    return replace(observation(model, batch), query=lambda sent: FedSGD()(sent, batch)), batch, small_network(seed=5)


def robbed() -> tuple[Observation, Batch, nn.Module]:
    model, batch = small_network(), batch_of(32)
    return server(model, batch), batch, small_network(seed=5)


def trapped() -> tuple[Observation, Batch, nn.Module]:
    def network(seed: int) -> nn.Module:
        rng, model = generator(seed), nn.Sequential(nn.Flatten(), nn.Linear(1024, 64), nn.ReLU(), nn.Linear(64, 4))
        for parameter in model.parameters():
            nn.init.uniform_(parameter, -1 / 32, 1 / 32, generator=rng)
        return model

    batch, model = Batch(pictures(32), torch.arange(32) % 4), network(0)
    return replace(queried(model, batch), image_shape=(1, 32, 32)), batch, network(1)


ATTACKS = {
    "robbing-the-fed sparse": (RobbingTheFed(bins=64, mode=5), robbed, "V1"),
    "robbing-the-fed dense": (RobbingTheFed(bins=64, mode=5, variant="dense"), robbed, "V1"),
    "robbing-the-fed one-shot": (RobbingTheFed(mode=5, variant="one-shot"), robbed, "V1"),
    "trap-weights": (TrapWeights(), trapped, "V5"),
    "fishing for a class": (Fishing(then=QUICK), lambda: fished((0, 0, 1, *[2] * 13)), "V10"),
    "fishing for features": (Fishing(then=QUICK), lambda: fished((2,) * 16), "V10"),
}


@pytest.mark.parametrize(("attack", "setting", "checks"), ATTACKS.values(), ids=ATTACKS)
def test_the_first_tampered_model_of_every_attack_is_refused(attack, setting, checks: str) -> None:
    seen, batch, agreed = setting()
    guard, suspected = guarded(seen, batch, Verification(policy="refuse", canary=False), agreed)
    with pytest.raises(
        RefusedError, match=rf"The client refused: check ({checks}) \(.*threshold: at (least|most) "
    ) as refusal:
        list(attack.run(suspected, generator()))
    assert refusal.value.fired[0][1].verdict == "fail"
    (table,) = guard.tables
    assert table.title == TITLE
    assert len(table.rows) == 12
    assert "2 models" in table.note
    assert "1 of them failed" in table.note


def test_a_client_that_only_tells_answers_all_the_same() -> None:
    seen, batch, agreed = robbed()
    attack = RobbingTheFed(bins=128, mode=5)
    guard, suspected = guarded(seen, batch, Verification(policy="tell"), agreed)
    (told,), (free,) = list(attack.run(suspected, generator())), list(attack.run(seen, generator()))
    assert torch.equal(told.images, free.images)
    verdicts = dict(
        zip([row[0].split()[0] for row in guard.tables[0].rows], [r[3] for r in guard.tables[0].rows], strict=True)
    )
    assert [name for name, verdict in verdicts.items() if "failed" in verdict] == ["V1", "V2", "V3", "V5", "V7", "V13"]


def test_a_client_without_checks_does_not_look() -> None:
    guard = Guard(Verification(), None)
    guard.receive(small_network(), private_batch())
    guard.send(())
    assert guard.tables == ()


def test_an_update_that_gives_an_image_away_is_not_sent() -> None:
    model, batch = small_network(), private_batch(1)
    guard = Guard(Verification(policy="refuse"), small_network(seed=1))
    guard.receive(model, batch)
    with pytest.raises(RefusedError, match=r"check V13 .* dB"):
        guard.send(FedSGD()(model, batch))
    assert len(guard.tables[0].rows) == 13
    careless = Guard(Verification(policy="refuse", canary=False), None)
    careless.receive(model, batch)
    careless.send(FedSGD()(model, batch))


def test_only_the_strict_refuse_what_is_merely_unusual() -> None:
    odd = small_network()
    odd[1].weight.data *= 10
    for policy in ("refuse", "strict"):
        guard = Guard(Verification(policy=policy, canary=False), small_network())
        if policy == "refuse":
            guard.receive(odd, private_batch(4))
        else:
            with pytest.raises(RefusedError, match=r"V6 .*10"):
                guard.receive(odd, private_batch(4))


def test_another_model_for_the_others_is_refused() -> None:
    guard = Guard(Verification(policy="refuse"), None)
    guard.receive(small_network(), private_batch(4), [small_network()] * 3)
    with pytest.raises(RefusedError, match="V11"):
        guard.receive(small_network(seed=1), private_batch(4), [small_network(seed=1), small_network()])


def test_the_same_model_is_looked_at_again_where_others_now_have_another() -> None:
    guard, model = Guard(Verification(policy="refuse"), None), small_network()
    guard.receive(model, private_batch(4), [model])
    guard.receive(model, private_batch(4), [model])
    with pytest.raises(RefusedError, match="V11"):
        guard.receive(model, private_batch(4), [small_network(seed=1)])


def test_a_model_whose_update_gives_images_away_counts_once_as_failed() -> None:
    guard, model, batch = Guard(Verification(policy="tell"), None), small_network(), private_batch(1)
    for _ in range(2):
        guard.receive(model, batch)
        guard.send(FedSGD()(model, batch))
    assert "one model; 1 of them failed" in guard.tables[0].note


def test_the_same_model_again_is_not_looked_at_again_but_its_update_is() -> None:
    model = small_network()
    guard = Guard(Verification(policy="refuse"), None)
    for size in (32, 1):
        guard.receive(model, private_batch(size))
        if size == 1:
            with pytest.raises(RefusedError, match="V13"):
                guard.send(FedSGD()(model, private_batch(1)))
    assert "one model" in guard.tables[0].note


def test_models_that_failed_are_no_measure_for_later_ones_and_old_ones_are_forgotten() -> None:
    guard = Guard(Verification(policy="tell", canary=False), small_network())
    broken = small_network()
    broken[3].weight.data.zero_()
    guard.receive(broken, private_batch(4))
    assert guard._passed == ()
    for seed in range(REMEMBERED + 2):
        guard.receive(small_network(seed=seed), private_batch(4))
    assert len(guard._passed) == REMEMBERED


def test_steps_carry_the_checks_and_stay_the_same_object_while_nothing_is_new() -> None:
    guard = Guard(Verification(policy="tell", canary=False), None)
    step = Step(1, 1, {}, {}, torch.zeros(1, 1, 8, 8), torch.zeros(1))
    assert guard.telling(step) is step
    guard.receive(small_network(), private_batch(4))
    first, second = guard.telling(step), guard.telling(replace(step, iteration=2))
    assert [table.title for table in first.tables] == [TITLE]
    assert first.tables is second.tables
    guard.receive(small_network(seed=1), private_batch(4))
    assert guard.telling(step).tables is not first.tables


def test_a_refusal_names_the_worst_check_with_its_numbers_and_the_others() -> None:
    def finding(value: float, verdict) -> Finding:
        return Finding(value, 0.5, verdict, "So it is.")

    one, two, three = (Detector(f"V{n}", f"name {n}", lambda _: finding(0, "ok")) for n in (1, 2, 3))
    inspection = Inspection(((one, finding(0.7, "warn")), (two, finding(0.12345, "fail")), (three, finding(0, "ok"))))
    with pytest.raises(RefusedError) as refusal:
        Verification(policy="strict").act_on(inspection)
    assert str(refusal.value) == (
        "The client refused: check V2 (name 2: 0.1235, threshold: at most 0.5) fired. So it is. V1 fired too."
    )
    Verification(policy="tell").act_on(inspection)


def test_it_is_off_unless_asked_for_and_knows_its_policies() -> None:
    assert Verification().policy == "off"
    with pytest.raises(ValidationError):
        Verification(policy="sometimes")
