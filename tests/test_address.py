"""A setup travels in a link and arrives as it was."""

from __future__ import annotations

import io
from typing import Annotated

import pytest
from PIL import Image
from pydantic import Field

from gia_core.attacks import DLG, IDLG, Attack, InvertingGradients
from gia_core.clients import FedAvg
from gia_core.datasets import ImageFolder, Photos, Upload
from gia_core.datasets.uploads import decode_all
from gia_core.defenses import GaussianNoise, Pruning
from gia_core.gallery import CARDS
from gia_core.models import ResNet18
from gia_core.spec import AuditSpec, Knowledge, Victim, kinds
from ui.address import branches, from_query, one_of, to_query

SPECS = [
    AuditSpec(),
    AuditSpec(seed=7, batch_size=8, knowledge=Knowledge(labels=True, defense=True)),
    AuditSpec(attack=DLG(restarts=2, tolerance=1e-9), defenses=(Pruning(ratio=0.99), GaussianNoise(scale="relative"))),
    AuditSpec(defenses=(GaussianNoise(), Pruning())),
    AuditSpec(model=ResNet18(mode="train", training=3), client=FedAvg(local_epochs=2, local_lr=0.5)),
    AuditSpec(attack=InvertingGradients(tv_weight=1e-6, boxed=False), dataset=Photos(size=64)),
    AuditSpec(victim=Victim(labels="different", label=3, indices=(0, 5, 7))),
    AuditSpec(dataset=ImageFolder(root="true, [1] & é=?")),
    AuditSpec(rounds=4, server_lr=0.5),
    *(AuditSpec(attack=kind()) for kind in kinds(Attack).values()),
    AuditSpec(knowledge=Knowledge(batch_norm="exact", public_data=True, malicious_server=True)),
    *(spec for card in CARDS for spec in card.specs),
]


@pytest.mark.parametrize("spec", SPECS, ids=range(len(SPECS)))
def test_a_link_restores_the_setup(spec: AuditSpec) -> None:
    assert from_query(to_query(spec)) == spec


def test_a_link_names_the_five_choices_and_else_only_what_differs() -> None:
    query = to_query(AuditSpec(batch_size=4, defenses=(Pruning(ratio=0.5),), seed=3))
    assert query == {
        "dataset": "photos",
        "model": "lenet",
        "batch_size": "4",
        "attack": "idlg",
        "defenses": "pruning",
        "defenses.0.ratio": "0.5",
        "seed": "3",
    }


def test_uploaded_pictures_stay_out_of_a_link() -> None:
    file = io.BytesIO()
    Image.new("RGB", (32, 32)).save(file, "PNG")
    pictures = decode_all([("cat.png", file.getvalue())], size=32)
    query = to_query(AuditSpec(dataset=Upload(pictures=pictures), attack=DLG()))
    assert from_query(query) == AuditSpec(attack=DLG())


def test_a_link_may_be_written_by_hand() -> None:
    spec = from_query({"attack": "dlg", "attack.restarts": "3", "knowledge.labels": "true", "run": "0" * 16})
    assert spec == AuditSpec(attack=DLG(restarts=3), knowledge=Knowledge(labels=True))


def test_an_address_without_a_setup_describes_none() -> None:
    assert from_query({"run": "0" * 16, "embed": "true"}) is None


class Outer(IDLG):
    """Outer: an attack that holds others."""

    inner: Annotated[DLG | InvertingGradients, Field(discriminator="name")] = InvertingGradients(iterations=50)
    """Another attack."""


@pytest.mark.parametrize(
    "outer", [Outer(), Outer(inner=DLG(restarts=2), restarts=5), Outer(inner=InvertingGradients(tv_weight=0.5))]
)
def test_an_attack_within_an_attack_travels_too(outer: Outer) -> None:
    tree = branches(to_query(AuditSpec(attack=outer)))
    assert Outer.model_validate(one_of({"idlg": Outer}, tree["attack"])) == outer


@pytest.mark.parametrize(
    "query",
    [
        {"attack": "no-such-attack"},
        {"batch_size": "-1"},
        {"batch_size": "many"},
        {"defenses.0.ratio": "0.5"},
        {"defenses": "pruning", "defenses.7.ratio": "0.5"},
        {"defenses": "pruning", "defenses.x": "0.5"},
        {"attack.no_such_field": "1"},
        {"attack": "dlg", "attack.restarts.deeper": "1"},
        {"seed.deeper": "1"},
        {"victim": "cat"},
        {"victim.labels.deeper": "equal"},
        {"rounds": "0"},
        {"seed": "[[[["},
    ],
)
def test_a_link_that_makes_no_sense_is_refused_in_one_sentence(query: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"^The link holds a setup that this version cannot read"):
        from_query(query)
