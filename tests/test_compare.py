"""Runs side by side, on a real store, as a browser would see them but without one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from runs import make_unreadable
from seeded import IN_ONE_STEP, Told, seed_run
from streamlit.testing.v1 import AppTest

from gia_core.attacks import DLG, InvertingGradients, LinearLeak
from gia_core.defenses import Pruning
from gia_core.jobs import AUDIT, KINDS
from gia_core.spec import AuditSpec, Knowledge, Victim
from gia_core.store import RunStore, Status
from ui import compare_choice, location
from ui.compare_protection import trio
from ui.compare_variants import WAYS

APP = Path(__file__).parent.parent / "app.py"
LAB, COMPARE, RUNS = "pages/explore/lab.py", "pages/explore/compare.py", "pages/review/runs.py"
PRUNED = AuditSpec(
    batch_size=6, victim=Victim(labels="different"), defenses=(Pruning(),), knowledge=Knowledge(labels=True)
)


pytestmark = pytest.mark.usefixtures("installation")


@pytest.fixture
def store(installation: Path) -> RunStore:
    return RunStore(f"sqlite:///{installation / 'gia.db'}", home=installation)


def compare(*run_ids: str) -> AppTest:
    """What the link to a comparison opens."""
    test = AppTest.from_file(str(APP), default_timeout=30)
    if run_ids:
        test.query_params["compare"] = ",".join(run_ids)
    test.run()
    if not run_ids:
        test.switch_page(COMPARE).run()
    assert not test.exception
    return test


def lab(**query: str) -> AppTest:
    test = AppTest.from_file(str(APP), default_timeout=30)
    for name, value in query.items():
        test.query_params[name] = value
    return test.run()


def texts(test: AppTest) -> str:
    kinds = ("markdown", "caption", "info", "warning", "error", "title", "html", "toast")
    return "\n".join(str(element.value) for kind in kinds for element in getattr(test, kind))


def pictures(test: AppTest) -> dict[str, str]:
    """Every picture's address by its alternative text."""
    return {picture.alt: picture.url for image in test.image for picture in image.proto.imgs}


def mounted(test: AppTest) -> list[dict | list]:
    return [json.loads(chart.proto.json) for chart in test.get("bidi_component")]


def figure(test: AppTest) -> dict:
    (found,) = (data[0]["figure"] for data in mounted(test) if "figure" in data[0])
    return found


def slider(test: AppTest) -> dict:
    (found,) = (data[0] for data in mounted(test) if "positions" in data[0])
    return found


def move(test: AppTest, run_ids: list[str], at: int | None) -> AppTest:
    test.session_state[f"compare-at-{'-'.join(run_ids)}"] = {"at": at}
    return test.run()


def numbers(test: AppTest) -> str:
    return next(html.value for html in test.html if "Scores of the pictures above" in html.value)


# What is shown.


def test_a_link_shows_its_runs_side_by_side(store: RunStore) -> None:
    ids = [seed_run(store), seed_run(store, AuditSpec(attack=DLG()), closeness=0.5)]
    test = compare(*ids)
    assert test.query_params["compare"] == ",".join(ids)
    shown = pictures(test)
    assert [alt.partition(",")[0] for alt in shown] == [
        "Original: 1 image",
        "Reconstruction A · iDLG",
        "Reconstruction B · DLG",
    ]
    assert all(url.startswith("data:image/png") for url in shown.values())
    assert [curve["name"] for curve in figure(test)["series"]] == ["A · iDLG", "B · DLG"]
    assert figure(test)["guides"]
    assert "same batch, compared pixel by pixel" in texts(test)
    assert "In what the setups differ" in texts(test)


def test_one_slider_moves_pictures_curves_and_numbers_of_all_runs(store: RunStore) -> None:
    ids = [seed_run(store), seed_run(store, AuditSpec(attack=DLG()), closeness=0.5)]
    test = compare(*ids)
    before, scores = pictures(test), numbers(test)
    assert figure(test)["cursor"] is None
    move(test, ids, 30)
    moved = {url for alt, url in pictures(test).items() if alt.startswith("Reconstruction")}
    assert len(moved - set(before.values())) == 2
    assert figure(test)["cursor"] == 30
    assert numbers(test) != scores
    assert ">30<" in numbers(test)
    move(test, ids, None)
    assert pictures(test) == before


def test_runs_of_different_lengths_stay_at_their_end(store: RunStore) -> None:
    ids = [seed_run(store, reached=20, status=Status.STOPPED), seed_run(store, AuditSpec(attack=DLG()))]
    test = move(compare(*ids), ids, 80)
    assert slider(test)["positions"][-1] == slider(test)["most"] == 100
    assert ">20<" in numbers(test)
    assert ">80<" in numbers(test)


