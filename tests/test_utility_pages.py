"""What the pages say about the cost of a defense."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from test_utility import QUICK
from typer.testing import CliRunner

from gia_core.__main__ import app
from gia_core.attacks import InvertingGradients
from gia_core.defenses import Pruning
from gia_core.report import archive
from gia_core.spec import AuditSpec
from gia_core.store import RunStore, Status
from gia_core.utility.spec import of_audit
from gia_core.worker import carry_out
from ui.chapters import Chapters
from ui.utility_figures import accuracy

APP = Path(__file__).parent.parent / "app.py"
COST, RUNS = "pages/explore/utility.py", "pages/review/runs.py"
AUDIT = AuditSpec(
    dataset=QUICK.dataset, model=QUICK.model, defenses=(Pruning(),), attack=InvertingGradients(iterations=2)
)


pytestmark = pytest.mark.usefixtures("installation")


@pytest.fixture
def store(installation: Path) -> RunStore:
    return RunStore(f"sqlite:///{installation / 'gia.db'}", home=installation)


def carried_out(store: RunStore, job, home: Path) -> str:
    run_id = store.submit(job)
    assert carry_out(store, run_id, device="cpu", home=home) is None
    assert store.run(run_id).status is Status.FINISHED
    return run_id


def experiment(**changes):
    return QUICK.model_copy(update={"defenses": AUDIT.defenses, **changes})


def visit(page: str | None = None, **query: str) -> AppTest:
    test = AppTest.from_file(str(APP), default_timeout=30)
    test.query_params.update(query)
    test.run()
    if page is not None:
        test.switch_page(page).run()
    assert not test.exception
    return test


def texts(test: AppTest) -> str:
    kinds = ("markdown", "caption", "info", "warning", "error", "title", "html")
    return "\n".join(str(element.value) for kind in kinds for element in getattr(test, kind))


def figures(test: AppTest) -> list[dict]:
    return [json.loads(chart.proto.json)[0]["figure"] for chart in test.get("bidi_component")]


def told(store: RunStore, run_id: str) -> Chapters:
    chapters = Chapters()
    chapters.add(store.events(run_id))
    return chapters


def curve(arm: str, seed: int, values: tuple[float, ...], *, rate: float = 0.1, complete: bool = True) -> dict:
    rounds = [2, 4, 6][: len(values)]
    return {
        "arm": arm,
        "learning_rate": rate,
        "seed": seed,
        "rounds": rounds,
        "accuracy": list(values),
        "diverged": False,
        "complete": complete,
    }


def test_the_curve_of_an_arm_is_the_mean_over_the_seeds_at_its_best_rate_within_a_band():
    chapters = Chapters(began={"chance": 0.1})
    chapters.steps.append(
        {
            "rates": {"undefended": 0.1, "defended": None},
            "curves": [
                curve("undefended", 0, (0.2, 0.4, 0.6)),
                curve("undefended", 0, (0.9, 0.9, 0.9), rate=1.0),
                curve("undefended", 1, (0.4, 0.6, 0.8)),
                curve("defended", 0, (0.3,), complete=False),
            ],
        }
    )
    figure = accuracy(chapters)
    undefended, defended = figure["series"]
    assert undefended["y"] == [0.3, 0.5, 0.7]
    assert undefended["band"] == [[0.2, 0.4, 0.6], [0.4, 0.6, 0.8]]
    assert (defended["x"], defended["y"]) == ([2], [0.3])
    assert "band" not in defended
    assert undefended["dash"] != defended["dash"]
    assert figure["guides"][0]["y"] == 0.1
    assert figure["alt"] == "Accuracy: 70% undefended and 30% defended after 2 rounds."


def test_before_anything_is_measured_the_figure_says_so():
    assert accuracy(Chapters())["alt"] == "Accuracy: nothing was measured yet."


def test_an_experiment_is_shown_with_its_answer_its_curves_and_its_table(store, installation):
    run_id = carried_out(store, experiment(), installation)
    test = visit(COST, run=run_id)
    assert store.run(run_id).scores["sentence"] in texts(test)
    assert "Undefended" in texts(test)
    assert [series["name"] for series in figures(test)[0]["series"]] == ["undefended", "defended"]
    assert not any(button.label == "Pause" for button in test.button)


def test_one_that_waits_can_be_stopped_where_it_is_followed(store):
    run_id = store.submit(experiment())
    test = visit(COST, run=run_id)
    next(button for button in test.button if button.label == "Stop").click().run()
    assert store.run(run_id).status is Status.STOPPED


def test_asked_again_with_another_budget_it_keeps_the_question(store, installation):
    run_id = carried_out(store, experiment(seeds=1), installation)
    test = visit(COST, run=run_id)
    next(box for box in test.number_input if box.label == "Rounds").set_value(9).run()
    next(button for button in test.button if button.label == "Start").click().run()
    newest = store.runs(kind="utility")[0]
    assert newest.id != run_id
    assert newest.job == experiment(seeds=1, rounds=9)


def test_without_a_run_the_page_lists_the_answers_there_are(store, installation):
    assert "There is no experiment yet" in texts(visit(COST))
    run_id = carried_out(store, experiment(seeds=1), installation)
    assert store.run(run_id).scores["sentence"] in texts(visit(COST))


def test_an_audit_with_a_defense_offers_the_experiment_and_starts_it(store, installation):
    run_id = carried_out(store, AUDIT, installation)
    test = visit(run=run_id)
    next(button for button in test.button if button.label == "What does this defense cost the model?").click().run()
    assert store.runs(kind="utility")[0].job == of_audit(AUDIT)


def test_what_is_known_of_the_cost_stands_beside_the_leakage(store, installation):
    audit = carried_out(store, AUDIT, installation)
    known = carried_out(store, experiment(), installation)
    test = visit(run=audit)
    assert store.run(known).scores["sentence"] in texts(test)
    assert not any("cost the model" in button.label for button in test.button)


def test_an_audit_without_a_defense_is_not_asked_what_it_costs(store, installation):
    run_id = carried_out(store, AUDIT.model_copy(update={"defenses": ()}), installation)
    assert "Cost of the defense" not in texts(visit(run=run_id))


def test_runs_lists_it_as_what_it_is_with_its_answer(store, installation):
    run_id = carried_out(store, experiment(seeds=1), installation)
    listed = texts(visit(RUNS))
    assert "Cost of Pruning" in listed
    assert store.run(run_id).scores["sentence"] in listed


def test_its_archive_holds_the_result_and_claims_no_reconstruction(store, installation):
    run_id = carried_out(store, experiment(seeds=1), installation)
    with zipfile.ZipFile(io.BytesIO(archive(store, run_id))) as packed:
        assert set(packed.namelist()) == {"README.txt", "spec.json", "result.json", "events.json", "manifest.json"}
        assert store.run(run_id).scores["sentence"] in packed.read("README.txt").decode()
        assert json.loads(packed.read("spec.json"))["kind"] == "utility"


def test_the_command_line_lists_and_shows_it(store, installation):
    run_id = carried_out(store, experiment(seeds=1), installation)
    shown = CliRunner().invoke(app, ["show", run_id], env={"GIA_HOME": str(installation), "COLUMNS": "200"})
    assert shown.exit_code == 0
    assert "(utility)" in shown.stdout
    assert "unreadable" not in shown.stdout
