"""The second lesson as a reader would work through it, but without a browser."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from seeded import carry_out
from streamlit.testing.v1 import AppTest

from gia_core.store import RunStore, Status
from gia_core.sweep import key, plan
from gia_core.theory import recorded
from gia_core.theory.experiments import BATCH_SIZE, LESSON, TRAINING, Experiment
from gia_core.theory.fits import band
from gia_core.theory.levels import CONTROLS, Level
from ui.lessons import hardness, hardness_figures, hardness_theory
from ui.lessons.hardness_verdict import Question

APP = Path(__file__).parent.parent / "app.py"
PAGE = "pages/learn/what_makes_it_hard.py"
QUESTIONS = (*hardness.questions(), hardness_theory.rounds())


@pytest.fixture
def store(installation: Path) -> RunStore:
    return RunStore(f"sqlite:///{installation / 'gia.db'}", home=installation)


def opened() -> AppTest:
    test = AppTest.from_file(str(APP), default_timeout=30).run()
    test.switch_page(PAGE).run()
    assert not test.exception
    return test


def texts(test: AppTest) -> str:
    kinds = ("markdown", "caption", "info", "warning", "error", "title", "subheader", "html", "toast")
    progress = [bar.proto.text for bar in test.get("progress")]
    return "\n".join([*(str(element.value) for kind in kinds for element in getattr(test, kind)), *progress])


def charts(test: AppTest) -> list[dict]:
    return [json.loads(chart.proto.spec) for chart in test.get("plotly_chart")]


def questioned(test: AppTest) -> list[dict]:
    """The figures of the questions; the last one on the page is about gradients."""
    return charts(test)[:-1]


def named(figure: dict) -> list[str]:
    return [trace["name"] for trace in figure["data"] if "name" in trace]


def begun(store: RunStore, home: Path, experiment: Experiment, *, done: int) -> None:
    """The reader's own sweep, of which the first cells are done."""
    sweep_id = store.sweeps.add(experiment.sweep)
    for number, planned in enumerate(plan(experiment.sweep, home)):
        for job in planned.specs:
            run_id = store.sweeps.enter(sweep_id, key(planned.cell), job)
            if number < done:
                carry_out(store, run_id, job, closeness=0.9 - 0.2 * number)


# What is there before anything has run.


def test_every_question_shows_its_record_at_once(store: RunStore):
    test = opened()
    said, drawn = texts(test), questioned(test)
    assert all(experiment.question in said for experiment in LESSON)
    assert len(drawn) == len(QUESTIONS)
    assert "Nothing was recorded" not in said
    assert said.count("**Verdict**") == len(QUESTIONS)
    assert store.count() == 0


def test_every_figure_holds_its_controls(store: RunStore):
    for figure in questioned(opened()):
        assert {f"no update: {name}" for name in CONTROLS.values()} <= set(named(figure))


def test_the_figures_of_growth_draw_the_root_law_on_logarithmic_axes(store: RunStore):
    batch, resolution, *others = questioned(opened())
    for figure in (batch, resolution):
        assert any("√" in name for name in named(figure))
        assert figure["layout"]["xaxis"]["type"] == figure["layout"]["yaxis"]["type"] == "log"
    assert not any("√" in name for figure in others for name in named(figure))


def test_every_figure_has_a_table_and_words(store: RunStore):
    said = texts(opened())
    assert said.count("Error of one pixel: ") == len(QUESTIONS)
    assert all(f"<caption>{question.experiment.question}" in said for question in QUESTIONS)


def test_nothing_is_called_confirmed_or_safe(store: RunStore):
    said = texts(opened()).lower().replace("confirms nothing", "")
    assert "confirmed" not in said
    assert "safe" not in said


def test_the_theory_is_told_plainly_and_precisely(store: RunStore):
    said = texts(opened())
    assert said.count("In one sentence: **") == 2
    assert "\\kappa_\\infty" in said
    assert "Not derivable" in said
    assert "The premise" in said
    assert "A good fit confirms nothing" in said


