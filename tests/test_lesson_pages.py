"""The lessons as a reader would work through them, but without a browser."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from seeded import seed_run
from streamlit.testing.v1 import AppTest

from gia_core import gallery
from gia_core.gallery.lesson_cards import LESSON_CARDS
from gia_core.store import RunStore, Status
from ui import glossary
from ui.lessons import matching_figure, neuron, neuron_figures
from ui.lessons.measured import most_complete, recorded_beside
from ui.lessons.page import LESSONS
from ui.lessons.remedies import PHASES, Phase, Remedy, Trial

APP = Path(__file__).parent.parent / "app.py"
LEAKS, HELPS = "pages/learn/how_a_gradient_leaks.py", "pages/learn/what_helps.py"

pytestmark = pytest.mark.usefixtures("installation")


def visit(page: str) -> AppTest:
    test = AppTest.from_file(str(APP), default_timeout=30).run()
    test.switch_page(page).run()
    assert not test.exception
    return test


def texts(test: AppTest) -> str:
    """All that a page says."""
    kinds = ("title", "header", "markdown", "caption", "info", "warning", "error", "html")
    return "\n".join(str(element.value) for kind in kinds for element in getattr(test, kind))


def button(test: AppTest, label: str):
    return next(found for found in test.button if found.label == label)


def curve(test: AppTest, name: str) -> list[float]:
    """What a live chart shows."""
    charts = [json.loads(chart.proto.json)[0]["figure"] for chart in test.get("bidi_component")]
    return next(s["y"] for chart in charts for s in chart["series"] if s["name"] == name)


# Around every lesson.


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.title)
def test_a_lesson_says_what_is_seen_in_how_many_minutes_and_where_to_go_next(lesson) -> None:
    test = visit(lesson.page)
    assert test.title[0].value == lesson.title
    assert f"about {lesson.minutes} minutes. {lesson.promise}" in test.caption[0].value
    place = LESSONS.index(lesson)
    following = LESSONS[place + 1].title if place + 1 < len(LESSONS) else "a network of your choice"
    assert following in test.get("page_link")[-1].proto.label


def test_the_lessons_take_twenty_minutes() -> None:
    assert sum(lesson.minutes for lesson in LESSONS) <= 20


# How a gradient leaks.


def test_one_division_gives_the_picture_that_was_chosen() -> None:
    test = visit(LEAKS)
    assert 'alt="Reconstruction of cat, exact"' in texts(test)
    test.selectbox(key=neuron_figures.PICTURE).set_value("digit 8").run()
    assert 'alt="Reconstruction of digit 8, exact"' in texts(test)
    assert "1,024 numbers" in texts(test)


@pytest.mark.parametrize("count", neuron_figures.COUNTS)
def test_the_shares_of_a_batch_are_told(count: int) -> None:
    test = visit(LEAKS)
    test.segmented_control(key=neuron_figures.COUNT).set_value(count).run()
    assert texts(test).count("% of the mixture") == count


def test_noise_is_seen_in_the_picture_and_in_numbers() -> None:
    test = visit(LEAKS)
    test.select_slider(key=neuron_figures.NOISE).set_value(0.0).run()
    assert texts(test).count('alt="Reconstruction of cat, exact"') == 2
    test.select_slider(key=neuron_figures.NOISE).set_value(1.0).run()
    assert texts(test).count('alt="Reconstruction of cat, exact"') == 1
    assert all(f">{std:g}<" in texts(test) for std in neuron_figures.NOISES)


def test_a_step_is_one_iteration_and_shows_all_its_parts() -> None:
    test = visit(LEAKS)
    assert curve(test, "distance") == []
    button(test, "Step").click().run()
    button(test, "Step").click().run()
    assert len(curve(test, "distance")) == len(curve(test, "PSNR")) == 2
    alts = [picture.alt for image in test.image for picture in image.proto.imgs]
    starts = (
        "Original",
        "Observed gradient",
        "Reconstruction: the dummy",
        "Gradient of the dummy",
        "Change",
        "The next",
    )
    assert all(any(alt.startswith(start) for alt in alts) for start in starts)
    assert "Iteration **2** of" in texts(test)


def test_play_goes_on_by_itself_until_pause() -> None:
    test = visit(LEAKS)
    test.segmented_control(key=matching_figure.AT_ONCE).set_value(20).run()
    button(test, "Play").click().run()
    assert button(test, "Step").disabled
    test.run()
    found = curve(test, "distance")
    assert len(found) == 40
    assert found[-1] < found[0] / 10
    button(test, "Pause").click().run()
    test.run()
    assert len(curve(test, "distance")) == 40


def test_reset_and_another_network_begin_anew() -> None:
    test = visit(LEAKS)
    button(test, "Step").click().run()
    button(test, "Reset").click().run()
    assert curve(test, "distance") == []
    assert button(test, "Reset").disabled
    button(test, "Step").click().run()
    test.segmented_control(key=matching_figure.FILTERS).set_value(4).run()
    assert curve(test, "distance") == []


def test_the_search_ends_and_says_so() -> None:
    test = visit(LEAKS)
    test.segmented_control(key=matching_figure.AT_ONCE).set_value(20).run()
    test.selectbox(key=neuron_figures.PICTURE).set_value("digit 3").run()
    button(test, "Play").click().run()
    for _ in range(matching_figure.MOST // 20):
        test.run()
    assert len(curve(test, "distance")) == matching_figure.MOST
    assert button(test, "Play").disabled
    assert button(test, "Pause").disabled
    assert not button(test, "Reset").disabled


def test_the_learning_rate_decides_how_far_a_pixel_moves() -> None:
    moved = {}
    for rate in (0.003, 0.1):
        test = visit(LEAKS)
        test.select_slider(key=matching_figure.RATE).set_value(rate).run()
        button(test, "Step").click().run()
        moment = test.session_state[matching_figure.HELD].search.moment
        moved[rate] = float(np.abs(moment.following - moment.dummy).max())
    assert moved == pytest.approx({0.003: 0.003, 0.1: 0.1}, rel=1e-3)


def test_numbers_are_written_with_their_sign_and_exponent() -> None:
    assert matching_figure.scientific(2.34e-5) == "2.3 × 10⁻⁵"
    assert neuron_figures.signed(-1.168) == "−1.17"
    assert neuron_figures.decibels(neuron.EXACT) == "exact"


# What helps.


@pytest.fixture
def store(installation: Path) -> RunStore:
    return RunStore(f"sqlite:///{installation / 'gia.db'}", home=installation)


@pytest.fixture
def nothing_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "EVERY_CARD", ())


def carried_out(store: RunStore, remedy: Remedy, closeness: tuple[float, float, float] = (1.0, 0.2, 0.9)) -> Trial:
    """The whole trial of a remedy, as workers would have left it."""
    trial = remedy.trial(remedy.usual)
    assert trial is not None
    for spec, close in zip(trial, closeness, strict=True):
        if spec is not None:
            seed_run(store, spec, closeness=close)
    return trial


REMEDIES = [remedy for phase in PHASES for remedy in phase.remedies]
PRUNING = PHASES[2].named("Pruning")
WIPE = "lesson-phase-3"


@pytest.mark.parametrize("remedy", REMEDIES, ids=lambda remedy: remedy.name)
def test_every_remedy_is_explained_and_its_setups_can_be_carried_out(remedy: Remedy, installation: Path) -> None:
    assert glossary.link(remedy.term)
    trial = remedy.trial(remedy.usual)
    assert trial is not None
    assert remedy.usual in trial
    setups = [spec for spec in trial if spec is not None]
    assert [spec.objections(installation) for spec in setups] == [[]] * len(setups)
    assert len(set(setups)) == len(setups)
    assert remedy.trial(trial.without) is None, "what has not the remedy is no trial of it"
    assert (trial.unaware is None) == (not remedy.unaware)


@pytest.mark.parametrize("remedy", REMEDIES, ids=lambda remedy: remedy.name)
def test_both_attackers_lead_to_the_same_trial(remedy: Remedy) -> None:
    trial = remedy.trial(remedy.usual)
    assert trial is not None
    assert {remedy.trial(spec) for spec in (trial.unaware, trial.aware) if spec is not None} == {trial}


@pytest.mark.usefixtures("nothing_recorded")
def test_what_was_not_measured_is_offered_and_not_made_up() -> None:
    test = visit(HELPS)
    assert [info.value for info in test.info] == [
        "Nothing was measured of it here yet: run it, it takes a few minutes."
    ] * 3
    assert [found.label for found in test.button if found.label == "Run it live"] == ["Run it live"] * 3
    assert not test.get("bidi_component")


@pytest.mark.usefixtures("nothing_recorded")
def test_the_readers_own_runs_are_shown_with_numbers_and_guess(store: RunStore) -> None:
    carried_out(store, PRUNING)
    test = visit(HELPS)
    said = texts(test)
    assert "Measured here" in said
    assert all(f'<th scope="row">{name}</th>' in said for name in ("Without it", "With it, attacker knows"))
    assert "Blind guess" in said
    assert "Not recovered by this attack within this budget" in said
    assert "Fewer bytes, not more." in said
    assert "safe" not in said.lower().replace("unsafe", "")


@pytest.mark.usefixtures("nothing_recorded")
def test_the_reader_chooses_the_attacker_and_the_wipe_follows(store: RunStore) -> None:
    carried_out(store, PRUNING)
    test = visit(HELPS)
    naive = wiped(test)
    test.segmented_control(key=f"{WIPE}-pruning-attacker").set_value("knows").run()
    adaptive = wiped(test)
    assert naive[0] == adaptive[0]
    assert naive[1]["uri"] != adaptive[1]["uri"]
    assert "**Recovered: the image" in texts(test)


def wiped(test: AppTest) -> list[dict]:
    (chart,) = test.get("bidi_component")
    return json.loads(chart.proto.json)


@pytest.mark.usefixtures("nothing_recorded")
def test_a_trial_of_which_one_attacker_is_missing_says_so(store: RunStore) -> None:
    trial = PRUNING.trial(PRUNING.usual)
    assert trial is not None
    assert trial.unaware is not None
    for spec in (trial.without, trial.unaware):
        seed_run(store, spec)
    test = visit(HELPS)
    assert "not measured here" in texts(test)
    test.segmented_control(key=f"{WIPE}-pruning-attacker").set_value("knows").run()
    assert "An attacker who knows was not tried here yet." in texts(test)


@pytest.mark.usefixtures("nothing_recorded")
def test_a_defended_run_alone_shows_nothing_for_want_of_a_comparison(store: RunStore) -> None:
    seed_run(store, PRUNING.usual)
    assert len(visit(HELPS).info) == 3


@pytest.mark.usefixtures("nothing_recorded")
def test_pictures_of_other_batches_are_not_wiped_over_each_other(store: RunStore) -> None:
    batch = PHASES[1].named("A larger batch")
    carried_out(store, batch)
    test = visit(HELPS)
    test.pills(key="lesson-phase-2-remedy").set_value(batch.name).run()
    assert [picture["name"] for picture in wiped(test)] == ["Original", "With it"]
    assert "8 images" in texts(test)


@pytest.mark.usefixtures("nothing_recorded")
def test_a_refused_model_leaves_nothing_to_wipe_and_says_why(store: RunStore) -> None:
    checking = PHASES[2].named("Checking the model")
    trial = checking.trial(checking.usual)
    assert trial is not None
    assert trial.unaware is not None
    seed_run(store, trial.without)
    refused = store.submit(trial.unaware)
    store.start(refused, {})
    store.record(refused, {"kind": "finished", "status": "finished", "nothing_to_invert": "The client refused: V1."})
    store.finish(refused, Status.FINISHED)
    test = visit(HELPS)
    test.pills(key="lesson-phase-3-remedy").set_value(checking.name).run()
    assert "**The client refused: V1.**" in texts(test)
    assert "There is no second picture" in texts(test)
    assert not test.get("bidi_component")


@pytest.mark.usefixtures("nothing_recorded")
def test_the_promise_of_a_defense_stands_beside_its_price(store: RunStore) -> None:
    carried_out(store, PHASES[1].named("DP-SGD"))
    carried_out(store, PHASES[2].named("Noise"))
    test = visit(HELPS)
    test.pills(key="lesson-phase-2-remedy").set_value("DP-SGD").run()
    test.pills(key="lesson-phase-3-remedy").set_value("Noise").run()
    assert re.search(r"Epsilon.*(at delta|being counted)", texts(test))
    assert "No epsilon: gaussian-noise" in texts(test)


@pytest.mark.usefixtures("nothing_recorded")
def test_running_it_queues_the_whole_trial_and_leads_to_the_comparison(store: RunStore) -> None:
    test = visit(HELPS)
    test.pills(key="lesson-phase-3-remedy").set_value("Soteria").run()
    test.button(key=f"{WIPE}-live").click().run()
    remedy = PHASES[2].named("Soteria")
    assert {run.spec for run in store.runs()} == set(remedy.trial(remedy.usual) or ())
    assert set(test.query_params["compare"].split(",")) == {run.id for run in store.runs()}


def test_the_recordings_stand_in_where_nothing_was_run_here(store: RunStore) -> None:
    test = visit(HELPS)
    assert "that comes with GIA Lab" in texts(test)
    assert all(run.is_imported for run in store.runs())
    before = store.count()
    visit(HELPS)
    assert store.count() == before, "a recording is taken in once"


def test_the_readers_own_runs_come_before_the_recordings(store: RunStore) -> None:
    carried_out(store, PRUNING)
    test = visit(HELPS)
    assert "Measured here" in texts(test)


# What is recorded for it.


@pytest.mark.parametrize("card", LESSON_CARDS, ids=lambda card: card.name)
def test_what_is_recorded_for_the_lesson_is_what_it_shows(card: gallery.Card) -> None:
    shown = {spec for remedy in REMEDIES for spec in remedy.trial(remedy.usual) or ()}
    assert set(card.specs) <= shown


@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.heading)
def test_the_first_remedy_of_every_phase_was_tried_by_both_attackers(phase: Phase) -> None:
    known = recorded_beside({})
    trial = most_complete(phase.remedies[0], list(known), known)
    assert trial is not None
    assert all(spec in known for spec in trial)
