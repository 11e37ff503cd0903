"""How the lab asks whether the client checks its models, and shows what it found."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from test_pages import button, store, texts, visit  # noqa: F401

from gia_core.spec import AuditSpec
from gia_core.store import RunStore, Status
from gia_core.verification import RefusedError, Verification
from gia_core.verification.findings import Detector, Finding, Inspection, unknown

pytestmark = pytest.mark.usefixtures("installation")


def test_the_setup_asks_for_it_under_advanced_and_a_run_gets_it(store: RunStore) -> None:  # noqa: F811
    test = visit()
    folded = test.expander(key="advanced")
    assert folded.selectbox(key="setup.verification.policy").value == "off"
    folded.selectbox(key="setup.verification.policy").set_value("refuse").run()
    test.toggle(key="setup.verification.canary").set_value(False).run()
    assert test.query_params["verification.policy"] == "refuse"
    button(test, "Start").click().run()
    (run,) = store.runs()
    assert run.spec.verification == Verification(policy="refuse", canary=False)


def test_a_link_restores_it() -> None:
    test = visit(verification__policy="tell", verification__canary="false")
    assert test.selectbox(key="setup.verification.policy").value == "tell"
    assert not test.toggle(key="setup.verification.canary").value


def test_a_refusal_is_told_with_the_check_that_fired_and_all_others_in_a_table(store: RunStore) -> None:  # noqa: F811
    few, other = (Detector(f"V{n}", name, lambda _: unknown("")) for n, name in ((3, "directions"), (4, "biases")))
    found = (few, Finding(1.25, 1.5, "fail", "Few directions.", low=True)), (other, unknown("Too few biases."))
    inspection = Inspection(found)
    reason = str(RefusedError(inspection, inspection.fired("fail")))
    run_id = store.submit(AuditSpec(verification=Verification(policy="refuse")))
    store.claim("runner")
    store.start(run_id, {})
    tables = [asdict(inspection.table("What the client checked", "One model."))]
    store.record(run_id, {"kind": "finished", "status": "finished", "nothing_to_invert": reason, "tables": tables})
    store.finish(run_id, Status.FINISHED)
    seen = texts(visit(run=run_id))
    assert "The client refused: check V3 (directions: 1.25, threshold: at least 1.5) fired. Few directions." in seen
    for words in ("What the client checked", "V3 directions", "at least 1.5", "✗ failed", "not checked", "One model."):
        assert words in seen
