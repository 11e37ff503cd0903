"""What does not fit together comes with the one change that helps, whichever method it is about."""

from __future__ import annotations

import io
from pathlib import Path
from typing import ClassVar

import pytest
from PIL import Image

from gia_core.attacks import APRIL, CAFE, IDLG, Attack, CocktailParty, InvertingGradients
from gia_core.clients import FedAvg, FedSGD, Vertical
from gia_core.component import Component, Condition, Needs
from gia_core.datasets import CIFAR10, Upload
from gia_core.datasets.uploads import decode_all
from gia_core.models import MLP, ConvNet, LeNet, Quadrants, ViT
from gia_core.spec import AuditSpec, Knowledge, kinds
from ui.remedies import all_met, remedies, with_value


class Picky(IDLG):
    """Picky: has every kind of need."""

    needs: ClassVar[Needs] = Needs(
        batch_size=2,
        clients=("fedsgd",),
        models=("convnet", "mlp"),
        knowledge=("malicious_server", "batch_norm"),
        conditions=(Condition("model.activation", ("leaky-relu", "tanh"), "It inverts the activation."),),
    )


CONTENT = AuditSpec(
    model=ConvNet(activation="tanh"), attack=Picky(), knowledge=Knowledge(malicious_server=True, batch_norm="exact")
)


def offered(spec: AuditSpec, home: Path) -> dict[str, AuditSpec]:
    """Every remedy of every objection, by its words."""
    objections = spec.objections(home)
    assert objections
    return {found.words: found.spec for objection in objections for found in remedies(spec, objection, home)}


def test_a_setup_that_fits_needs_no_remedy(home: Path) -> None:
    assert CONTENT.objections(home) == []
    assert all_met(CONTENT, home) == CONTENT


@pytest.mark.parametrize(
    ("place", "wrong", "words"),
    [
        ("client", FedAvg(), {"Use the client FedSGD"}),
        ("model", LeNet(activation="tanh"), {"Use the model ConvNet with leaky relu"}),
        ("model.activation", "relu", {"Set the activation to leaky relu"}),
        ("knowledge.malicious_server", False, {"Grant: malicious server"}),
        ("knowledge.batch_norm", "none", {"Grant: batch norm (running)"}),
    ],
)
def test_what_is_missing_is_one_click_away(place: str, wrong: object, words: set[str], home: Path) -> None:
    found = offered(with_value(CONTENT, place, wrong), home)
    assert set(found) == words
    (remedied,) = found.values()
    assert remedied.objections(home) == []


def test_the_largest_batch_that_the_attack_can_handle_is_offered(home: Path) -> None:
    found = offered(with_value(CONTENT, "batch_size", 9), home)
    assert {words: spec.batch_size for words, spec in found.items()} == {"Set the batch size to 2": 2}


def test_numbers_that_do_not_suit_the_rest_have_a_better_one(home: Path) -> None:
    split = AuditSpec(model=Quadrants(), client=Vertical(round_batch_size=2), batch_size=6, rounds=3, attack=CAFE())
    assert {words: spec.rounds for words, spec in offered(split, home).items()} == {"Set the rounds to 12": 12}
    crowded = AuditSpec(model=ConvNet(), batch_size=16, attack=CocktailParty())
    assert set(offered(crowded, home)) == {"Set the batch size to 7", "Use the model MLP"}


def test_a_condition_of_one_choice_is_met_by_changing_either(home: Path) -> None:
    standard = AuditSpec(model=ViT(), attack=APRIL(equations="attention"))
    assert set(offered(standard, home)) == {"Set the first block to bare", "Set the equations to embedding"}


def test_where_either_of_two_changes_helps_both_are_offered(home: Path) -> None:
    spec = AuditSpec(attack=IDLG(labels="known"))
    found = offered(spec, home)
    assert found == {
        "Set the labels to auto": AuditSpec(attack=IDLG(labels="auto")),
        "Grant: labels": AuditSpec(attack=IDLG(labels="known"), knowledge=Knowledge(labels=True)),
    }
    several = offered(AuditSpec(batch_size=3, attack=IDLG(labels="idlg")), home)
    assert set(several) == {"Set the labels to auto", "Set the batch size to 1"}


def test_what_the_rest_of_the_setup_lacks_has_remedies_too(home: Path) -> None:
    file = io.BytesIO()
    Image.new("RGB", (32, 32)).save(file, "PNG")
    own = Upload(pictures=decode_all([("cat.png", file.getvalue())], size=32))
    untrainable = AuditSpec(dataset=own, model=LeNet(training=3), knowledge=Knowledge(public_data=True))
    assert set(offered(untrainable, home)) == {"Set the training to 0", "Withhold: public data"}


def test_what_has_to_be_fetched_first_has_no_button_that_pretends_otherwise(home: Path) -> None:
    found = offered(AuditSpec(dataset=CIFAR10()), home)
    assert all(spec.objections(home) == [] for spec in found.values())
    assert not any("CIFAR-10" in words for words in found)


def test_several_remedies_in_a_row_meet_everything(home: Path) -> None:
    spec = AuditSpec(batch_size=9, attack=Picky(), client=FedAvg())
    assert len(spec.objections(home)) >= 5
    met = all_met(spec, home)
    assert met is not None
    assert met.objections(home) == []
    assert (met.batch_size, met.client, met.model.name, met.attack) == (2, FedSGD(), "convnet", Picky())


def test_what_no_change_of_the_setup_can_meet_is_not_promised(home: Path) -> None:
    class Impossible(IDLG):
        """Impossible: wants a model that nobody has."""

        needs: ClassVar[Needs] = Needs(models=("of-the-future",))

    spec = AuditSpec(attack=Impossible())
    assert remedies(spec, spec.objections(home)[0], home) == []
    assert all_met(spec, home) is None


BEGUN = [
    AuditSpec(),
    AuditSpec(batch_size=8, model=MLP(), client=FedAvg(), rounds=2),
    AuditSpec(batch_size=64, attack=InvertingGradients()),
]


@pytest.mark.parametrize("begun", BEGUN, ids=["usual", "another client", "a large batch"])
@pytest.mark.parametrize("kind", kinds(Attack).values(), ids=lambda kind: kind.__name__)
def test_every_attack_of_the_catalog_can_be_reached_by_clicks(
    kind: type[Component], begun: AuditSpec, home: Path
) -> None:
    spec = begun.model_copy(update={"attack": kind()})
    for objection in spec.objections(home):
        for remedy in remedies(spec, objection, home):
            assert set(remedy.spec.objections(home)) < set(spec.objections(home))
            assert remedy.spec.attack.name == spec.attack.name
    met = all_met(spec, home)
    assert met is not None
    assert met.objections(home) == []
