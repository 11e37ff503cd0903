"""Which runs speak for a finding, and which for what is recommended."""

from __future__ import annotations

import pytest
from seeded import seed_run

from gia_core.advisor import Setup, advise
from gia_core.advisor.evidence import after, alike, attacked, before, differences, is_within
from gia_core.aggregation import CKKS
from gia_core.attacks import DLG, InvertingGradients
from gia_core.defenses import Pruning
from gia_core.grade import Grade, grade
from gia_core.models import MLP, LeNet
from gia_core.spec import AuditSpec, Knowledge
from gia_core.store import RunStore, Status
from gia_core.verification import Verification

PRUNED = AuditSpec(defenses=(Pruning(),), attack=InvertingGradients())
KNOWN = PRUNED.model_copy(update={"knowledge": Knowledge(defense=True)})


@pytest.fixture
def store(tmp_path) -> RunStore:
    return RunStore(f"sqlite:///{tmp_path / 'gia.db'}", home=tmp_path)


def ids(store: RunStore, spec: AuditSpec) -> list[str]:
    return [found.run.id for found in alike(spec, store.runs())]


def test_only_runs_against_the_same_kinds_of_things_count(store: RunStore) -> None:
    same = seed_run(store, AuditSpec(attack=DLG()))
    for other in (AuditSpec(model=MLP()), PRUNED):
        seed_run(store, other)
    assert ids(store, AuditSpec()) == [same]


def test_a_run_without_a_result_shows_nothing(store: RunStore) -> None:
    for status in (Status.QUEUED, Status.RUNNING, Status.FAILED):
        seed_run(store, status=status)
    assert ids(store, AuditSpec()) == []


def test_attackers_who_know_the_defense_come_first_then_the_most_similar_then_the_closest(store: RunStore) -> None:
    stranger = seed_run(store, KNOWN.model_copy(update={"defenses": (Pruning(ratio=0.5),)}))
    naive = seed_run(store, PRUNED)
    far = seed_run(store, KNOWN, closeness=0.3)
    close = seed_run(store, KNOWN, closeness=0.9)
    assert ids(store, PRUNED) == [close, far, stranger, naive]


def test_the_attacker_and_chance_make_no_difference_between_setups() -> None:
    other = AuditSpec(attack=DLG(), knowledge=Knowledge(labels=True), seed=7)
    assert differences(AuditSpec(), other) == ()
    assert differences(AuditSpec(), other.model_copy(update={"model": LeNet(training=3)})) == ("model.training",)
    assert differences(AuditSpec(), other.model_copy(update={"batch_size": 2})) == ("batch_size",)


def test_a_finding_is_shown_by_a_run_that_has_it_and_a_recommendation_by_one_that_has_not(store: RunStore) -> None:
    as_it_is = seed_run(store, AuditSpec(attack=DLG()))
    as_recommended = seed_run(store, AuditSpec(model=LeNet(activation="relu"), attack=InvertingGradients()))
    setup = Setup(AuditSpec())
    advice = next(advice for advice in advise(setup) if advice.rule.id == "N1")
    found, helped = before(advice, setup, store.runs()), after(advice, setup, store.runs())
    assert found is not None
    assert helped is not None
    assert (found.run.id, helped.run.id) == (as_it_is, as_recommended)


def test_that_nobody_tampered_shows_nothing_about_a_check(store: RunStore) -> None:
    malicious = Knowledge(malicious_server=True)
    seed_run(store, AuditSpec(attack=DLG()))
    setup = Setup(AuditSpec(knowledge=malicious))
    advice = next(advice for advice in advise(setup) if advice.rule.id == "V2")
    assert after(advice, setup, store.runs()) is None
    checked = AuditSpec(attack=DLG(), knowledge=malicious, verification=Verification(policy="refuse"))
    run_id = seed_run(store, checked)
    found = after(advice, setup, store.runs())
    assert found is not None
    assert found.run.id == run_id


def test_what_was_never_run_is_not_measured(store: RunStore) -> None:
    setup = Setup(AuditSpec())
    assert [before(advice, setup, store.runs()) for advice in advise(setup)] == [None] * len(advise(setup))


def test_the_closest_image_stands_for_a_batch(store: RunStore) -> None:
    seed_run(store, AuditSpec(batch_size=4, attack=DLG()), closeness=0.5)
    (found,) = alike(AuditSpec(batch_size=4), store.runs())
    psnr = found.run.scores["psnr"]
    assert found.score("psnr") == max(psnr)
    assert psnr[found.closest] == max(psnr)
    assert found.score("lpips") is None


def test_nothing_to_invert_is_a_measurement_too(store: RunStore) -> None:
    encrypted = AuditSpec(aggregation=CKKS(), clients=3, attack=InvertingGradients())
    run_id = store.submit(encrypted)
    store.start(run_id, {})
    store.record(run_id, {"kind": "finished", "status": "finished", "nothing_to_invert": "Ciphertexts only."})
    store.finish(run_id, Status.FINISHED)
    (found,) = alike(encrypted, store.runs())
    assert (found.closest, found.score("psnr")) == (0, None)
    counted = attacked(found.run, store.events(run_id), title="IG")
    assert (counted.recovered, counted.label_accuracy) == ([False], None)
    assert grade([counted], formal=False).grade is Grade.LOW


def test_labels_alone_count_as_labels(store: RunStore) -> None:
    run_id = store.submit(AuditSpec())
    store.start(run_id, {})
    store.record(run_id, {"kind": "finished", "scores": {"psnr": None, "ssim": None, "label_accuracy": 1.0}})
    store.finish(run_id, Status.FINISHED)
    (found,) = alike(AuditSpec(), store.runs())
    assert (found.score("psnr"), found.labels) == (None, 1.0)
    graded = grade([attacked(found.run, store.events(run_id), title="labels")], formal=False)
    assert (graded.grade, graded.images, graded.labels) == (Grade.MEDIUM, 0, 1.0)


def test_a_run_is_counted_with_its_blind_guesses(store: RunStore) -> None:
    run = store.run(seed_run(store))
    counted = attacked(run, store.events(run.id), title="iDLG")
    assert counted.recovered == [True]
    assert counted.guesses[0] is not None


@pytest.mark.parametrize(
    ("knows", "declared", "within"),
    [
        (Knowledge(), Knowledge(), True),
        (Knowledge(labels=True), Knowledge(), False),
        (Knowledge(), Knowledge(labels=True), True),
        (Knowledge(defense=True), Knowledge(), True),
        (Knowledge(local_training="guessed"), Knowledge(local_training="none"), False),
        (Knowledge(local_training="guessed"), Knowledge(local_training="exact"), True),
        (Knowledge(batch_norm="exact"), Knowledge(batch_norm="running"), False),
        (Knowledge(batch_norm="running"), Knowledge(batch_norm="exact"), True),
    ],
)
def test_an_attacker_within_the_declared_threat_knows_no_more(
    knows: Knowledge, declared: Knowledge, within: bool
) -> None:
    assert is_within(knows, declared) is within
