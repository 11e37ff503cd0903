"""One click from a finished attack to the same one against a defense."""

from __future__ import annotations

from pathlib import Path

import pytest
from seeded import seed_run
from streamlit.testing.v1 import AppTest

from gia_core.attacks import LinearLeak
from gia_core.defenses import Pruning
from gia_core.models import MLP
from gia_core.spec import AuditSpec
from gia_core.store import RunStore, Status
from ui import add_defense
from ui.compare_choice import COMPARED
from ui.compare_protection import trio

APP = Path(__file__).parent.parent / "app.py"

pytestmark = pytest.mark.usefixtures("installation")


@pytest.fixture
def store(installation: Path) -> RunStore:
    return RunStore(f"sqlite:///{installation / 'gia.db'}", home=installation)


def offered(store: RunStore, home: Path, spec: AuditSpec, **seeded: object) -> list[str]:
    run = store.run(seed_run(store, spec, **seeded))
    return [str(kind.model_fields["name"].default) for kind, _ in add_defense.possible(run, home)]


def test_a_click_starts_what_is_missing_and_compares(store: RunStore) -> None:
    run_id = seed_run(store)
    test = AppTest.from_file(str(APP), default_timeout=30)
    test.query_params["run"] = run_id
    test.run()
    test.button(key="add-pruning").click().run()
    assert not test.exception
    compared = test.session_state[COMPARED]
    assert compared[0] == run_id
    assert len(compared) == 3
    wanted = trio(AuditSpec(defenses=(Pruning(),)))
    assert tuple(store.run(one).spec for one in compared) == wanted
    assert [store.run(one).status for one in compared[1:]] == [Status.QUEUED] * 2


def test_only_defenses_that_fit_are_offered(store: RunStore, installation: Path) -> None:
    several = AuditSpec(model=MLP(), attack=LinearLeak())
    assert {"pruning", "dp-sgd", "gaussian-noise"} <= set(offered(store, installation, several))
    assert "instahide" not in offered(store, installation, AuditSpec())  # it mixes images, and there is one


@pytest.mark.parametrize("status", [Status.STOPPED, Status.FAILED, Status.RUNNING])
def test_an_attack_that_did_not_come_to_its_end_is_no_ceiling(
    store: RunStore, installation: Path, status: Status
) -> None:
    assert offered(store, installation, AuditSpec(), status=status) == []


def test_a_defended_run_and_a_control_are_no_ceiling(store: RunStore, installation: Path) -> None:
    assert offered(store, installation, AuditSpec(defenses=(Pruning(),))) == []
    assert offered(store, installation, AuditSpec(control="random-update")) == []
