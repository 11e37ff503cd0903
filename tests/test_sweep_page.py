"""The page of sweeps on a real store, as a browser would see it but without one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from seeded import carry_out, seed_run
from sqlalchemy import text
from streamlit.testing.v1 import AppTest

from gia_core.spec import AuditSpec
from gia_core.storage.database import FULL, Database
from gia_core.store import RunStore, Status, StoreError
from gia_core.sweep import SweepSpec, key, plan, swept

APP = Path(__file__).parent.parent / "app.py"
SWEEP = "pages/explore/sweep.py"
TWO_AXES = swept(AuditSpec(), {"batch_size": (1, 2), "attack": ("idlg", "r-gap")}, images=2, seeds=1)
ONE_AXIS = swept(AuditSpec(), {"batch_size": (1, 2)}, images=2, seeds=1)


@pytest.fixture
def store(installation: Path) -> RunStore:
    return RunStore(f"sqlite:///{installation / 'gia.db'}", home=installation)


def seeded(store: RunStore, home: Path, spec: SweepSpec, **statuses: Status) -> str:
    """A sweep all of whose runs have finished, but for those of the cells in ``statuses``, as ``_1`` for the second."""
    sweep_id = store.sweeps.add(spec)
    for i, planned in enumerate(plan(spec, home)):
        status = statuses.get(f"_{i}", Status.FINISHED)
        for job in planned.specs:
            run_id = store.sweeps.enter(sweep_id, key(planned.cell), job)
            if status is not Status.QUEUED:
                carry_out(
                    store, run_id, job, status=status, error="The attack diverged." if status == "failed" else None
                )
    return sweep_id


def opened(sweep_id: str = "") -> AppTest:
    test = AppTest.from_file(str(APP), default_timeout=30)
    if sweep_id:
        test.query_params["sweep"] = sweep_id
    test.run()
    if not sweep_id:
        test.switch_page(SWEEP).run()
    assert not test.exception
    return test


def press(test: AppTest, label: str) -> AppTest:
    (button,) = (button for button in test.button if button.label.startswith(label))
    button.click().run()
    assert not test.exception
    return test


def labels(test: AppTest) -> list[str]:
    return [button.label for button in test.button]


def texts(test: AppTest) -> str:
    kinds = ("markdown", "caption", "info", "warning", "error", "title", "html", "toast")
    progress = [bar.proto.text for bar in test.get("progress")]
    return "\n".join([*(str(element.value) for kind in kinds for element in getattr(test, kind)), *progress])


def figure(test: AppTest) -> dict:
    (chart,) = test.get("plotly_chart")
    return json.loads(chart.proto.spec)


def cell_texts(test: AppTest) -> list[str]:
    return [note["text"] for note in figure(test)["layout"]["annotations"]]


# Before the start.


def test_the_number_of_runs_and_the_time_are_told_before_anything_starts(store: RunStore):
    seed_run(store, AuditSpec())
    test = opened()
    assert "4 cells: 4 runs" in texts(test)
    assert "one after the other, judging by earlier runs" in texts(test)
    assert "Start 4 runs" in labels(test)
    assert store.count() == 1


def test_combinations_that_are_not_possible_are_named_with_their_reason(store: RunStore):
    test = opened()
    test.selectbox(key="sweep-second").select("attack").run()
    test.multiselect(key="sweep-values-attack").set_value(["idlg", "r-gap"]).run()
    assert "3 cells not applicable" in texts(test)
    assert "r-gap works on one image at a time." in texts(test)
    assert "Start 5 runs" in labels(test)


def test_images_and_seeds_per_cell_multiply(store: RunStore):
    test = opened()
    test.text_input(key="sweep-values-batch_size").set_value("1, 2").run()
    (shared,) = (toggle for toggle in test.toggle if toggle.label.startswith("The same images"))
    shared.set_value(True).run()
    test.number_input(key="sweep-seeds").set_value(3).run()
    assert "Start 9 runs" in labels(test)


@pytest.mark.parametrize(
    ("typed", "told"),
    [("", "at least one value"), ("two", "Write numbers"), ("1 2 3 4 5 6 7 8 9 10 11 12 13", "at most 12 values")],
)
def test_bad_values_get_a_sentence_and_no_button(store: RunStore, typed: str, told: str):
    test = opened()
    test.text_input(key="sweep-values-batch_size").set_value(typed).run()
    assert told in texts(test)
    assert not [label for label in labels(test) if label.startswith("Start")]


def test_start_queues_every_run_and_shows_the_sweep(store: RunStore):
    test = press(opened(), "Start 4 runs")
    (sweep,) = store.sweeps.newest()
    assert test.query_params["sweep"] == sweep.id
    assert store.count(statuses=[Status.QUEUED]) == 4
    assert [run.spec.batch_size for run in store.runs(sort="oldest")] == [1, 2, 4, 8]
    assert "0 of 4 runs done · 4 waiting" in texts(test)


def test_what_the_store_has_is_not_run_again_and_marked(store: RunStore):
    test = opened()
    press(test, "Start 4 runs")
    again = opened()
    assert "of which 4 are in the store already and are not run again" in texts(again)
    press(again, "Start 4 runs")
    assert store.count() == 4
    assert "4 taken from the store" in texts(again)


def test_a_store_without_room_ends_the_sweep_with_what_it_has(store: RunStore, monkeypatch: pytest.MonkeyPatch):
    enter, given = type(store.sweeps).enter, []

    def limited(sweeps: object, sweep_id: str, cell: str, job: AuditSpec) -> str:
        if len(given) == 2:
            raise StoreError(FULL)
        given.append(cell)
        return enter(sweeps, sweep_id, cell, job)

    monkeypatch.setattr(type(store.sweeps), "enter", limited)
    test = press(opened(), "Start 4 runs")
    assert "full" in texts(test)
    assert "2 runs could not be queued" in texts(test)
    assert store.count() == 2
    assert "2 waiting · 2 missing" in texts(test)


# While it runs, and after.


def test_two_axes_make_a_heat_map_with_the_worst_case_the_median_and_what_is_not_applicable(
    store: RunStore, installation: Path
):
    test = opened(seeded(store, installation, TWO_AXES))
    heat = figure(test)["data"][0]
    assert heat["type"] == "heatmap"
    assert heat["z"][0][0] is not None
    assert heat["z"][1][1] is None
    assert any("blind guess" in text for text in heat["colorbar"]["ticktext"])
    first, *_, last = cell_texts(test)
    assert first.startswith("<b>")
    assert last == "n/a"
    assert "1 cell not applicable" in texts(test)
    assert "not applicable: r-gap works on one image at a time." in texts(test)


def test_one_axis_makes_curves_with_an_interval_and_the_blind_guess(store: RunStore, installation: Path):
    test = opened(seeded(store, installation, ONE_AXIS))
    worst, median, guess = figure(test)["data"]
    assert all(high >= low for high, low in zip(worst["y"], median["y"], strict=True))
    assert len(median["error_y"]["array"]) == 2
    assert "blind guess" in guess["name"]
    assert len({curve["line"]["dash"] for curve in (worst, median, guess)}) == 3


def test_a_failed_run_leaves_its_cell_marked_and_can_be_tried_again(store: RunStore, installation: Path):
    test = opened(seeded(store, installation, ONE_AXIS, _1=Status.FAILED))
    assert cell_texts(test) == ["failed"]
    assert "1 failed" in texts(test)
    test.selectbox(key="sweep-cell").select_index(1).run()
    assert "The attack diverged." in texts(test)
    press(test, "Retry")
    assert "1 waiting" in texts(test)
    assert "failed" not in texts(test)
    assert store.count(statuses=[Status.QUEUED]) == 1


def test_a_deleted_run_leaves_its_cell_empty_and_can_be_made_again(store: RunStore, installation: Path):
    sweep_id = seeded(store, installation, ONE_AXIS)
    store.delete(store.sweeps.entries(sweep_id)[-1].run_id)
    test = opened(sweep_id)
    assert "1 missing" in texts(test)
    press(test, "Resume")
    assert "2 of 3 runs done · 1 waiting" in texts(test)


def test_stop_ends_what_waits_and_resume_asks_for_it_again(store: RunStore, installation: Path):
    test = opened(seeded(store, installation, ONE_AXIS, _1=Status.QUEUED))
    press(test, "Stop")
    assert store.count(statuses=[Status.STOPPED]) == 1
    assert "2 of 3 runs done · 1 missing" in texts(test)
    press(test, "Resume")
    assert store.count(statuses=[Status.QUEUED]) == 1


def test_stop_leaves_runs_alone_that_were_there_before(store: RunStore, installation: Path):
    own = plan(ONE_AXIS, installation)[0].specs[0]
    before = store.submit(own)
    press(opened(seeded(store, installation, ONE_AXIS, _0=Status.QUEUED, _1=Status.QUEUED)), "Stop")
    assert store.run(before).status is Status.QUEUED
    assert store.count(statuses=[Status.STOPPED]) == 2


def test_a_sweep_is_extended_in_place(store: RunStore, installation: Path):
    sweep_id = seeded(store, installation, ONE_AXIS)
    test = opened(sweep_id)
    assert "Add a value, a seed or images" in texts(test)
    test.number_input(key=f"sweep-more-images-{sweep_id}").set_value(4).run()
    test.text_input(key=f"sweep-more-{sweep_id}-batch_size").set_value("4").run()
    assert "4 runs" in texts(test)  # two more of batch size 1, one of 2, one of 4
    press(test, "Extend")
    assert "3 of 7 runs done · 4 waiting" in texts(test)
    assert len(store.sweeps.newest()) == 1


def test_the_runs_of_any_cell_can_be_opened(store: RunStore, installation: Path):
    sweep_id = seeded(store, installation, TWO_AXES)
    test = opened(sweep_id)
    test.session_state["sweep-cell"] = 2
    test.run()
    assert "images" in texts(test)
    assert str(test.selectbox(key="sweep-cell").value) == "2"


def test_the_median_can_give_the_color(store: RunStore, installation: Path):
    spec = swept(AuditSpec(), {"batch_size": (2,), "attack": ("idlg", "dlg")}, images=2, seeds=1)
    test = opened(seeded(store, installation, spec))
    worst = figure(test)["data"][0]["z"]
    test.session_state["sweep-summary"] = "Median"
    test.run()
    median = figure(test)["data"][0]["z"]
    assert all(high > low for high, low in zip(worst[0], median[0], strict=True))


# Links, and what is not there any more.


@pytest.mark.parametrize("sweep_id", ["0" * 16, "../../etc/passwd", "<script>"])
def test_a_link_to_a_sweep_that_is_not_there_says_so(store: RunStore, sweep_id: str):
    assert "This sweep does not exist any more" in texts(opened(sweep_id))


def test_a_sweep_of_another_version_says_so(store: RunStore, installation: Path):
    sweep_id = store.sweeps.add(ONE_AXIS)
    database = Database(f"sqlite:///{installation / 'gia.db'}", busy_timeout=5)
    with database.writing() as connection:
        connection.execute(text("UPDATE sweep SET body = '{}'"))
    database.close()
    assert "Another version of GIA Lab made this sweep" in texts(opened(sweep_id))


def test_a_forgotten_sweep_leaves_its_runs(store: RunStore, installation: Path):
    test = press(opened(seeded(store, installation, ONE_AXIS)), "Forget this sweep")
    assert store.sweeps.newest() == []
    assert store.count() == 3
    assert "Start" in " ".join(labels(test))
