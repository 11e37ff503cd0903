"""The rubric, rule by rule: a setup to which it applies, one to which it does not, and what its change comes to."""

from __future__ import annotations

from pathlib import Path

import pytest

from gia_core.advisor import RULES, Deployment, Rule, Setup, Severity, Stage, advise
from gia_core.advisor.formal import mechanism
from gia_core.advisor.network import NETWORK
from gia_core.advisor.training import TRAINING
from gia_core.advisor.verification import VERIFICATION
from gia_core.aggregation import CKKS, Aggregation, Paillier, SecureAggregation
from gia_core.attacks import InvertingGradients
from gia_core.clients import Client, FedAvg, FedSGD, Vertical
from gia_core.component import Component
from gia_core.datasets import Dataset, Digits, Photos
from gia_core.defenses import (
    ATS,
    DPSGD,
    Clipping,
    GaussianNoise,
    InstaHide,
    LaplaceNoise,
    MixUp,
    Precode,
    Pruning,
    Quantization,
    Soteria,
    UserLevelDP,
)
from gia_core.models import CNN6, MLP, ConvNet, LeNet, Model, Quadrants, ResNet18, ViT
from gia_core.spec import AuditSpec, Knowledge, Victim, kinds
from gia_core.verification import Verification


def setup(*, epsilon: float | None = None, deployment: dict | None = None, **fields) -> Setup:
    return Setup(AuditSpec(**fields), Deployment(**deployment or {}), epsilon)


def told(**fact: bool) -> Setup:
    """What a setup cannot tell, beside a setup to which as little as possible applies."""
    return Setup(AuditSpec(), Deployment(**fact))


PASSIVE, ACTIVE = Knowledge(), Knowledge(malicious_server=True)


def hidden(*, clients: int = 10, deployment: dict | None = None, knowledge: Knowledge = PASSIVE, **options) -> Setup:
    """Secure aggregation, at its defaults but for these options."""
    protocol = SecureAggregation(**options)
    return setup(aggregation=protocol, clients=clients, deployment=deployment, knowledge=knowledge)


def checked(*, knowledge: Knowledge = ACTIVE, **options) -> Setup:
    """Clients that verify what a malicious server sends."""
    return setup(knowledge=knowledge, verification=Verification(**options))


PRIVATE = (DPSGD(),)
BATCH_NORM, GROUP_NORM = ConvNet(mode="train"), ConvNet(normalization="group")

