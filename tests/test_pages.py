"""The pages on a real store, as a browser would see them but without one."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from runs import make_unreadable
from seeded import IN_ONE_STEP, Told, seed_run
from streamlit.testing.v1 import AppTest

from gia_core.attacks import DLG, InvertingGradients
from gia_core.component import Condition, Needs
from gia_core.defenses import GaussianNoise, Pruning
from gia_core.gallery import CARDS
from gia_core.models import MLP
from gia_core.spec import AuditSpec, Knowledge
from gia_core.store import Control, RunStore, Status
from ui import frames, location, preflight, session, setup
from ui.address import to_query
from ui.families import FAMILIES, family

APP = Path(__file__).parent.parent / "app.py"
LAB, RUNS, DOCTOR = "pages/explore/lab.py", "pages/review/runs.py", "pages/system/doctor.py"


pytestmark = pytest.mark.usefixtures("installation")


@pytest.fixture
def store(installation: Path) -> RunStore:
    return RunStore(f"sqlite:///{installation / 'gia.db'}", home=installation)


def visit(page: str = LAB, **query: str) -> AppTest:
    test = AppTest.from_file(str(APP), default_timeout=30)
    for name, value in query.items():
        test.query_params[name.replace("__", ".")] = value
    test.run()
    if page != LAB:
        test.switch_page(page).run()
    assert not test.exception
    return test


def texts(test: AppTest) -> str:
    """All that a page says."""
    kinds = ("markdown", "caption", "info", "warning", "error", "success", "header", "subheader", "title", "html")
    return "\n".join(str(element.value) for kind in kinds for element in getattr(test, kind))


def button(test: AppTest, label: str):
    return next(found for found in test.button if found.label == label)


def pictures(test: AppTest) -> dict[str, str]:
    """Every picture's address by its alternative text."""
    return {picture.alt: picture.url for image in test.image for picture in image.proto.imgs}


def figures(test: AppTest) -> list[dict]:
    drawn = [json.loads(component.proto.json)[0] for component in test.get("bidi_component")]
    return [each["figure"] for each in drawn if "figure" in each]


def sliders(test: AppTest) -> list[dict]:
    """What the slider over the frames of a run that is over was given, where there is one."""
    drawn = [json.loads(component.proto.json)[0] for component in test.get("bidi_component")]
    return [each for each in drawn if "positions" in each]


# The lab before a run.


def test_a_newcomer_sees_what_this_is_and_may_start_at_once() -> None:
    test = visit()
    assert "See what a shared gradient gives away" in texts(test)
    assert [test.button(key=f"open-{card.name}").label for card in CARDS] == [card.question for card in CARDS]
    assert CARDS[0].question == "Can one gradient give away my photo?"
    assert not button(test, "Start").disabled


def test_five_choices_are_visible_and_the_rest_is_folded() -> None:
    test = visit()
    folded = {id(e) for e in (*test.expander(key="advanced").selectbox, *test.expander(key="advanced").number_input)}
    visible = [w for w in (*test.selectbox, *test.number_input, *test.multiselect) if id(w) not in folded]
    labels = {w.label for w in visible} - {w.label for w in test.expander(key="advanced").selectbox}
    assert {"Data set", "Model", "Batch size", "Attack", "Defense"} <= labels


def test_start_submits_exactly_the_setup_and_shows_the_run(store: RunStore) -> None:
    test = visit(attack="dlg", attack__restarts="2", defenses="pruning", defenses__0__ratio="0.5")
    button(test, "Start").click().run()
    (run,) = store.runs()
    assert run.spec == AuditSpec(attack=DLG(restarts=2), defenses=(Pruning(ratio=0.5),))
    assert test.query_params["run"] == run.id
    assert "queued" in texts(test)
    assert "starting the worker" in texts(test)


def test_a_double_click_starts_one_run(store: RunStore) -> None:
    test = visit()
    button(test, "Start").click().run()
    button(test, "Start").click().run()
    assert store.count() == 1


