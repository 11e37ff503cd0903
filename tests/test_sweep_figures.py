"""What a sweep's figures show, and how its axes are called."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_sweep_outcome import cell_of

from gia_core.defenses import Pruning
from gia_core.spec import AuditSpec
from gia_core.store import Status
from gia_core.sweep import plan, swept
from ui import sweep_axes, sweep_figures


def test_a_cell_holds_its_worst_case_above_its_median(home: Path):
    cell = cell_of(home, (0, Status.FINISHED, [20.0, 30.0, 22.0]), seeds=1)
    made = sweep_figures.heat_map([cell], [["1"], ["1"]], ["A", "B"], "psnr", typical=False)
    (note,) = made["layout"]["annotations"]
    assert note["text"] == "<b>30.0</b><br>22.0"
    assert made["data"][0]["z"] == [[30.0]]


def test_a_cell_that_is_no_better_than_a_guess_says_so(home: Path):
    cell = cell_of(home, (0, Status.FINISHED, [13.9]), seeds=1)  # the blind guess has 14 for one image
    made = sweep_figures.heat_map([cell], [["1"], ["1"]], ["A", "B"], "psnr", typical=False)
    assert "≤ guess" in made["layout"]["annotations"][0]["text"]


def test_the_color_scale_reaches_to_the_blind_guess_and_names_it(home: Path):
    cell = cell_of(home, (0, Status.FINISHED, [30.0]), seeds=1)
    heat = sweep_figures.heat_map([cell], [["1"], ["1"]], ["A", "B"], "psnr", typical=False)["data"][0]
    assert (heat["zmin"], heat["zmax"]) == (14.0, 30.0)
    assert "blind guess 14.0 dB" in heat["colorbar"]["ticktext"]


@pytest.mark.parametrize(("value", "higher", "ink"), [(1.0, True, "#000000"), (1.0, False, "#ffffff")])
def test_the_text_stands_out_from_bright_and_dark_cells(value: float, higher: bool, ink: str):
    assert sweep_figures.ink(value, (0.0, 1.0), higher=higher) == ink
    assert sweep_figures.ink(None, (0.0, 1.0), higher=higher) is None


def test_a_cell_without_results_shows_how_far_it_is(home: Path):
    cell = cell_of(home, (0, Status.RUNNING, None), (1, Status.QUEUED, None))
    assert sweep_figures.progress(cell) == "running<br>0 of 2"
    assert sweep_figures.row(cell, "psnr") == ["—"] * 6 + ["1 running, 1 waiting"]


def test_the_row_of_a_cell_has_every_number(home: Path):
    cell = cell_of(home, (0, Status.FINISHED, [10.0, 20.0, 30.0]), seeds=1)
    expected = ["30.0 dB", "20.0 dB", "15.0 dB to 25.0 dB", "14.0 dB", "12.0 dB", "3", "1 done"]
    assert sweep_figures.row(cell, "psnr") == expected


def test_every_axis_that_is_offered_can_be_planned_with_its_usual_values(home: Path):
    setup = AuditSpec(defenses=(Pruning(),))
    for of, way in sweep_axes.ways(setup).items():
        planned = plan(swept(setup, {of: way.usual}, images=None, seeds=1), home)
        assert planned[0].specs, of
        assert sweep_axes.name(of)


@pytest.mark.parametrize(
    ("of", "value", "called", "word"),
    [
        ("batch_size", 1024, "Batch size", "1,024"),
        ("attack", "dlg", "Attack", "DLG"),
        ("attack", "of-the-future", "Attack", "of-the-future"),
        ("defenses", "none", "Defense", "no defense"),
        ("defenses.pruning.ratio", 0.5, "Pruning: ratio", "0.5"),
        ("model.activation", "leaky-relu", "Activation", "leaky relu"),
        ("dataset.size", 32, "Resolution", "32 px"),
    ],
)
def test_axes_and_values_are_called_in_plain_words(of: str, value: float | str, called: str, word: str):
    assert sweep_axes.name(of) == called
    assert sweep_axes.word(of, value) == word