CASES: list[tuple[str, Severity, Setup, Setup]] = [
    ("N1", Severity.HIGH, setup(model=LeNet(activation="tanh")), setup(model=LeNet(activation="relu"))),
    ("N2", Severity.CRITICAL, setup(model=MLP()), setup(model=MLP(), batch_size=2)),
    ("N2", Severity.HIGH, setup(model=MLP(), batch_size=2), setup(model=LeNet(), batch_size=2)),
    ("N2", Severity.HIGH, setup(model=MLP(), aggregation=SecureAggregation(), clients=10), setup(model=MLP())),
    (
        "N3",
        Severity.HIGH,
        setup(model=BATCH_NORM, knowledge=Knowledge(batch_norm="exact")),
        setup(model=BATCH_NORM, knowledge=Knowledge(batch_norm="running")),
    ),
    ("N4", Severity.MEDIUM, setup(model=ConvNet(mode="eval")), setup(model=BATCH_NORM)),
    ("N5", Severity.HIGH, told(shallow_wide_residual=True), told()),
    ("N6", Severity.MEDIUM, setup(model=CNN6(), dataset=Digits(size=8)), setup(model=CNN6(), dataset=Photos())),
    ("N7", Severity.MEDIUM, setup(model=CNN6()), setup(model=LeNet())),
    ("N7", Severity.MEDIUM, setup(model=CNN6()), setup(model=CNN6(), dataset=Photos(size=64))),
    ("N7", Severity.MEDIUM, setup(model=CNN6()), setup(model=CNN6(), defenses=(DPSGD(),))),
    ("N8", Severity.HIGH, setup(model=ViT()), setup(model=CNN6())),
    ("N8", Severity.HIGH, told(learned_embeddings=True), told()),
    ("N9", Severity.LOW, told(dropout_as_defense=True), told()),
    ("N10", Severity.MEDIUM, told(adapters_only=True), told()),
    ("N11", Severity.MEDIUM, setup(model=LeNet()), setup(model=LeNet(training=1))),
    ("T1", Severity.CRITICAL, setup(batch_size=1), setup(batch_size=2)),
    ("T1", Severity.CRITICAL, setup(batch_size=1), setup(batch_size=1, client=FedAvg())),
    ("T1", Severity.CRITICAL, setup(batch_size=1), setup(batch_size=1, clients=3, aggregation=CKKS())),
    ("T1", Severity.CRITICAL, setup(batch_size=1, clients=10), hidden()),
    ("T2", Severity.HIGH, hidden(clients=5), hidden(clients=8)),
    ("T2", Severity.HIGH, setup(batch_size=7), setup(batch_size=8)),
    ("T2", Severity.HIGH, setup(batch_size=2), setup(batch_size=1)),
    ("T3", Severity.MEDIUM, setup(client=FedAvg()), setup(client=FedAvg(local_epochs=2))),
    ("T3", Severity.MEDIUM, setup(client=FedAvg(), batch_size=8), setup(client=FedSGD(), batch_size=8)),
    (
        "T4",
        Severity.MEDIUM,
        setup(client=FedAvg(local_epochs=2), batch_size=16),
        setup(client=FedAvg(local_epochs=2), batch_size=17),
    ),
    (
        "T4",
        Severity.MEDIUM,
        setup(client=FedAvg(local_epochs=2)),
        setup(client=FedAvg(local_epochs=2), knowledge=Knowledge(local_training="none")),
    ),
    ("T5", Severity.MEDIUM, setup(batch_size=8, victim=Victim(labels="different")), setup(batch_size=8)),
    ("T5", Severity.MEDIUM, setup(batch_size=1), setup(batch_size=2)),
    ("T6", Severity.INFO, setup(), setup(defenses=PRIVATE)),
    ("T6", Severity.INFO, setup(defenses=(DPSGD(noise_multiplier=0),)), setup(defenses=(UserLevelDP(),))),
    ("T7", Severity.MEDIUM, setup(defenses=(GaussianNoise(),)), setup(defenses=PRIVATE)),
    ("T7", Severity.MEDIUM, setup(defenses=(LaplaceNoise(),)), setup()),
    ("T7", Severity.MEDIUM, setup(defenses=(Clipping(),)), setup(defenses=(Pruning(),))),
    (
        "T8",
        Severity.HIGH,
        setup(defenses=PRIVATE, model=BATCH_NORM),
        setup(defenses=PRIVATE, model=GROUP_NORM),
    ),
    ("T8", Severity.HIGH, setup(defenses=PRIVATE, deployment={"fixed_batches": True}), setup(defenses=PRIVATE)),
    ("T8", Severity.HIGH, setup(defenses=PRIVATE, model=BATCH_NORM), setup(model=BATCH_NORM)),
    ("T9", Severity.MEDIUM, setup(defenses=PRIVATE, epsilon=10.1), setup(defenses=PRIVATE, epsilon=10.0)),
    ("T9", Severity.MEDIUM, setup(defenses=(DPSGD(delta=0.02),)), setup(defenses=(DPSGD(delta=0.009),))),
    ("T10", Severity.MEDIUM, setup(defenses=(Pruning(ratio=0.98),)), setup(defenses=(Pruning(ratio=0.99),))),
    (
        "T10",
        Severity.MEDIUM,
        setup(defenses=(Quantization(scheme="qsgd", levels=8),)),
        setup(defenses=(Quantization(scheme="qsgd", levels=7),)),
    ),
    ("T10", Severity.MEDIUM, setup(defenses=(Quantization(scheme="sign"),)), setup(defenses=(*PRIVATE, Pruning()))),
    ("T10", Severity.MEDIUM, setup(defenses=(Pruning(),)), setup(defenses=(Quantization(scheme="fp32"),))),
    *[
        ("T11", Severity.HIGH, setup(defenses=(broken,)), setup(defenses=PRIVATE))
        for broken in (Soteria(), Precode(), ATS(), MixUp(), InstaHide())
    ],
    ("T12", Severity.MEDIUM, setup(), setup(aggregation=SecureAggregation(), clients=10)),
    ("T12", Severity.MEDIUM, setup(clients=10), setup(aggregation=CKKS(), clients=10)),
    (
        "T13",
        Severity.HIGH,
        setup(aggregation=SecureAggregation(), clients=4),
        setup(aggregation=SecureAggregation(), clients=5),
    ),
    ("T13", Severity.HIGH, hidden(bind_model=False), hidden()),
    ("T13", Severity.HIGH, hidden(threshold=0.5, knowledge=ACTIVE), hidden(threshold=0.5)),
    ("T13", Severity.HIGH, hidden(threshold=0.5, knowledge=ACTIVE), hidden(knowledge=ACTIVE)),
    ("T13", Severity.HIGH, hidden(deployment={"same_cohort": True}), setup(deployment={"same_cohort": True})),
    ("T14", Severity.HIGH, hidden(bits=28, clients=16), hidden(bits=28, clients=15)),
    ("T14", Severity.HIGH, hidden(deployment={"entries_cut_off": True}), setup(deployment={"entries_cut_off": True})),
    ("T15", Severity.CRITICAL, hidden(deployment={"predictable_masks": True}), hidden()),
    ("T16", Severity.MEDIUM, setup(aggregation=Paillier(), clients=3), hidden()),
    ("T16", Severity.MEDIUM, setup(aggregation=CKKS(), clients=3), setup(clients=3)),
    ("T17", Severity.MEDIUM, setup(rounds=2), setup(rounds=1)),
    ("T18", Severity.HIGH, setup(client=Vertical(), model=Quadrants()), setup(model=Quadrants())),
    *[
        (id, severity, checked(policy=lenient), checked(policy=strict))
        for severity, ids, lenient, strict in (
            (Severity.HIGH, ("V1", "V2", "V3", "V4", "V5", "V7", "V8", "V9", "V10", "V11", "V13"), "tell", "refuse"),
            (Severity.MEDIUM, ("V6", "V12"), "refuse", "strict"),
        )
        for id in ids
    ],
    ("V1", Severity.HIGH, checked(policy="off"), checked(policy="off", knowledge=PASSIVE)),
    ("V13", Severity.HIGH, checked(policy="refuse", canary=False), checked(policy="refuse", canary=True)),
    ("V14", Severity.HIGH, told(no_reference_model=True), told()),
    ("V15", Severity.MEDIUM, setup(knowledge=ACTIVE), setup()),
]
"""Rule, severity, a setup to which it applies and one to which it does not."""