def test_a_link_restores_advanced_fields_too() -> None:
    spec = AuditSpec(attack=InvertingGradients(tv_weight=1e-6), defenses=(GaussianNoise(std=0.5), Pruning()), seed=9)
    test = visit(**{name.replace(".", "__"): value for name, value in to_query(spec).items()})
    assert test.session_state[location.DRAFT] == spec
    assert test.number_input(key="setup.attack.inverting-gradients.tv_weight").value == 1e-6


def test_the_address_follows_the_setup() -> None:
    test = visit()
    test.selectbox(key="setup.attack").set_value("dlg").run()
    assert test.query_params["attack"] == "dlg"


def test_the_setup_survives_a_visit_to_another_page() -> None:
    test = visit()
    test.selectbox(key="setup.attack").set_value("dlg").run()
    test.number_input(key="setup.attack.dlg.restarts").set_value(7).run()
    test.switch_page(RUNS).run()
    test.switch_page(LAB).run()
    assert test.session_state[location.DRAFT].attack == DLG(restarts=7)


def test_a_link_that_cannot_be_read_gives_one_sentence_and_a_usable_page() -> None:
    test = visit(attack="of-the-future")
    assert "The link holds a setup that this version cannot read" in texts(test)
    assert not button(test, "Start").disabled


def test_what_is_not_on_this_machine_is_shown_as_absent_and_cannot_be_started() -> None:
    test = visit(dataset="cifar10", attack="dlg")
    assert button(test, "Start").disabled
    assert "python -m gia_core fetch cifar10" in texts(test)


def test_an_absent_data_set_is_marked_among_the_options() -> None:
    options = visit().selectbox(key="setup.dataset").options
    assert any(option.startswith("CIFAR-10 · ") for option in options)
    assert "Photographs" in options


def test_what_does_not_fit_together_disables_start_with_the_reason() -> None:
    test = visit(attack="idlg", attack__labels="known")
    assert button(test, "Start").disabled
    assert any("labels" in warning.value for warning in test.warning)


@pytest.fixture
def picky(monkeypatch: pytest.MonkeyPatch) -> None:
    """DLG as an attack that needs much: with what the tests below know of it, it could be any attack."""
    activation = Condition("model.activation", ("leaky-relu",), "It inverts the activation; choose leaky-relu.")
    needs = Needs(batch_size=1, models=("mlp",), knowledge=("malicious_server",), conditions=(activation,))
    monkeypatch.setattr(DLG, "needs", needs)


def test_an_attack_that_lacks_something_says_what_and_one_click_helps(picky: None) -> None:
    test = visit(attack="dlg", model="mlp", model__activation="leaky-relu", batch_size="4")
    assert button(test, "Start").disabled
    assert "It inverts the activation" not in texts(test)
    for words in ("Set the batch size to 1", "Grant: malicious server"):
        button(test, words).click().run()
    assert not button(test, "Start").disabled
    assert test.number_input(key="setup.batch_size").value == 1
    assert test.toggle(key="setup.knowledge.malicious_server").value is True
    draft = test.session_state[location.DRAFT]
    assert (draft.attack, draft.batch_size, draft.knowledge.malicious_server) == (DLG(), 1, True)


def test_everything_that_an_attack_lacks_is_met_at_once(picky: None) -> None:
    test = visit(attack="dlg", batch_size="4", seed="7")
    assert "It inverts the activation" in texts(test)
    button(test, "Do all of this").click().run()
    assert not button(test, "Start").disabled
    draft = test.session_state[location.DRAFT]
    assert (draft.model, draft.attack, draft.seed) == (MLP(activation="leaky-relu"), DLG(), 7)
    assert "Do all of this" not in {found.label for found in test.button}