def test_a_closed_form_stands_beside_a_search(store: RunStore) -> None:
    closed = AuditSpec(attack=LinearLeak(), model={"name": "mlp"})
    ids = [seed_run(store, told=IN_ONE_STEP), seed_run(store, closed.model_copy(update={"attack": DLG()}))]
    test = move(compare(*ids), ids, 50)
    assert "one step" in numbers(test)
    assert [len(curve["x"]) for curve in figure(test)["series"]] == [1, 10]


def test_batches_of_different_sizes_have_their_own_originals_and_no_wipe_over_both(store: RunStore) -> None:
    ids = [seed_run(store, AuditSpec(batch_size=size)) for size in (1, 4)]
    test = compare(*ids)
    assert {"Original of A: 1 image", "Original of B: 4 images"} <= set(pictures(test))
    assert "the larger begin with the smaller" in texts(test)
    assert "These two batches" in texts(test)
    test.selectbox(key="compare-image").set_value(1).run()
    assert "These two batches" not in texts(test)
    test.selectbox(key="compare-image").set_value(4).run()
    assert not any(alt.startswith("Original of A") for alt in pictures(test)), "A has no fourth image"


def test_any_two_pictures_can_be_wiped(store: RunStore) -> None:
    test = compare(*(seed_run(store, AuditSpec(attack=attack)) for attack in (DLG(), InvertingGradients())))
    assert [picture["name"] for picture in mounted(test)[-1]] == ["Original", "B · Inverting Gradients"]
    test.selectbox(key="wipe-left").set_value("A · DLG").run()
    left, right = mounted(test)[-1]
    assert (left["name"], right["name"]) == ("A · DLG", "B · Inverting Gradients")
    assert {left["uri"], right["uri"]} <= set(pictures(test).values())


def test_only_what_differs_is_listed(store: RunStore) -> None:
    test = compare(seed_run(store), seed_run(store, AuditSpec(seed=4)))
    (listed,) = (html.value for html in test.html if "<caption>In what the setups differ" in html.value)
    assert listed.count("<tr>") == 2
    assert "Seed" in listed
    assert "In nothing" in texts(compare(seed_run(store), seed_run(store)))


def test_every_measure_can_be_drawn_and_has_a_table(store: RunStore) -> None:
    test = compare(seed_run(store), seed_run(store, AuditSpec(attack=DLG())))
    for measure, words in (("ssim", "SSIM"), ("loss", "Loss")):
        test.segmented_control(key="compare-measure").set_value(measure).run()
        assert figure(test)["titles"]["left"].startswith(words)
    test.session_state["compare-curves"] = True
    test.run()
    assert "Loss (log scale) by iteration" in texts(test)


def test_a_failed_run_says_why_and_shows_what_it_had(store: RunStore) -> None:
    failed = seed_run(store, status=Status.FAILED, reached=30, error="The machine ran out of memory.")
    test = compare(failed, seed_run(store, AuditSpec(attack=DLG())))
    assert "The machine ran out of memory." in texts(test)
    assert sum(alt.startswith("Reconstruction") for alt in pictures(test)) == 2


def test_a_run_that_has_not_begun_holds_its_place(store: RunStore) -> None:
    test = compare(seed_run(store), seed_run(store, AuditSpec(attack=DLG()), status=Status.QUEUED))
    assert "queued" in texts(test)
    assert "Reconstruction of B: not there" in texts(test)
    assert "One of these two pictures is not there yet." in texts(test)


def test_live_runs_are_followed_and_stopped_together(store: RunStore) -> None:
    ids = [seed_run(store, AuditSpec(seed=seed), status=Status.RUNNING, reached=40) for seed in (0, 1)]
    test = compare(*ids)
    assert slider(test)["live"]
    assert (slider(test)["positions"][-1], slider(test)["most"]) == (40, 100)
    last = store.events(ids[0])[-1].body
    store.record(ids[0], last | {"iteration": 50})
    test.run()
    assert ">50<" not in numbers(test), "the numbers are those of the pictures, and no picture has come yet"
    assert figure(test)["series"][0]["x"][-1] == 50
    next(button for button in test.button if button.label == "Stop all").click().run()
    assert {store.run(run_id).status for run_id in ids} == {Status.STOPPING}, texts(test)


# Links that name what is not there.


def test_a_deleted_run_is_told_in_one_sentence(store: RunStore) -> None:
    ids = [seed_run(store), seed_run(store, AuditSpec(attack=DLG()))]
    store.delete(ids[0])
    test = compare(*ids)
    assert "One of these runs does not exist any more." in texts(test)
    assert test.query_params["compare"] == ids[1]
    assert "Choose one to three more runs" in texts(test)


