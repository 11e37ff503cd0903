"""The gallery and its presentation, as a browser would see them but without one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from gia_core import gallery
from gia_core.gallery import CARDS, Card, recordings
from gia_core.store import RunStore, Status
from ui import location, presenter
from ui.gallery import picture

APP = Path(__file__).parent.parent / "app.py"
RUNS = "pages/review/runs.py"
ALONE = [card for card in CARDS if len(card.takes) == 1]
TOGETHER = [card for card in CARDS if len(card.takes) > 1]

pytestmark = pytest.mark.usefixtures("installation")


@pytest.fixture
def store(installation: Path) -> RunStore:
    return RunStore(f"sqlite:///{installation / 'gia.db'}", home=installation)


def visit(**query: str) -> AppTest:
    test = AppTest.from_file(str(APP), default_timeout=30)
    for name, value in query.items():
        test.query_params[name] = value
    test.run()
    assert not test.exception
    return test


def opened(card: Card) -> AppTest:
    test = visit()
    test.button(key=f"open-{card.name}").click().run()
    assert not test.exception
    return test


def texts(test: AppTest) -> str:
    kinds = ("markdown", "caption", "info", "warning", "error", "header", "subheader", "title", "html")
    return "\n".join(str(element.value) for kind in kinds for element in getattr(test, kind))


def slider(test: AppTest) -> dict:
    (found,) = [data for part in test.get("bidi_component") if "positions" in (data := json.loads(part.proto.json)[0])]
    return found


def pressed(test: AppTest, name: str) -> AppTest:
    test.button(key=name).click().run()
    assert not test.exception
    return test


# Cards.


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_a_card_shows_every_result_in_words_too(card: Card) -> None:
    shown = picture(card)
    assert shown.count("<img") == shown.count('alt="') == shown.count("<figcaption>")
    for take in card.takes:
        assert f"Reconstruction, {take.caption}: " in shown


@pytest.mark.parametrize("card", [ALONE[0], ALONE[-1]], ids=lambda card: card.name)
def test_a_card_of_one_run_opens_it_in_the_lab_with_its_setup(card: Card, store: RunStore) -> None:
    test = opened(card)
    (run_id,) = gallery.recorded(card)
    assert test.query_params["run"] == run_id
    assert store.run(run_id).status is Status.FINISHED
    assert test.session_state[location.DRAFT] == card.specs[0]
    answer, condition = recordings.told(card)
    said = texts(test)
    assert answer in said
    assert condition in said
    assert "recorded" in said
    assert "Recorded on" in said
    assert "no estimate yet" in said, "how long it took elsewhere says nothing about this machine"


@pytest.mark.parametrize("card", TOGETHER[:1], ids=lambda card: card.name)
def test_a_card_of_several_runs_opens_them_side_by_side(card: Card) -> None:
    test = opened(card)
    assert test.query_params["compare"] == ",".join(gallery.recorded(card))
    assert recordings.told(card)[0] in texts(test)
    at = slider(test)
    assert at["begins"]
    assert at["at"] == at["positions"][0]


def test_a_recording_begins_to_play_once_and_only_from_its_card() -> None:
    card = CARDS[0]
    test = opened(card)
    at = slider(test)
    assert (at["begins"], at["at"]) == (True, at["positions"][0])
    key = f"kept-{gallery.recorded(card)[0]}"
    test.session_state[key] = {"at": at["positions"][1]}
    test.run()
    assert not slider(test)["begins"]
    by_link = visit(run=gallery.recorded(card)[0])
    assert (slider(by_link)["begins"], slider(by_link)["at"]) == (False, None)


def test_a_card_is_opened_twice_and_its_run_is_there_once(store: RunStore) -> None:
    opened(CARDS[0])
    opened(CARDS[0])
    assert store.count() == 1


def test_a_recording_is_listed_and_marked_among_all_runs() -> None:
    test = opened(CARDS[0])
    test.switch_page(RUNS).run()
    assert "recorded" in texts(test)
    assert test.button(key=f"delete-{gallery.recorded(CARDS[0])[0]}")


def test_run_it_live_starts_the_same_setup_and_leads_back_to_the_recording(store: RunStore) -> None:
    card = CARDS[0]
    test = pressed(opened(card), "run-live")
    (live,) = [run for run in store.runs() if not run.status.is_over]
    assert live.spec == card.specs[0]
    assert test.query_params["run"] == live.id
    assert card.look_for in texts(test)
    assert recordings.told(card)[0] not in texts(test), "the answer is that of the recording"
    pressed(test, "show-recording")
    assert test.query_params["run"] == gallery.recorded(card)[0]


def test_several_runs_are_started_together(store: RunStore) -> None:
    card = TOGETHER[0]
    pressed(opened(card), "run-live")
    assert sorted(run.spec.model_dump_json() for run in store.runs() if run.spec and not run.status.is_over) == sorted(
        spec.model_dump_json() for spec in card.specs
    )


def test_one_question_leads_to_the_next_and_back_to_all() -> None:
    test = pressed(opened(CARDS[0]), "next-question")
    assert recordings.told(CARDS[1])[0] in texts(test)
    pressed(test, "all-questions")
    assert "See what a shared gradient gives away" in texts(test)


def test_a_question_without_recordings_can_still_be_run_live(
    store: RunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings, "FOLDER", tmp_path)
    picture.cache_clear()
    test = visit()
    assert "Not recorded on this machine" in texts(test)
    pressed(test, f"open-{CARDS[0].name}")
    (run,) = store.runs()
    assert run.spec == CARDS[0].specs[0]


def test_a_presentation_says_before_it_begins_that_recordings_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings, "FOLDER", tmp_path)
    test = visit(present="1", cards="photo")
    assert "Not recorded: Can one gradient give away my photo?" in texts(test)
    for _ in range(3):
        pressed(test, "present-next")
        assert CARDS[0].question in texts(test)


# On stage.


def test_the_address_presents_the_chosen_cards_and_says_whether_the_room_is_ready() -> None:
    test = visit(present="1", cards="photo,one-layer")
    said = texts(test)
    assert gallery.named("one-layer").question in said
    assert "Every question has its recordings." in said
    assert "The data for live runs is there." in said
    assert "The worker for live runs is starting." in said
    assert test.button(key="present-back").disabled


def test_a_question_its_pictures_and_its_answer_follow_each_other() -> None:
    card = CARDS[0]
    test = visit(present="1", cards="photo")
    pressed(test, "present-next")
    assert [title.value for title in test.title] == [card.question]
    pressed(test, "present-next")
    at = slider(test)
    assert (at["begins"], at["shortcut"], at["at"]) == (True, "p", at["positions"][0])
    pressed(test, "present-next")
    assert [title.value for title in test.title] == [recordings.told(card)[0]]
    assert recordings.told(card)[1] in texts(test)
    assert test.button(key="present-next").disabled
    pressed(test, "present-back")
    assert not slider(test)["begins"], "who goes back wants to see the end again"


def test_a_slide_is_found_again_by_its_address() -> None:
    test = visit(present="1", cards="photo,vit", slide="4")
    assert [title.value for title in test.title] == [gallery.named("vit").question]
    assert (test.query_params["cards"], test.query_params["slide"]) == ("photo,vit", "4")


@pytest.mark.parametrize(("cards", "slide"), [("nothing,<b>", "x"), ("", "999"), ("photo", "-1")])
def test_an_address_that_makes_no_sense_still_presents_something(cards: str, slide: str) -> None:
    test = visit(present="1", cards=cards, slide=slide)
    assert test.title


def test_a_slide_is_carried_out_live_on_demand(store: RunStore) -> None:
    test = visit(present="1", cards="relu", slide="2")
    pressed(test, "present-live")
    live = [run for run in store.runs() if not run.status.is_over]
    assert {run.spec for run in live} == set(gallery.named("relu").specs)
    assert set(test.query_params["live"].split(",")) == {run.id for run in live}
    assert "queued" in texts(test)
    again = visit(present="1", cards="relu", slide="2", live=test.query_params["live"])
    assert "queued" in texts(again)
    pressed(test, "present-recorded")
    assert slider(test)["begins"]
    assert "live" not in test.query_params


def test_an_address_that_names_other_runs_as_live_shows_the_recording(store: RunStore) -> None:
    for live in ("nothing", store.submit(gallery.named("photo").specs[0])):
        test = visit(present="1", cards="relu", slide="2", live=live)
        assert slider(test)["positions"]
        assert "queued" not in texts(test)


def test_what_is_presented_is_chosen_in_the_gallery() -> None:
    test = visit()
    test.multiselect(key="present-cards").set_value(["vit", "photo"]).run()
    pressed(test, "present-begin")
    assert test.session_state[presenter.CHOSEN] == ("vit", "photo")
    assert gallery.named("vit").question in texts(test)