def test_an_attack_that_does_not_fit_stays_among_the_options(picky: None) -> None:
    options = visit(attack="idlg").selectbox(key="setup.attack").options
    assert "DLG · malicious server · not with this model…" in options
    assert "Inverting Gradients · search" in options


def test_attacks_are_grouped_by_what_kind_they_are(picky: None) -> None:
    families = [family(kind) for kind in setup.by_family(setup.CATALOGS["attack"]).values()]
    assert families == sorted(families, key=FAMILIES.index)
    assert family(DLG) is FAMILIES[-1]


def test_what_the_data_set_lacks_has_a_remedy_beside_start() -> None:
    test = visit(attack="dlg")
    test.selectbox(key="setup.dataset").set_value("upload").run()
    test.get("file_uploader")[0].upload("my cat.png", picture_file()).run()
    test.toggle(key="setup.knowledge.public_data").set_value(True).run()
    assert button(test, "Start").disabled
    button(test, "Withhold: public data").click().run()
    assert not button(test, "Start").disabled
    assert len(test.session_state[location.DRAFT].dataset.pictures) == 1


def test_several_rounds_bring_the_servers_step_with_them() -> None:
    test = visit(attack="dlg")
    assert "setup.server_lr" not in {box.key for box in test.number_input}
    test.number_input(key="setup.rounds").set_value(3).run()
    test.number_input(key="setup.server_lr").set_value(0.5).run()
    draft = test.session_state[location.DRAFT]
    assert (draft.rounds, draft.server_lr) == (3, 0.5)
    assert (test.query_params["rounds"], test.query_params["server_lr"]) == ("3", "0.5")
    assert "the updates that the client sends in 3 rounds (FedSGD)" in texts(test)
    test.number_input(key="setup.rounds").set_value(1).run()
    assert "setup.server_lr" not in {box.key for box in test.number_input}


def test_a_setup_of_several_rounds_comes_back_from_its_link() -> None:
    spec = AuditSpec(
        rounds=5,
        server_lr=0.25,
        knowledge=Knowledge(batch_norm="exact", public_data=True, malicious_server=True, local_training="guessed"),
    )
    test = visit(**{name.replace(".", "__"): value for name, value in to_query(spec).items()})
    assert test.session_state[location.DRAFT] == spec
    said = texts(test)
    assert "other images of the same kind, the power to change the model that it sends" in said
    assert "the updates that the client sends in 5 rounds" in said


def test_the_preflight_tells_what_the_attacker_is_granted() -> None:
    said = texts(visit(batch_size="4", knowledge__labels="true", attack="dlg"))
    assert "4 private images" in said
    assert "the label of every image" in said
    assert "First run of this kind: no estimate yet." in said


def test_the_estimate_comes_from_runs_like_this_one(store: RunStore) -> None:
    seed_run(store)
    assert "About 10 s, judging by 1 run of this setup." in texts(visit(attack="idlg"))
    assert "Up to 1 min, judging by 1 run of this kind." in texts(
        visit(attack="idlg", attack__restarts="1", attack__iterations="600")
    )
    assert "no estimate yet" in texts(visit(attack="idlg", model="convnet"))


def test_local_training_is_granted_only_where_there_is_something_to_know() -> None:
    assert "how the client trains locally (exact)" in texts(visit(attack="dlg", client="fedavg"))
    for client in ("fedsgd", "vertical"):
        assert "trains locally" not in texts(visit(attack="dlg", client=client))


def test_the_search_within_an_attack_counts_as_its_own() -> None:
    class Outer(DLG):
        """Outer: leaves the search to another attack."""

        iterations: int = 1
        restarts: int = 1
        then: InvertingGradients = InvertingGradients(iterations=70, restarts=3)

    assert preflight.planned_iterations(Outer()) == 210
    assert preflight.planned_iterations(DLG(iterations=5, restarts=2)) == 10