def rules(id: str, severity: Severity) -> list[Rule]:
    return [rule for rule in RULES if (rule.id, rule.severity) == (id, severity)]


@pytest.mark.parametrize(
    ("id", "severity", "applies", "not_so"), CASES, ids=[f"{case[0]}-{i}" for i, case in enumerate(CASES)]
)
def test_a_rule_applies_exactly_where_it_says(id: str, severity: Severity, applies: Setup, not_so: Setup) -> None:
    assert any(rule.applies(applies) for rule in rules(id, severity))
    assert not any(rule.applies(not_so) for rule in rules(id, severity))


def test_every_rule_has_its_cases() -> None:
    assert {(rule.id, rule.severity) for rule in RULES} == {case[:2] for case in CASES}


CHANGES = [(rule, case[2]) for case in CASES for rule in rules(*case[:2]) if rule.change and rule.applies(case[2])]


@pytest.mark.parametrize(("rule", "found"), CHANGES, ids=lambda value: value.id if isinstance(value, Rule) else "")
def test_the_recommended_setup_is_valid_and_meets_the_rule(rule: Rule, found: Setup) -> None:
    assert rule.change is not None
    changed = rule.change(found.spec)
    assert AuditSpec.model_validate_json(changed.model_dump_json()) == changed
    met = not rule.applies(found.moved_to(changed))
    assert met or found.deployment != Deployment()  # what a setup cannot tell it cannot change either


@pytest.mark.parametrize(("rule", "found"), CHANGES, ids=lambda value: value.id if isinstance(value, Rule) else "")
def test_the_recommended_setup_can_be_attacked(rule: Rule, found: Setup, home: Path) -> None:
    assert rule.change is not None
    searched = rule.change(found.spec).model_copy(update={"attack": InvertingGradients()})
    assert searched.objections(home) == []


def test_advice_is_sorted_by_severity_and_then_as_in_the_rubric() -> None:
    found = advise(setup(model=MLP(activation="sigmoid")))
    ranks = [advice.rule.severity.rank for advice in found]
    assert ranks == sorted(ranks)
    assert [advice.rule.id for advice in found][:3] == ["N2", "T1", "N1"]


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        (field, kind)
        for field, union in (("dataset", Dataset), ("model", Model), ("client", Client), ("aggregation", Aggregation))
        for kind in kinds(union).values()
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_every_choice_can_be_advised_on(field: str, kind: type[Component]) -> None:
    own = {name: () for name, info in kind.model_fields.items() if info.is_required()}
    part = kind.model_construct(**own) if own else kind()
    assert all(advice.rule in RULES for advice in advise(Setup(AuditSpec().model_copy(update={field: part}))))