def test_a_run_that_is_deleted_while_it_is_looked_at_is_told_too(store: RunStore) -> None:
    ids = [seed_run(store), seed_run(store, AuditSpec(attack=DLG())), seed_run(store, AuditSpec(seed=1))]
    test = compare(*ids)
    store.delete(ids[1])
    test.run()
    assert "One of these runs does not exist any more." in texts(test)
    assert len([alt for alt in pictures(test) if alt.startswith("Reconstruction")]) == 2


@pytest.mark.parametrize("link", ["nonsense", "../../etc/passwd,<b>x</b>", "0" * 16, ",,"])
def test_a_link_to_nothing_is_one_sentence_and_a_usable_page(link: str) -> None:
    test = compare(link)
    assert "not exist any more" in texts(test) or link == ",,"
    assert link not in texts(test)
    assert not test.button(key="start-together").disabled


def test_more_than_four_runs_are_cut_off_and_said(store: RunStore) -> None:
    test = compare(*(seed_run(store, AuditSpec(seed=seed)) for seed in range(5)))
    assert "At most 4 runs fit side by side" in texts(test)
    assert len(figure(test)["series"]) == 4


def test_a_run_that_is_no_attack_is_left_out_and_said(store: RunStore) -> None:
    other = next((job() for kind, job in KINDS.items() if kind != AUDIT), None)
    if other is None or other.objections(store._home):
        pytest.skip("every kind of run is an attack")
    test = compare(seed_run(store), store.submit(other))
    assert "Only attacks are compared here" in texts(test)


def test_a_run_of_another_version_is_shown_as_far_as_possible(store: RunStore, installation: Path) -> None:
    ids = [seed_run(store), seed_run(store, AuditSpec(attack=DLG()))]
    make_unreadable(f"sqlite:///{installation / 'gia.db'}", ids[0])
    test = compare(*ids)
    assert "another version of GIA Lab made cannot be read" in texts(test)
    assert "A · another version" in numbers(test)


# Starting several together.


def test_the_lab_offers_the_naive_and_the_adaptive_attacker_where_there_is_a_defense(store: RunStore) -> None:
    assert "protection-side-by-side" not in {button.key for button in lab().button}
    test = lab(defenses="pruning", batch_size="2", seed="5")
    test.button(key="protection-side-by-side").click().run()
    runs = store.runs(sort="oldest")
    assert tuple(run.spec for run in runs) == trio(runs[1].spec)
    assert {(run.spec.batch_size, run.spec.seed) for run in runs} == {(2, 5)}
    assert test.query_params["compare"] == ",".join(run.id for run in runs)
    assert "The verdict on the defense follows when all three runs are over." in texts(test)


@pytest.mark.parametrize(
    ("adaptive", "words"),
    [(1.0, "No measurable protection"), (0.1, "Measurable protection")],
)
def test_a_defense_is_judged_by_the_attacker_who_knows_it(store: RunStore, adaptive: float, words: str) -> None:
    three = zip(trio(PRUNED), (1.0, 0.1, adaptive), strict=True)
    said = texts(compare(*(seed_run(store, spec, closeness=closeness) for spec, closeness in three)))
    assert f"**{words}" in said
    assert " safe" not in said


def test_there_is_no_verdict_without_three_whole_runs(store: RunStore) -> None:
    undefended, naive, adaptive = trio(PRUNED)
    failed = seed_run(store, adaptive, status=Status.FAILED, reached=10)
    said = texts(compare(seed_run(store, undefended), seed_run(store, naive), failed))
    assert "No verdict: all three runs have to be carried out to their end" in said
    queued = store.submit(adaptive)
    said = texts(compare(seed_run(store, undefended), seed_run(store, naive), queued))
    assert "The verdict on the defense follows" in said


def test_batch_sizes_are_varied_and_started_together(store: RunStore) -> None:
    test = compare()
    test.selectbox(key="compare-way").set_value("batch_size").run()
    test.text_input(key="compare-batches").set_value("1, 3").run()
    assert "same seed (0) · same budget" in texts(test)
    test.button(key="start-together").click().run()
    assert sorted(run.spec.batch_size for run in store.runs()) == [1, 3]
    base = test.session_state[location.DRAFT] if location.DRAFT in test.session_state else location.CARDS[0].specs[0]
    assert {run.spec.model_copy(update={"batch_size": 1}) for run in store.runs()} == {base}
    assert set(test.session_state[compare_choice.COMPARED]) == {run.id for run in store.runs()}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1, half", "Write numbers"),
        ("0, 1", "cannot have 0 images"),
        ("1,2,3,4,5", "At most 4"),
        ("4, 4", "at least two"),
    ],
)
def test_what_cannot_be_started_is_said_in_one_sentence(store: RunStore, text: str, words: str) -> None:
    test = compare()
    test.selectbox(key="compare-way").set_value("batch_size").run()
    test.text_input(key="compare-batches").set_value(text).run()
    assert words in texts(test)
    assert "start-together" not in {button.key for button in test.button}
    assert store.count() == 0