def test_a_choice_that_changes_the_model_is_pointed_out() -> None:
    assert "BatchNorm is in eval mode" in texts(visit(model="resnet18"))
    assert "BatchNorm is in train mode" in texts(visit(model="resnet18", model__mode="train"))


def picture_file(width: int = 40) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.zeros((width, width, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


def test_own_pictures_become_part_of_the_setup(store: RunStore) -> None:
    test = visit(attack="dlg")
    test.selectbox(key="setup.dataset").set_value("upload").run()
    assert button(test, "Start").disabled
    assert "Use only pictures that you may use" in texts(test)
    test.get("file_uploader")[0].upload("my cat.png", picture_file()).run()
    button(test, "Start").click().run()
    (run,) = store.runs()
    assert [picture.name for picture in run.spec.dataset.pictures] == ["my cat"]


def test_a_file_that_is_no_picture_is_refused_in_one_sentence(store: RunStore) -> None:
    test = visit(attack="dlg")
    test.selectbox(key="setup.dataset").set_value("upload").run()
    test.get("file_uploader")[0].upload("cat.png", b"<script>alert(1)</script>").run()
    assert button(test, "Start").disabled
    assert any("cat" in warning.value for warning in test.warning)
    assert store.count() == 0


# The lab with a run.


@pytest.mark.parametrize("run_id", ["0" * 16, "nonsense", "../../etc/passwd", "<b>x</b>", "1; DROP TABLE run"])
def test_an_unknown_run_gives_one_friendly_sentence(run_id: str) -> None:
    test = visit(run=run_id)
    assert "There is no run with this address" in texts(test)
    assert run_id not in texts(test)
    assert not button(test, "Start").disabled


def test_a_finished_run_answers_the_question(store: RunStore) -> None:
    test = visit(run=seed_run(store))
    said = texts(test)
    assert "**Recovered: the image" in said
    assert "finished" in said
    assert "Scores of this attack and of blind guesses" in said
    assert "LPIPS is not available" in said
    assert "self-test passed" in said
    assert "Withheld: the images, the label of every image, other images of the same kind, the power" in said
    assert not [b.label for b in test.button if b.label in ("Pause", "Step", "Stop")]


def test_a_recovery_is_a_warning_and_nothing_is_called_safe(store: RunStore) -> None:
    recovered, failed = visit(run=seed_run(store)), visit(run=seed_run(store, closeness=0.2))
    assert any("Recovered" in warning.value for warning in recovered.warning)
    assert any("Not recovered by this attack within this budget" in info.value for info in failed.info)
    assert " safe" not in texts(failed)


def test_original_reconstruction_and_difference_have_words_for_those_who_cannot_see_them(store: RunStore) -> None:
    shown = pictures(visit(run=seed_run(store)))
    for name in ("Original", "Reconstruction", "Difference"):
        assert any(alt.startswith(name) and url.startswith("data:image/png") for alt, url in shown.items())


def test_the_curves_show_what_was_recorded(store: RunStore) -> None:
    loss, quality = figures(visit(run=seed_run(store)))
    assert loss["x"] == quality["x"] == list(range(10, 101, 10))
    assert {s["name"] for s in loss["series"]} == {"total", "matching", "total variation"}
    assert [g["label"] for g in quality["guides"]] == ["mean color", "gray"]
    assert loss["alt"].startswith("Loss")
    assert quality["alt"].startswith("Quality")


def test_one_slider_moves_pictures_curves_and_numbers(store: RunStore) -> None:
    run_id = seed_run(store)
    test = visit(run=run_id)
    before, psnr = pictures(test), test.metric[0].value
    test.session_state[frames.slider(run_id)] = {"at": 30}
    test.run()
    assert pictures(test) != before
    assert test.metric[0].value != psnr
    assert {figure["cursor"] for figure in figures(test)} == {30}
    test.session_state[frames.slider(run_id)] = {"at": None}
    test.run()
    assert {figure["cursor"] for figure in figures(test)} == {None}


def test_what_is_over_can_be_played_and_what_runs_cannot(store: RunStore) -> None:
    (over,) = sliders(visit(run=seed_run(store)))
    assert (over["plays"], over["begins"]) == (True, False)
    assert over["positions"] == list(range(10, 101, 10))
    assert not sliders(visit(run=seed_run(store, status=Status.RUNNING, reached=50)))


def test_every_figure_has_a_table(store: RunStore) -> None:
    test = visit(run=seed_run(store))
    for figure, caption in (("loss", "Loss by iteration"), ("quality", "Quality by iteration")):
        assert caption not in texts(test)
        test.session_state[f"{figure}-table"] = True
        test.run()
        assert caption in texts(test)


def test_a_batch_shows_its_best_and_its_worst_image(store: RunStore) -> None:
    said = texts(visit(run=seed_run(store, AuditSpec(batch_size=4, knowledge=Knowledge(labels=True)), closeness=0.9)))
    assert "Closest to its original" in said
    assert "Furthest from its original" in said


def test_a_failed_run_says_why(store: RunStore) -> None:
    run_id = seed_run(store, status=Status.FAILED, reached=30, error="The machine ran out of memory.")
    assert [error.value for error in visit(run=run_id).error] == ["The machine ran out of memory."]


def test_a_stopped_run_keeps_its_best_and_says_how_far_it_came(store: RunStore) -> None:
    said = texts(visit(run=seed_run(store, status=Status.STOPPED, reached=40)))
    assert "Stopped after 40 of 100 iterations." in said


def test_a_failed_self_test_is_said_first(store: RunStore) -> None:
    test = visit(run=seed_run(store, passed=False))
    assert test.error[0].value == "Self-test False."


def test_likely_causes_of_a_failure_are_told(store: RunStore) -> None:
    said = texts(visit(run=seed_run(store, reached=40, closeness=0.4)))
    assert "The search ended before its update matched." in said


def test_a_run_of_another_version_is_shown_as_far_as_possible(store: RunStore, installation: Path) -> None:
    run_id = seed_run(store)
    make_unreadable(f"sqlite:///{installation / 'gia.db'}", run_id)
    assert "A run of another version" in texts(visit(run=run_id))


def test_a_live_run_is_paused_stepped_resumed_and_stopped(store: RunStore) -> None:
    run_id = seed_run(store, status=Status.RUNNING, reached=60)
    test = visit(run=run_id)
    assert button(test, "Step").disabled
    button(test, "Pause").click().run()
    assert store.run(run_id).control is Control.PAUSE
    button(test, "Step").click().run()
    assert store.run(run_id).steps_granted == 1
    button(test, "Resume").click().run()
    assert store.run(run_id).control is Control.RUN
    button(test, "Stop").click().run()
    assert store.run(run_id).status is Status.STOPPING
    assert button(test, "Stop").disabled


def test_a_live_run_follows_its_newest_frame_until_it_is_scrubbed(store: RunStore) -> None:
    run_id = seed_run(store, status=Status.RUNNING, reached=60)
    test = visit(run=run_id)
    assert test.slider[0].value == 60
    test.slider[0].set_value(25).run()
    assert {figure["cursor"] for figure in figures(test)} == {24}
    assert test.slider[0].value == 25
    test.slider[0].set_value(100).run()
    assert test.slider[0].value == 60


def test_opening_a_run_loads_its_setup(store: RunStore) -> None:
    spec = AuditSpec(attack=DLG(restarts=2), seed=3)
    test = visit(run=seed_run(store, spec))
    assert test.session_state[location.DRAFT] == spec
    assert "another setup" not in texts(test)
    test.selectbox(key="setup.attack").set_value("inverting-gradients").run()
    assert "another setup" in texts(test)
    button(test, "Show its setup").click().run()
    assert test.session_state[location.DRAFT] == spec


def test_runs_under_way_are_shown_on_every_page(store: RunStore) -> None:
    seed_run(store, status=Status.RUNNING, reached=60)
    for page in (LAB, RUNS, DOCTOR):
        test = visit(page)
        assert any("running" in found.label for found in test.sidebar.button)


def test_every_page_reminds_of_responsible_use() -> None:
    for page in (LAB, RUNS, DOCTOR):
        assert "as sensitive as the originals" in "".join(caption.value for caption in visit(page).sidebar.caption)


# What attacks tell beside their pictures.


CHANGED = {
    "title": "What the server changed",
    "columns": ["What", "Before", "After"],
    "rows": [["first layer", "random", "512 bins"], ["bins", 0, 512]],
    "note": "One bin holds one image.",
}
RESTORED = {
    "title": "Restored labels",
    "columns": ["Class index", "Restored", "Confidence"],
    "rows": [[0, 2, 0.98], [1, 1, 0.5], [77, 1, None]],
    "note": "Read off the last layer.",
}
RANKS = {"title": "Ranks", "columns": ["Layer", "Rank"], "rows": [["<b>fc</b>", 1234]], "note": ""}


def tables(test: AppTest) -> dict[str, list[list[str]]]:
    """Every table's cells by its caption."""
    found = {}
    for html in test.html:
        for table in re.findall(r"<table>.*?</table>", html.value, re.DOTALL):
            (caption,) = re.findall(r"<caption>(.*?)</caption>", table)
            rows = re.findall(r"<tr>(.*?)</tr>", table)
            found[caption] = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows]
    return found


@pytest.mark.parametrize("status", [Status.RUNNING, Status.FINISHED])
def test_tables_are_shown_while_the_attack_runs_and_afterwards(store: RunStore, status: Status) -> None:
    test = visit(run=seed_run(store, status=status, reached=60, told=Told(tables=(RANKS, CHANGED))))
    assert tables(test)["Ranks"] == [["Layer", "Rank"], ["&lt;b&gt;fc&lt;/b&gt;", "1,234"]]
    assert "One bin holds one image." in texts(test)


def test_what_the_server_changed_stands_above_the_pictures(store: RunStore) -> None:
    test = visit(run=seed_run(store, told=Told(tables=(RANKS, CHANGED))))
    assert "the server changed the model" in texts(test)
    shown = [html.value for html in test.html if "<caption>" in html.value]
    assert "What the server changed" in shown[0]
    assert sum("What the server changed" in html for html in shown) == 1
    assert "the server changed the model" not in texts(visit(run=seed_run(store, told=Told(tables=(RANKS,)))))


def test_restored_labels_stand_beside_the_true_ones(store: RunStore) -> None:
    test = visit(run=seed_run(store, AuditSpec(batch_size=3), told=Told(tables=(RESTORED,))))
    assert tables(test)["Restored labels"] == [
        ["Class index", "Name", "Restored", "True count", "Difference", "Confidence"],
        ["0", "astronaut", "2", "1", "✗ 1 too many", "0.98"],
        ["1", "cat", "1", "1", "✓ right", "0.5"],
        ["2", "coffee", "0", "1", "✗ 1 too few", "—"],
        ["77", "—", "1", "0", "✗ 1 too many", "—"],
    ]


def test_a_class_that_a_shortened_table_leaves_out_is_not_called_missed(store: RunStore) -> None:
    shortened = RESTORED | {"rows": [[0, 1, 0.98]]}
    test = visit(run=seed_run(store, AuditSpec(batch_size=3), told=Told(tables=(shortened,))))
    assert [row[0] for row in tables(test)["Restored labels"]] == ["Class index", "0"]


def test_a_closed_form_looks_finished_without_curves_and_slider(store: RunStore) -> None:
    test = visit(run=seed_run(store, told=replace(IN_ONE_STEP, tables=(RANKS,))))
    said = texts(test)
    assert figures(test) == []
    assert not sliders(test)
    assert not test.slider
    assert "This attack computes the images in one step; there is no loss to follow." in said
    assert "computed in one step" in said
    assert test.metric[0].value == "100.0 dB"
    assert "Ranks" in tables(test)
    assert "Scores in context" in said
    assert "1 iterations" not in said


def test_an_attack_of_many_steps_that_minimizes_nothing_has_its_quality_drawn(store: RunStore) -> None:
    test = visit(run=seed_run(store, told=Told(minimizes=False)))
    (quality,) = figures(test)
    assert quality["alt"].startswith("Quality")
    assert "This attack minimizes nothing; there is no loss to follow." in texts(test)
    assert sliders(test)


def test_the_loss_is_shown_raw_or_weighted(store: RunStore) -> None:
    test = visit(run=seed_run(store))
    raw = figures(test)[0]
    test.segmented_control(key="loss-terms").set_value("Weighted").run()
    weighted = figures(test)[0]
    assert curve(raw, "total variation") != curve(weighted, "total variation")
    assert curve(raw, "total") == curve(weighted, "total")
    assert weighted["titles"]["left"] == "Weighted loss (log scale)"


def test_a_single_term_of_weight_one_needs_no_switch(store: RunStore) -> None:
    run_id = seed_run(store, status=Status.RUNNING, reached=10, told=Told(minimizes=False))
    last = store.events(run_id)[-1].body
    store.record(run_id, last | {"losses": {"total": 2.0, "matching": 2.0}, "weighted": {"matching": 2.0}})
    test = visit(run=run_id)
    assert len(figures(test)) == 2
    assert "loss-terms" not in {found.key for found in test.segmented_control}


def curve(figure: dict, name: str) -> list[float]:
    return next(series["y"] for series in figure["series"] if series["name"] == name)


def test_an_attack_that_tells_no_labels_is_not_said_to_know_them(store: RunStore) -> None:
    untold = visit(run=seed_run(store, told=IN_ONE_STEP))
    granted = visit(run=seed_run(store, AuditSpec(knowledge=Knowledge(labels=True))))
    found = visit(run=seed_run(store))
    assert [(test.metric[3].value, test.metric[3].delta) for test in (untold, granted, found)] == [
        ("—", "not told by this attack"),
        ("—", "known to the attacker"),
        ("100%", "of the batch"),
    ]
    assert [row[2] for row in tables(untold)["Scores of every image"]] == ["Taken for", "—"]


def test_images_that_were_not_found_are_counted(store: RunStore) -> None:
    told = replace(IN_ONE_STEP, missing=(2, 3, 5))
    test = visit(run=seed_run(store, AuditSpec(batch_size=6), closeness=0.9, told=told))
    assert "**Reconstruction** · 3 of 6 found" in texts(test)
    assert any(alt.startswith("Reconstruction") and alt.endswith("3 of 6 found") for alt in pictures(test))
    rows = [row[0] for row in tables(test)["Scores of every image"]]
    assert rows == ["Image", "1", "2", "3, not found", "4, not found", "5", "6, not found"]
    assert "found" not in "".join(pictures(visit(run=seed_run(store, AuditSpec(batch_size=6)))))


def test_the_best_and_the_worst_image_are_marked_in_every_grid(store: RunStore) -> None:
    test = visit(run=seed_run(store, AuditSpec(batch_size=4), closeness=0.9))
    marks = [html.value for html in test.html if 'class="gia-marks"' in html.value]
    assert len(marks) == 3
    assert all(("▲" in html, "▼" in html) == (True, True) for html in marks)
    (alt,) = (alt for alt in pictures(test) if alt.startswith("Reconstruction of 4 images"))
    best, worst = re.findall(r"(closest|furthest) (?:to|from) its original is image (\d)", alt)
    assert best[1] != worst[1]
    assert f"▲ **Closest to its original**: image {best[1]}" in texts(test)
    assert "▲ closest · ▼ furthest" in texts(test)


def test_a_single_image_has_no_marks(store: RunStore) -> None:
    test = visit(run=seed_run(store))
    assert not [html for html in test.html if 'class="gia-marks"' in html.value]


# The list of runs.


def test_without_runs_the_list_leads_to_the_lab() -> None:
    assert "No runs yet" in texts(visit(RUNS))


def test_the_list_shows_setup_status_score_and_thumbnails(store: RunStore) -> None:
    run_id = seed_run(store, AuditSpec(defenses=(GaussianNoise(), Pruning())))
    test = visit(RUNS)
    said = texts(test)
    for words in ("finished", "iDLG", "Photographs", "LeNet", "Gaussian noise + Pruning", "PSNR 100.0 dB", run_id):
        assert words in said
    assert len(pictures(test)) == 2


def test_filters_narrow_the_list(store: RunStore) -> None:
    kept = seed_run(store, AuditSpec(attack=DLG()))
    gone = seed_run(store)
    test = visit(RUNS)
    test.selectbox(key="runs-attack").set_value("dlg").run()
    assert kept in texts(test)
    assert gone not in texts(test)
    test.multiselect(key="runs-status").set_value([Status.FAILED]).run()
    assert "No run matches these filters" in texts(test)


def test_a_long_list_comes_in_pages(store: RunStore) -> None:
    ids = [store.submit(AuditSpec(seed=seed)) for seed in range(15)]
    test = visit(RUNS)
    assert "15 runs" in texts(test)
    assert sum(run_id in texts(test) for run_id in ids) == 12


def test_a_run_is_deleted_only_after_a_question(store: RunStore) -> None:
    run_id = seed_run(store)
    test = visit(RUNS)
    test.button(key=f"delete-{run_id}").click().run()
    assert "cannot be undone" in texts(test)
    assert store.count() == 1


def test_a_run_is_opened_again_with_its_setup(store: RunStore) -> None:
    spec = AuditSpec(attack=DLG(restarts=2), seed=3)
    run_id = seed_run(store, spec)
    test = visit(RUNS)
    test.button(key=f"again-{run_id}").click().run()
    assert test.session_state[location.DRAFT] == spec
    assert test.session_state[session.RUN] is None


# The rest.


def test_the_doctor_reports_and_names_no_folder(installation: Path) -> None:
    said = texts(visit(DOCTOR)) + visit(DOCTOR).code[0].value
    assert "Python" in said
    assert "Data set" in said
    assert str(installation) not in said


@pytest.mark.parametrize("page", [LAB, RUNS, DOCTOR])
def test_a_broken_store_is_one_sentence_and_no_traceback(page: str, installation: Path) -> None:
    (installation / "gia.db").write_text("this is no database" * 100)
    test = visit(page)
    assert test.error[0].value.startswith("The store's file is damaged")
    assert str(installation) not in texts(test)


def test_the_doctor_works_without_a_store(installation: Path) -> None:
    (installation / "gia.db").write_text("this is no database" * 100)
    test = visit(DOCTOR)
    assert "1 of" in test.error[-1].value
    assert "Python" in texts(test)


def test_a_wrong_setting_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIA_CPUS_PER_RUN", "many")
    assert any("GIA_CPUS_PER_RUN" in error.value for error in visit().error)


def test_the_live_view_recovers_when_the_store_does(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    from gia_core.store import StoreError

    run_id = seed_run(store, status=Status.RUNNING, reached=60)
    test = visit(run=run_id)
    real: Callable = RunStore.events

    def broken(*_: object, **__: object) -> list:
        raise StoreError("The store is busy; it is tried again.")

    monkeypatch.setattr(RunStore, "events", broken)
    assert any("The store is busy" in error.value for error in test.run().error)
    monkeypatch.setattr(RunStore, "events", real)
    assert not test.run().error
