"""Audits of several clients whose updates are added up: what the attacker is left with, and what it makes of that."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from gia_core.aggregation import CKKS, FastSecAgg, LightSecAgg, Paillier, PlainSum, SecureAggregation
from gia_core.attacks import (
    DLG,
    IDLG,
    RGAP,
    CocktailParty,
    Fishing,
    GradInversion,
    InvertingGradients,
    LabelCounts,
    LinearLeak,
    RobbingTheFed,
    TrapWeights,
)
from gia_core.audit import Event, Finished, Started, audit
from gia_core.chronicle import Ended
from gia_core.clients import FedAvg, FedSGD, Vertical
from gia_core.datasets import Digits
from gia_core.defenses.ats import ATS
from gia_core.defenses.clipping import Clipping
from gia_core.defenses.gaussian_noise import GaussianNoise
from gia_core.defenses.mixup import MixUp
from gia_core.defenses.pruning import Pruning
from gia_core.defenses.user_level_dp import UserLevelDP
from gia_core.models import MLP, LeNet, Quadrants, ResNet20, classifier
from gia_core.report import verdict
from gia_core.spec import MAX_BATCH, AuditSpec, Knowledge
from gia_core.store import RunStore, Status
from gia_core.types import Observation
from gia_core.worker import carry_out

SECURE = SecureAggregation()
LURING = Knowledge(malicious_server=True, dead_models=True)
QUICK = AuditSpec(
    dataset=Digits(size=16), model=MLP(width=32), attack=InvertingGradients(iterations=3), clients=4, aggregation=SECURE
)


def but(spec: AuditSpec, **changes: Any) -> AuditSpec:
    return spec.model_copy(update=changes)


def story(spec: AuditSpec, home: Path) -> list[Event]:
    return list(audit(spec, home=home))


def observed(spec: AuditSpec, home: Path) -> tuple[Observation, Started]:
    """What reaches the attack, and the truth behind it."""
    seen = []

    class Watching(InvertingGradients):
        def run(self, observation, rng):
            seen.append(observation)
            yield from super().run(observation, rng)

    started = next(e for e in story(but(spec, attack=Watching(iterations=1)), home) if isinstance(e, Started))
    return seen[0], started


def far(update, other) -> float:
    """Largest difference of two entries."""
    return max(float((u - o).detach().abs().max()) for u, o in zip(update, other, strict=True))


# What the attacker is left with.


def test_ten_clients_in_a_secure_sum_are_one_with_a_batch_ten_times_larger(home: Path) -> None:
    seen, started = observed(but(QUICK, clients=10), home)
    assert seen.batch_size == len(started.truth.labels) == 10
    alone = FedSGD()(seen.rounds[0].model, started.truth)
    step = 2 * SECURE.clip / 2**SECURE.bits
    assert 0 < far(seen.rounds[0].update, alone) < step + 1e-6
    assert started.capture.passed
    assert started.capture.distance < 1e-4


def test_without_an_aggregation_the_server_sees_the_audited_client_as_if_it_were_alone(home: Path) -> None:
    seen, started = observed(but(QUICK, aggregation=PlainSum()), home)
    alone, lonely = observed(but(QUICK, aggregation=PlainSum(), clients=1), home)
    assert torch.equal(started.truth.images, lonely.truth.images)
    assert far(seen.rounds[0].update, alone.rounds[0].update) == 0
    assert seen.batch_size == 1
    assert lonely.tables == ()
    assert [table.title for table in started.tables] == ["What the aggregation cost"]


@pytest.mark.parametrize("kind", [SECURE, FastSecAgg(), LightSecAgg()], ids=lambda kind: kind.name)
def test_who_drops_out_is_not_in_the_sum(home: Path, kind) -> None:
    seen, started = observed(but(QUICK, clients=5, dropouts=1, aggregation=kind, batch_size=2), home)
    assert seen.batch_size == len(started.truth.labels) == 8
    assert started.capture.distance < 1e-4
    everyone = observed(but(QUICK, clients=5, aggregation=kind, batch_size=2), home)[1].truth.images
    assert torch.equal(started.truth.images, torch.cat([everyone[:2], everyone[4:]]))


def test_the_sum_of_fedavg_clients_is_simulated_client_by_client(home: Path) -> None:
    client = FedAvg(local_epochs=2, local_batch_size=2, local_lr=0.1)
    seen, started = observed(but(QUICK, client=client, batch_size=3, clients=3), home)
    assert started.capture.distance < 1e-4
    together = client(seen.rounds[0].model, started.truth)
    assert far(seen.rounds[0].update, together) > 1e-2


def test_batch_norm_in_training_mode_is_simulated_client_by_client(home: Path) -> None:
    setup = but(QUICK, model=ResNet20(mode="train"), batch_size=2, clients=2, dataset=Digits(size=8))
    assert observed(setup, home)[1].capture.distance < 1e-3


def test_the_next_model_is_made_of_all_updates_whatever_the_server_sees(home: Path) -> None:
    """Two rounds in the open, where the attacker sees one of four updates, and in a sum, where it sees all."""
    (_, second), (_, summed) = (
        observed(but(QUICK, aggregation=kind, rounds=2, server_lr=0.5), home)[0].rounds for kind in (PlainSum(), SECURE)
    )
    assert far(second.model.parameters(), summed.model.parameters()) < 1e-5
    assert far(second.update, summed.update) > 1e-2


def test_the_same_spec_tells_the_same_story(home: Path) -> None:
    noisy = but(QUICK, defenses=(GaussianNoise(std=0.1),))
    (one, first), (other, again) = (observed(noisy, home) for _ in range(2))
    assert torch.equal(first.truth.images, again.truth.images)
    assert far(one.rounds[0].update, other.rounds[0].update) == 0


def test_every_client_draws_noise_of_its_own(home: Path) -> None:
    """Of nine clients the mean has a ninth of the variance; the same noise from all would not shrink."""
    noisy = but(QUICK, clients=9, defenses=(GaussianNoise(std=0.3),))
    seen, started = observed(noisy, home)
    clean = FedSGD()(seen.rounds[0].model, started.truth)
    noise = torch.cat([(u - c).flatten() for u, c in zip(seen.rounds[0].update, clean, strict=True)])
    assert float(noise.std()) == pytest.approx(0.1, rel=0.1)


# Ciphertexts, and other ends without an attack.


@pytest.mark.parametrize("kind", [CKKS(), Paillier()], ids=lambda kind: kind.name)
def test_ciphertexts_end_the_run_before_the_attack_and_tell_what_remains(home: Path, kind) -> None:
    spec = but(QUICK, aggregation=kind, clients=2, model=MLP(width=2), dataset=Digits(size=8))
    started, ended = story(spec, home)
    assert isinstance(started, Started)
    assert started.capture is None
    assert len(started.truth.labels) == 1
    assert [table.title for table in started.tables] == ["What the aggregation cost", "What remains"]
    assert isinstance(ended, Ended)
    assert not ended.stopped
    assert "nothing to invert" in ended.body["nothing_to_invert"]


def test_one_colluder_opens_what_is_encrypted(home: Path) -> None:
    spec = but(QUICK, aggregation=CKKS(), clients=2, knowledge=Knowledge(colluding_clients=1))
    seen, started = observed(spec, home)
    assert far(seen.rounds[0].update, FedSGD()(seen.rounds[0].model, started.truth)) < 1e-6
    assert seen.batch_size == 1


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (SECURE, "bind their masks to the model"),
        (FastSecAgg(), "did not receive the same model"),
        (LightSecAgg(), "did not receive the same model"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_dead_model_for_all_but_the_victim_undoes_the_sum_unless_clients_bind_it(home: Path, kind, why) -> None:
    """Acceptance: the same audit, with and without the hash of the model in what the clients exchange."""
    *_, ended = story(but(QUICK, aggregation=kind, knowledge=LURING), home)
    assert isinstance(ended, Ended)
    assert why in ended.body["nothing_to_invert"]

    loose = kind.model_copy(update={"bind_model": False})
    seen, started = observed(but(QUICK, aggregation=loose, knowledge=LURING), home)
    assert seen.batch_size == len(started.truth.labels) == 1
    model = seen.rounds[0].model
    bias = classifier(model).bias
    for parameter, own, alone in zip(
        model.parameters(), seen.rounds[0].update, FedSGD()(model, started.truth), strict=True
    ):
        assert not own.any() if parameter is bias else far((own,), (alone,)) < 1e-5
    assert started.capture.distance < 1e-4


def test_a_victim_singled_out_by_a_dead_model_is_recovered_as_if_it_were_alone(home: Path) -> None:
    loose = SecureAggregation(bind_model=False)
    spec = but(QUICK, aggregation=loose, knowledge=LURING, attack=LinearLeak())
    *_, finished = story(spec, home)
    assert finished.last.scores["psnr"][0] > 40
    assert finished.last.label_accuracy == 1


@pytest.mark.parametrize(("colluding", "left"), [(1, 3), (2, 2), (3, 1)])
def test_colluders_leave_the_sum_of_the_others(home: Path, colluding: int, left: int) -> None:
    seen, started = observed(but(QUICK, knowledge=Knowledge(colluding_clients=colluding)), home)
    assert seen.batch_size == left
    assert far(seen.rounds[0].update, FedSGD()(seen.rounds[0].model, started.truth)) < 2e-6


def test_too_many_dropouts_end_without_a_sum_and_with_a_sentence(home: Path) -> None:
    with pytest.raises(ValueError, match=r"^Too many clients dropped out: 1 of 4 .* at least 3\.$") as aborted:
        story(but(QUICK, dropouts=3), home)
    assert type(aborted.value) is ValueError, "what a page may show"


def test_updates_that_cannot_be_encoded_end_with_a_sentence(home: Path) -> None:
    with pytest.raises(ValueError, match="CKKS can add up to sums below"):
        story(but(QUICK, aggregation=CKKS(), defenses=(GaussianNoise(std=1e6),)), home)


# Attacks and defenses on sums.

ON_SUMS = [
    DLG(iterations=2),
    IDLG(iterations=2),
    InvertingGradients(iterations=2),
    GradInversion(iterations=2),
    LinearLeak(),
    CocktailParty(iterations=2, inversion_iterations=2),
    RobbingTheFed(bins=32),
    TrapWeights(),
    Fishing(then=InvertingGradients(iterations=2)),
    LabelCounts(),
]
"""Every attack that can be used on more than one image, small enough for a test."""


@pytest.mark.parametrize("attack", ON_SUMS, ids=lambda attack: attack.name)
def test_every_attack_on_batches_runs_on_a_sum(home: Path, attack) -> None:
    granted = {fact: True for fact in attack.needs.knowledge if fact != "batch_norm"}
    if "batch_norm" in attack.needs.knowledge:
        granted["batch_norm"] = "exact"
    model = MLP(width=64) if attack.name != "gradinversion" else ResNet20()
    spec = but(QUICK, clients=3, batch_size=2, attack=attack, knowledge=Knowledge(**granted), model=model)
    assert spec.objections(home) == []
    *_, finished = story(spec, home)
    assert isinstance(finished, Finished)
    assert finished.last.step.images.shape[0] == 6
    assert finished.last.step.images.isfinite().all()


def test_a_trap_catches_single_images_through_a_sum(home: Path) -> None:
    """A sum is no protection from a server that parts the images by the model, unless it is rounded coarsely."""
    granted = Knowledge(malicious_server=True, public_data=True)
    fine = SecureAggregation(clip=0.1)
    spec = but(QUICK, clients=5, batch_size=2, attack=RobbingTheFed(), knowledge=granted, aggregation=fine)
    *_, finished = story(spec, home)
    assert sum(psnr > 30 for psnr in finished.last.scores["psnr"]) >= 5


def test_entries_beyond_the_range_of_the_protocol_are_cut_and_the_run_says_so(home: Path) -> None:
    tight = SecureAggregation(clip=1e-3)
    started = next(audit(but(QUICK, aggregation=tight), home=home))
    assert started.capture.passed
    assert started.capture.distance > 0.1
    assert "secure-aggregation can add changed the sum" in started.capture.message
    assert "% of the entries were cut" in started.tables[0].note


@pytest.mark.parametrize("kind", [SECURE, FastSecAgg()], ids=lambda kind: kind.name)
def test_the_labels_of_a_sum_can_be_counted(home: Path, kind) -> None:
    spec = but(QUICK, clients=4, batch_size=3, aggregation=kind, attack=LabelCounts(), model=LeNet())
    *_, finished = story(spec, home)
    assert finished.last.label_accuracy == 1
    assert set(finished.last.scores.values()) == {None}
    assert finished.diagnosis == ()
    (table,) = finished.last.step.tables
    assert sum(row[1] for row in table.rows) == 12
    words = verdict({"scores": {**finished.last.scores, "label_accuracy": 1.0}, "baselines": None})
    assert words == "Found: 100% of the labels; this attack looks for no image."


@pytest.mark.parametrize(
    "defense",
    [Clipping(bound=1e-2), UserLevelDP(clip=1e-2, noise_multiplier=0.0, clients=4), MixUp(k=2), ATS()],
    ids=lambda defense: defense.name,
)
def test_who_knows_a_defense_simulates_it_for_each_client_of_the_sum(home: Path, defense) -> None:
    setup = but(QUICK, batch_size=2, defenses=(defense,))
    naive = observed(setup, home)[1].capture.distance
    adaptive = observed(but(setup, knowledge=Knowledge(defense=True)), home)[1].capture.distance
    assert adaptive < 5e-3 < naive


def test_what_many_clients_pruned_is_known_where_none_of_them_sent_anything(home: Path) -> None:
    setup = but(QUICK, batch_size=2, defenses=(Pruning(ratio=0.9),))
    naive = observed(setup, home)[1].capture.distance
    adaptive = observed(but(setup, knowledge=Knowledge(defense=True)), home)[1].capture.distance
    assert adaptive < naive


# What is refused.


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"clients": 1}, "clients", "needs at least two clients"),
        ({"clients": 5, "dropouts": 5}, "dropouts", "at most 4 can drop out"),
        ({"aggregation": FastSecAgg(layout="grid")}, "clients", "grid of 4 clients is not possible"),
        (
            {"aggregation": SecureAggregation(bits=28), "clients": 20},
            "clients",
            "does not fit; take at most 15 clients",
        ),
        ({"clients": 100, "batch_size": 3}, "clients", f"300 images is more than the {MAX_BATCH}"),
        ({"client": Vertical(), "model": Quadrants()}, "client", "Vertical clients hold parts"),
        ({"knowledge": Knowledge(colluding_clients=4)}, "knowledge.colluding_clients", "at most 3 can collude"),
        (
            {"knowledge": Knowledge(colluding_clients=1), "aggregation": PlainSum()},
            "knowledge.colluding_clients",
            "server sees every update",
        ),
        ({"knowledge": Knowledge(dead_models=True)}, "knowledge.malicious_server", "Only a malicious server"),
        ({"knowledge": LURING, "aggregation": PlainSum()}, "knowledge.dead_models", "sees anyway"),
        ({"knowledge": LURING, "aggregation": CKKS()}, "knowledge.dead_models", "cannot read"),
        ({"knowledge": but(LURING, colluding_clients=1)}, "knowledge.colluding_clients", "one of the two"),
        ({"attack": RGAP(), "client": FedSGD()}, "clients", "the sum holds 4"),
        ({"attack": Fishing(), "knowledge": LURING}, "knowledge.dead_models", "classifier's bias"),
        ({"attack": LabelCounts(), "knowledge": Knowledge(labels=True)}, "knowledge.labels", "nothing to count"),
        ({"defenses": (UserLevelDP(clients=5),)}, "defenses", "a sum of 4 updates"),
        ({"defenses": (UserLevelDP(clients=4),), "dropouts": 1}, "defenses", "a sum of 3 updates"),
        (
            {"defenses": (UserLevelDP(clients=4),), "knowledge": Knowledge(colluding_clients=2)},
            "defenses",
            "a sum of 2 updates",
        ),
        ({"defenses": (UserLevelDP(clients=2),), "aggregation": PlainSum()}, "defenses", "is a single update"),
        ({"clients": 100, "batch_size": 10}, "clients", "at most"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_sentence(home: Path, changes, field: str, reason: str) -> None:
    found = but(QUICK, **changes).objections(home)
    assert any(o.field == field and reason in o.reason for o in found), found
    assert all(o.reason.endswith(".") for o in found)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"defenses": (UserLevelDP(clients=4),)},
        {"defenses": (UserLevelDP(clients=4),), "aggregation": CKKS()},
        {"clients": 100, "batch_size": 2},
        {"aggregation": FastSecAgg(layout="grid"), "clients": 12},
        {"aggregation": CKKS(), "clients": 1, "defenses": (UserLevelDP(),)},
    ],
)
def test_what_fits_is_not_refused(home: Path, changes) -> None:
    assert but(QUICK, **changes).objections(home) == []


def test_the_form_of_a_spec_tells_how_many_images_the_attacker_has_before_anything_is_computed(home: Path) -> None:
    for changes in ({}, {"dropouts": 1}, {"knowledge": Knowledge(colluding_clients=2)}, {"aggregation": PlainSum()}):
        spec = but(QUICK, batch_size=2, **changes)
        seen, started = observed(spec, home)
        assert spec.images_attacked == seen.batch_size == len(started.truth.labels)


# In the store, and on the page.


@pytest.fixture
def kept(home: Path) -> Callable[[AuditSpec], tuple[RunStore, str]]:
    store = RunStore(f"sqlite:///{home / 'gia.db'}", home=home)

    def carried_out(spec: AuditSpec) -> tuple[RunStore, str]:
        run_id = store.submit(spec)
        carry_out(store, run_id, device="cpu", home=home)
        return store, run_id

    return carried_out


def test_a_run_with_nothing_to_invert_is_finished_and_has_no_scores(kept) -> None:
    store, run_id = kept(but(QUICK, aggregation=CKKS(), clients=2))
    run = store.run(run_id)
    assert (run.status, run.error, run.scores) == (Status.FINISHED, None, None)
    bodies = [event.body for event in store.events(run_id)]
    assert [body["kind"] for body in bodies] == ["started", "finished"]
    assert [table["title"] for table in bodies[0]["exchange"]] == ["What the aggregation cost", "What remains"]
    assert "nothing to invert" in bodies[1]["nothing_to_invert"]
    assert store.truth(run_id)


def test_too_many_dropouts_are_a_failed_run_with_its_sentence(kept) -> None:
    store, run_id = kept(but(QUICK, dropouts=3))
    run = store.run(run_id)
    assert run.status is Status.FAILED
    assert run.error.startswith("Too many clients dropped out: 1 of 4")


def test_a_run_that_counts_labels_keeps_what_it_found(kept) -> None:
    store, run_id = kept(but(QUICK, attack=LabelCounts()))
    run = store.run(run_id)
    assert run.status is Status.FINISHED
    assert run.scores["psnr"] is None
    assert run.scores["label_accuracy"] == 1