def test_equations_stand_on_lines_of_their_own_or_the_page_would_show_their_source():
    signs = [line for line in hardness_theory.EXPERT_THEOREM.splitlines() if "$$" in line]
    assert len(signs) == 4
    assert set(signs) == {"$$"}


# The controls beside the sentences.


def test_the_slider_chooses_what_the_sentence_is_about(store: RunStore):
    test = opened()
    test.select_slider(key="hardness-level-batch-size").set_value("1").run()
    assert "With **one picture**" in texts(test)
    test.select_slider(key="hardness-level-batch-size").set_value("4").run()
    assert "With **batches of 4**" in texts(test)


def test_the_error_of_one_pixel_makes_the_root_law_flat(store: RunStore):
    test = opened()
    test.segmented_control(key="hardness-shown-batch-size").set_value(hardness_figures.PIXEL).run()
    law = next(trace for trace in charts(test)[0]["data"] if "√" in trace.get("name", ""))
    assert len(set(law["y"])) == 1


# The reader's own sweep.


def test_a_press_asks_for_the_sweep_and_the_record_makes_way(store: RunStore):
    test = opened()
    runs = sum(len(each.specs) for each in plan(BATCH_SIZE.sweep, Path()))
    assert f"{runs} runs, about " in texts(test)
    test.button(key="hardness-run-batch-size").click().run()
    assert store.count() == runs
    assert f"0 of {runs} runs done" in texts(test)
    assert "No value is measured to the end yet." in texts(test)
    assert "hardness-run-batch-size" not in [button.key for button in test.button]
    assert len(questioned(test)) == len(QUESTIONS) - 1


def test_a_sweep_under_way_shows_what_is_done(store: RunStore, installation: Path):
    begun(store, installation, BATCH_SIZE, done=1)
    test = opened()
    assert "8 of 15 runs done" in texts(test)
    assert "Too few results yet for a verdict." in texts(test)
    attack = next(trace for trace in charts(test)[0]["data"] if trace.get("name") == "attack")
    assert len(attack["x"]) == 1


def test_a_finished_sweep_is_judged(store: RunStore, installation: Path):
    begun(store, installation, BATCH_SIZE, done=4)
    test = opened()
    assert ":blue-badge[" in texts(test)
    assert "15 runs done" not in texts(test)
    assert "**Worse than √.**" in texts(test)


def test_a_failed_run_leaves_its_level_out(store: RunStore, installation: Path):
    begun(store, installation, TRAINING, done=3)
    last = plan(TRAINING.sweep, installation)[3].specs[0]
    run_id = next(
        entry.run_id for entry in store.sweeps.entries(store.sweeps.newest()[0].id) if is_of(store, entry, last)
    )
    carry_out(store, run_id, last, status=Status.FAILED, error="The attack diverged.")
    attack = charts(opened())[LESSON.index(TRAINING)]["data"][0]
    assert attack["x"] == [0, 1, 2]


def is_of(store: RunStore, entry, job) -> bool:
    return store.run(entry.run_id).spec == job


# Figures and words of their own.


def levels(question: Question) -> list[Level]:
    known = recorded.sweep_of(question.experiment.name)
    assert known is not None
    return known.levels


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.experiment.name)
def test_every_level_has_a_name_of_its_own(question: Question):
    found = levels(question)
    assert len({question.named(level.cell) for level in found}) == len(found)
    assert len({question.name(level.cell) for level in found}) == len(found)


def test_the_curves_of_a_figure_differ_in_dash_or_marker():
    styles = [style[1:] for style in (*hardness_figures.ATTACKS, *hardness_figures.GUESSES.values())]
    assert len(set(styles)) == len(styles)


def test_the_band_holds_the_curve():
    found = levels(QUESTIONS[0])
    around, curve, *_ = hardness_figures.attack(0, "attack", found, whole=True)
    high, low = around["y"][: len(found)], around["y"][len(found) :][::-1]
    assert all(a <= b <= c for a, b, c in zip(low, curve["y"], high, strict=True))
    assert all(band(level) is not None for level in found)
