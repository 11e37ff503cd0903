"""What cannot be carried out is refused before anything runs, with one sentence that names the field."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image
from pydantic import ValidationError

from gia_core.attacks import DLG, IDLG, Attack, InvertingGradients
from gia_core.clients import Client, FedAvg
from gia_core.component import Bound, Condition, Needs
from gia_core.datasets import Dataset, Digits, Upload
from gia_core.datasets.uploads import decode_all
from gia_core.defenses import Defense
from gia_core.models import VGG11, LeNet, Model
from gia_core.spec import AuditSpec, Knowledge, Victim, kinds, unmet


def red_upload() -> Upload:
    picture = io.BytesIO()
    Image.new("RGB", (40, 40), (200, 30, 90)).save(picture, "PNG")
    return Upload(pictures=decode_all([("red.png", picture.getvalue())], size=32))


CATALOGS = {"attack": Attack, "client": Client, "dataset": Dataset, "defenses": Defense, "model": Model}


def test_the_default_can_be_carried_out_anywhere(home: Path):
    assert AuditSpec().objections(home) == []


def test_a_spec_is_a_value():
    spec = AuditSpec(attack=DLG(iterations=7), knowledge=Knowledge(labels=True), victim=Victim(indices=(4,)))
    assert AuditSpec.model_validate_json(spec.model_dump_json()) == spec
    assert hash(spec) == hash(AuditSpec.model_validate_json(spec.model_dump_json()))
    with pytest.raises(ValidationError):
        spec.seed = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    "wrong",
    [
        {"attack": {"name": "dlg", "iterations": -1}},
        {"attack": {"name": "of-the-future"}},
        {"attack": {"name": "dlg", "iteration": 3}},
        {"batch_size": 0},
        {"batch_size": 257},
        {"seed": -1},
        {"defenses": [{"name": "pruning", "ratio": 1.0}]},
        {"surprise": 1},
    ],
    ids=str,
)
def test_what_is_out_of_range_or_unknown_cannot_be_constructed(wrong):
    with pytest.raises(ValidationError):
        AuditSpec.model_validate(wrong)


@pytest.mark.parametrize(
    ("spec", "field", "word"),
    [
        (AuditSpec(dataset={"name": "cifar10"}), "dataset", "fetch"),
        (AuditSpec(batch_size=9, victim=Victim(labels="different"), attack=DLG()), "batch_size", "at most 8"),
        (AuditSpec(victim=Victim(indices=(10**6,))), "batch_size", "1000000"),
        (AuditSpec(batch_size=2, attack=IDLG(labels="idlg")), "attack.labels", "one image"),
        (AuditSpec(attack=IDLG(labels="known")), "attack.labels", "granted"),
        (AuditSpec(batch_size=2, attack=InvertingGradients(labels="idlg")), "attack.labels", "one image"),
        (AuditSpec(dataset=Digits(size=8), model=VGG11()), "model", "8 x 8"),
        (AuditSpec(dataset=red_upload(), model=LeNet(training=1)), "model.training", "no training images"),
    ],
)
def test_what_the_configuration_lacks_is_named(home: Path, spec: AuditSpec, field: str, word: str):
    [objection] = spec.objections(home)
    assert objection.field == field
    assert word in objection.reason
    assert objection.reason.endswith(".")
    assert str(home) not in objection.reason


@pytest.mark.parametrize(
    "spec",
    [
        AuditSpec(batch_size=4, attack=IDLG(), knowledge=Knowledge(labels=True)),
        AuditSpec(batch_size=4, attack=DLG()),
        AuditSpec(batch_size=4, attack=InvertingGradients()),
        AuditSpec(batch_size=8, victim=Victim(labels="different"), attack=DLG()),
    ],
)
def test_what_is_granted_or_searched_is_no_obstacle(home: Path, spec: AuditSpec):
    assert spec.objections(home) == []


def test_the_needs_of_a_method_are_checked_one_by_one():
    needs = Needs(batch_size=1, clients=("fedavg",), models=("mlp", "vit"), knowledge=("labels",))
    reasons = {objection.field: objection.reason for objection in unmet(needs, AuditSpec(batch_size=2))}
    assert set(reasons) == {"batch_size", "client", "model", "knowledge.labels"}
    assert "mlp or vit" in reasons["model"]
    assert unmet(Needs(), AuditSpec()) == []


def test_a_condition_on_a_field_that_the_setup_lacks_is_met():
    smooth = Condition("model.activation", ("sigmoid", "tanh"), "It needs a smooth activation; choose sigmoid.")
    absent = Condition("model.patch", (4,), "It needs patches of 4 pixels.")
    spec = AuditSpec(model=LeNet(activation="relu"))
    assert unmet(Needs(conditions=(smooth, absent)), spec) == [("model.activation", smooth.because)]
    assert unmet(Needs(conditions=(smooth,)), AuditSpec(model=LeNet(activation="tanh"))) == []


def test_a_condition_may_depend_on_another_choice():
    sharp = Condition("model.activation", ("tanh",), "Then it needs tanh.", where=("client.name", "fedavg"))
    needs, spec = Needs(conditions=(sharp,)), AuditSpec(model=LeNet(activation="relu"))
    assert unmet(needs, spec) == []
    assert unmet(needs, spec.model_copy(update={"client": FedAvg()})) == [("model.activation", sharp.because)]
    assert sharp.lacking(spec, None) == ()


def test_a_bound_is_a_number_that_the_rest_of_the_setup_limits():
    enough = Bound("rounds", lambda spec, classes: 9 if classes and spec.rounds < classes else None, "Too few rounds.")
    needs = Needs(conditions=(enough,))
    assert unmet(needs, AuditSpec(rounds=2)) == []  # nobody knows how many classes there are
    assert unmet(needs, AuditSpec(rounds=2), 5) == [("rounds", "Too few rounds.")]
    assert unmet(needs, AuditSpec(rounds=5), 5) == []
    assert enough.lacking(AuditSpec(rounds=2), 5) == (9,)


def test_public_data_is_refused_where_there_is_none(home: Path):
    knows = Knowledge(public_data=True)
    fields = [found.field for found in AuditSpec(dataset=red_upload(), knowledge=knows).objections(home)]
    assert fields == ["knowledge.public_data"]
    assert AuditSpec(knowledge=knows).objections(home) == []


@pytest.mark.parametrize("catalog", CATALOGS)
def test_every_choice_has_its_name_and_help(catalog: str):
    for name, kind in kinds(CATALOGS[catalog]).items():
        assert kind.__doc__
        assert name == name.lower()
        assert all(field.description for own, field in kind.model_fields.items() if own != "name"), name