def test_attacks_get_one_budget_and_what_does_not_fit_stops_the_start(store: RunStore) -> None:
    test = compare()
    attacks = test.multiselect(key="compare-attacks")
    assert any("·" in option for option in attacks.options), "what an attack would lack stands beside it"
    attacks.set_value(["idlg", "inverting-gradients"]).run()
    test.number_input(key="compare-budget-idlg-inverting-gradients").set_value(30).run()
    assert "same budget, 30 iterations" in texts(test)
    test.button(key="start-together").click().run()
    assert sorted(run.spec.attack.iterations * run.spec.attack.restarts for run in store.runs()) == [30, 30]
    test = compare()
    test.multiselect(key="compare-attacks").set_value(["idlg", "robbing-the-fed"]).run()
    assert test.button(key="start-together").disabled


def test_the_strength_of_a_defense_is_varied(store: RunStore) -> None:
    test = lab(defenses="pruning")
    test.switch_page(COMPARE).run()
    test.selectbox(key="compare-way").set_value("strength").run()
    test.text_input(key="compare-values-0-ratio").set_value("0.5, 0.99").run()
    test.button(key="start-together").click().run()
    assert sorted(run.spec.defenses[0].ratio for run in store.runs()) == [0.5, 0.99]


def test_every_way_to_vary_can_be_started_as_it_is_offered(store: RunStore) -> None:
    test = lab(defenses="pruning", batch_size="2")
    test.switch_page(COMPARE).run()
    for way in WAYS:
        test.selectbox(key="compare-way").set_value(way).run()
        assert not test.exception
        assert not test.button(key="start-together").disabled, way


# Picking them from the history.


def test_runs_are_ticked_in_the_list_and_compared(store: RunStore) -> None:
    ids = [seed_run(store, AuditSpec(seed=seed)) for seed in range(3)]
    test = AppTest.from_file(str(APP), default_timeout=30).run()
    test.switch_page(RUNS).run()
    test.checkbox(key=f"select-{ids[0]}").check().run()
    assert test.button(key="compare-selected").disabled
    test.checkbox(key=f"select-{ids[2]}").check().run()
    test.button(key="compare-selected").click().run()
    assert test.query_params["compare"] == f"{ids[0]},{ids[2]}"
    assert len(figure(test)["series"]) == 2


def test_a_tick_outlasts_a_filter_and_can_be_taken_back(store: RunStore) -> None:
    run_id = seed_run(store)
    test = AppTest.from_file(str(APP), default_timeout=30).run()
    test.switch_page(RUNS).run()
    test.checkbox(key=f"select-{run_id}").check().run()
    test.multiselect(key="runs-status").set_value([Status.FAILED]).run()
    test.multiselect(key="runs-status").set_value([]).run()
    assert test.checkbox(key=f"select-{run_id}").value
    test.checkbox(key=f"select-{run_id}").uncheck().run()
    assert "compare-selected" not in {button.key for button in test.button}


def test_runs_are_picked_on_the_page_too(store: RunStore) -> None:
    ids = [seed_run(store, AuditSpec(seed=seed)) for seed in range(2)]
    test = compare(ids[0])
    assert test.multiselect(key="compare-picked").value == [ids[0]]
    test.multiselect(key="compare-picked").set_value(ids).run()
    assert test.query_params["compare"] == ",".join(ids)
    assert len(figure(test)["series"]) == 2


def test_the_comparison_survives_a_visit_to_another_page(store: RunStore) -> None:
    ids = [seed_run(store, AuditSpec(seed=seed)) for seed in range(2)]
    test = compare(*ids)
    test.switch_page(RUNS).run()
    test.switch_page(COMPARE).run()
    assert test.query_params["compare"] == ",".join(ids)


def test_an_attack_that_says_little_is_no_obstacle(store: RunStore) -> None:
    test = compare(seed_run(store, told=Told(minimizes=False)), seed_run(store, AuditSpec(attack=DLG())))
    test.segmented_control(key="compare-measure").set_value("loss").run()
    assert set(figure(test)["series"][0]["y"]) == {None}