def test_no_change_is_offered_where_it_would_change_nothing() -> None:
    found = advise(setup(defenses=PRIVATE, deployment={"fixed_batches": True}))
    assert next(advice for advice in found if advice.rule.id == "T8").changed is None


def test_rules_stand_in_the_table_of_their_stage() -> None:
    tables = {Stage.NETWORK: NETWORK, Stage.TRAINING: TRAINING, Stage.VERIFICATION: VERIFICATION}
    assert all(rule.stage is stage for stage, table in tables.items() for rule in table)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_is_told_in_whole_sentences_with_its_source(rule: Rule) -> None:
    assert all(text.endswith(".") and text[0].isupper() for text in (rule.finding, rule.recommendation))
    assert rule.source
    assert "safe" not in f"{rule.finding} {rule.recommendation}".lower().split()


def test_another_mechanism_has_an_epsilon_of_its_own() -> None:
    counted = setup(defenses=PRIVATE, epsilon=2.0)
    assert counted.moved_to(AuditSpec(defenses=(*PRIVATE, Pruning()))).epsilon == 2.0
    assert counted.moved_to(AuditSpec(defenses=(DPSGD(noise_multiplier=2),))).epsilon is None


def test_the_stronger_promise_halves_epsilon_at_least() -> None:
    from gia_core.accounting import count
    from gia_core.advisor.changes import stronger_promise
    from gia_core.defenses.stacking import promise

    weak = AuditSpec(defenses=(DPSGD(noise_multiplier=0.5, sample_rate=0.1),))
    before, after = (promise(spec.defenses) for spec in (weak, stronger_promise(weak)))
    assert before is not None
    assert after is not None
    assert count(after, "rdp") <= count(before, "rdp") / 2


def test_dp_in_place_of_local_training_is_user_level(home: Path) -> None:
    rule = next(rule for rule in RULES if rule.id == "T6")
    assert rule.change is not None
    changed = rule.change(AuditSpec(client=FedAvg(local_epochs=3), defenses=(MixUp(k=1), Pruning())))
    assert changed.defenses == (UserLevelDP(), Pruning())
    assert changed.objections(home) == []


def test_batch_norm_gives_way_to_group_norm_where_dp_is_added() -> None:
    rule = next(rule for rule in RULES if rule.id == "T6")
    assert rule.change is not None
    assert rule.change(AuditSpec(model=ResNet18())).model == ResNet18(normalization="group")


# What counts as a formal mechanism.

EPSILON = 8.0
PROVEN = (DPSGD(delta=0.009),)


@pytest.mark.parametrize(
    ("described", "counts"),
    [
        (setup(defenses=PROVEN, epsilon=EPSILON), True),
        (setup(defenses=PROVEN, epsilon=EPSILON + 0.1), False),
        (setup(defenses=PROVEN), False),
        (setup(defenses=(DPSGD(delta=0.01),), epsilon=EPSILON), False),
        (setup(defenses=(DPSGD(noise_multiplier=0),), epsilon=EPSILON), False),
        (setup(defenses=PROVEN, epsilon=EPSILON, model=BATCH_NORM), False),
        (setup(defenses=PROVEN, epsilon=EPSILON, deployment={"fixed_batches": True}), False),
        (setup(defenses=(Clipping(), GaussianNoise()), epsilon=EPSILON), False),
        (setup(defenses=(UserLevelDP(clients=10),), epsilon=EPSILON), False),
        (setup(defenses=(UserLevelDP(clients=10),), epsilon=EPSILON, clients=10, aggregation=CKKS()), False),
        (
            setup(defenses=(UserLevelDP(clients=10),), epsilon=EPSILON, clients=10, aggregation=SecureAggregation()),
            True,
        ),
        (setup(), False),
        (hidden(), True),
        (hidden(threshold=0.5), False),
        (hidden(bind_model=False), False),
        (hidden(deployment={"same_cohort": True}), False),
        (hidden(deployment={"predictable_masks": True}), False),
        (hidden(knowledge=Knowledge(colluding_clients=9)), False),
        (setup(aggregation=CKKS(), clients=10), False),
        (setup(clients=10), False),
    ],
)
def test_only_a_mechanism_with_a_proof_is_formal(described: Setup, counts: bool) -> None:
    assert (mechanism(described) is not None) is counts
