"""Several clients in the form and in the live view."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from gia_core import attacker_card
from gia_core.aggregation import CKKS, FastSecAgg, PlainSum, SecureAggregation
from gia_core.attacks import InvertingGradients, LabelCounts
from gia_core.datasets import Digits
from gia_core.models import MLP
from gia_core.spec import AuditSpec, Knowledge
from gia_core.store import RunStore
from gia_core.worker import carry_out
from ui import address, location, preflight
from ui.whatifs import what_ifs

APP = Path(__file__).parent.parent / "app.py"
QUICK = AuditSpec(
    dataset=Digits(size=16),
    model=MLP(width=32),
    attack=InvertingGradients(iterations=2),
    clients=4,
    aggregation=SecureAggregation(),
)


def but(spec: AuditSpec, **changes: Any) -> AuditSpec:
    return spec.model_copy(update=changes)


pytestmark = pytest.mark.usefixtures("installation")


def visit(**query: str) -> AppTest:
    test = AppTest.from_file(str(APP), default_timeout=60)
    for name, value in query.items():
        test.query_params[name] = value
    test.run()
    assert not test.exception
    return test


def shown(spec: AuditSpec, home: Path) -> AppTest:
    """The lab with a run of this setup that is over."""
    store = RunStore(f"sqlite:///{home / 'gia.db'}", home=home)
    run_id = store.submit(spec)
    carry_out(store, run_id, device="cpu", home=home)
    store.close()
    return visit(run=run_id)


def texts(test: AppTest) -> str:
    kinds = ("markdown", "caption", "info", "warning", "error", "html")
    return "\n".join(str(element.value) for kind in kinds for element in getattr(test, kind))


# The form.


def test_the_form_makes_the_setup_that_a_link_describes() -> None:
    spec = but(QUICK, dropouts=1, batch_size=2, knowledge=Knowledge(colluding_clients=1))
    test = visit(**address.to_query(spec))
    assert test.session_state[location.DRAFT] == spec


def test_what_only_other_clients_can_do_is_asked_for_only_where_there_are_some() -> None:
    test = visit()
    assert "Dead models" not in [toggle.label for toggle in test.toggle]
    test.number_input(key="setup.clients").set_value(5).run()
    assert "Dead models" in [toggle.label for toggle in test.toggle]
    assert "Colluding clients" in [number.label for number in test.number_input]
    test.selectbox(key="setup.aggregation").set_value("secure-aggregation").run()
    draft = test.session_state[location.DRAFT]
    assert (draft.clients, draft.aggregation) == (5, SecureAggregation())
    assert not next(found for found in test.button if found.label == "Start").disabled


def test_what_does_not_fit_is_told_before_the_start() -> None:
    test = visit(**address.to_query(but(QUICK, clients=1)))
    assert "needs at least two clients" in "\n".join(warning.value for warning in test.warning)
    assert next(found for found in test.button if found.label == "Start").disabled


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "the sum of the updates of 4 clients (FedSGD, Secure aggregation)"),
        ({"dropouts": 1}, "the sum of the updates of 3 clients"),
        ({"aggregation": PlainSum()}, "the update of one of 4 clients: each is sent in the open (FedSGD)"),
        ({"aggregation": CKKS()}, "encrypted or masked updates of 4 clients, and no key to them (FedSGD, CKKS)"),
        ({"knowledge": Knowledge(colluding_clients=3)}, "what other clients know (3 of 3)"),
        ({"knowledge": Knowledge(colluding_clients=3)}, "the update of one of 4 clients, singled out"),
        ({"clients": 1, "aggregation": PlainSum()}, "the update that the client sends (FedSGD)"),
    ],
)
def test_the_card_says_what_the_server_gets_of_many_clients(changes, words: str) -> None:
    assert words in ", ".join(attacker_card.granted(but(QUICK, **changes)))


def test_the_card_counts_all_images_behind_a_sum() -> None:
    assert "that it comes from 12 private images" in attacker_card.granted(but(QUICK, batch_size=3))
    apart = but(QUICK, batch_size=3, aggregation=CKKS())
    assert "that each comes from 3 private images" in attacker_card.granted(apart)


def test_too_many_dropouts_are_foretold() -> None:
    assert not preflight.cautions(but(QUICK, dropouts=1))
    assert "it takes 3 of 4" in preflight.cautions(but(QUICK, dropouts=2))[0]


# What can be tried.


def test_every_what_if_can_be_carried_out_and_is_another_setup(installation: Path) -> None:
    for spec in (QUICK, but(QUICK, aggregation=FastSecAgg(), clients=9), but(QUICK, aggregation=CKKS())):
        found = list(what_ifs(spec))
        assert found
        assert len({one.words for one in found}) == len(found)
        for one in found:
            assert one.spec.objections(installation) == [], one.words
            assert one.spec != spec


def test_what_ifs_lead_from_a_sum_to_a_single_update() -> None:
    assert [one.words for one in what_ifs(QUICK)] == [
        "Count the labels",
        "Send a dead model to all others",
        "Win over 3 clients",
    ]
    lured = next(one.spec for one in what_ifs(QUICK) if "dead" in one.words)
    assert lured.left == ()
    assert all(one.spec.left for one in what_ifs(lured)), "each of them leaves the server something"
    loose = next(one.spec for one in what_ifs(lured) if "without binding" in one.words)
    assert loose.left == (0,)
    assert [one.words for one in what_ifs(but(QUICK, aggregation=CKKS()))] == ["Win over one client"]
    assert list(what_ifs(but(QUICK, aggregation=PlainSum()))) == []


# The live view.


def test_a_run_on_ciphertexts_says_that_there_is_nothing_to_invert_and_what_remains(installation: Path) -> None:
    test = shown(but(QUICK, aggregation=CKKS(), clients=2), installation)
    assert any("nothing to invert" in info.value for info in test.info)
    assert not test.error
    assert "there was nothing to invert" in texts(test)
    assert "all clients hold the same key" in texts(test)
    next(found for found in test.button if found.label == "Win over one client").click().run()
    assert not test.exception
    assert test.session_state[location.DRAFT].knowledge.colluding_clients == 1


def test_what_adding_up_cost_stands_beside_a_plain_sum(installation: Path) -> None:
    said = texts(shown(QUICK, installation))
    assert "What the aggregation cost" in said
    assert "plain sum" in said
    assert "Bytes received" in said


def test_counted_labels_stand_beside_the_true_ones(installation: Path) -> None:
    test = shown(but(QUICK, attack=LabelCounts(), batch_size=2), installation)
    assert "True count" in texts(test)
    assert any("Found: 100% of the labels" in info.value for info in test.info)


def test_too_many_dropouts_fail_with_their_sentence(installation: Path) -> None:
    test = shown(but(QUICK, dropouts=3), installation)
    assert [error.value for error in test.error] == [
        "Too many clients dropped out: 1 of 4 were left to send updates, and it takes at least 3."
    ]
