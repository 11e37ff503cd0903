"""The figures of a report as SVGs, read as XML."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gia_core.reports import drawing, figures
from gia_core.reports.drawing import MARKS, Scale
from gia_core.reports.figures import COLORS, Figure, Point, progress
from gia_core.reports.tables import Table

HOSTILE = '"><script>alert(1)</script>'
VALUES = st.lists(st.floats(-1e6, 1e6).map(lambda value: round(value, 6)), min_size=1, max_size=20)


def curves(**lines: list[float]) -> Figure:
    told = {name: [Point(i, value, value) for i, value in enumerate(line)] for name, line in lines.items()}
    return progress(told, "closest", "Quality", "PSNR (dB)", log=False)


def marks(places: list[str], values: list[float]) -> Figure:
    marker = {"color": COLORS[0], "symbol": "circle"}
    trace = {"type": "scatter", "mode": "markers", "name": HOSTILE, "x": places, "y": values, "marker": marker}
    layout = {"xaxis": figures.named(places, "Run"), "yaxis": {"title": {"text": "PSNR"}}}
    return Figure("Scores", f"Alt {HOSTILE}", [trace, trace], layout, Table("", (), []))


def read(figure: Figure) -> ElementTree.Element:
    return ElementTree.fromstring(drawing.svg(figure))


def lines(drawn: ElementTree.Element) -> list[list[tuple[float, float]]]:
    """The points of every line that is drawn as one, from left to right."""
    found = [path.get("d", "") for path in drawn.iter("path") if path.get("stroke-width") == "2"]
    return [[(float(x), float(y)) for x, y in re.findall(r"([\d.]+),([\d.]+)", d)] for d in found]


def test_a_rising_curve_rises_and_a_flat_one_is_flat() -> None:
    [rising] = lines(read(curves(a=[1.0, 2.0, 3.0])))
    assert rising[0][1] > rising[1][1] > rising[2][1]  # paper counts from the top
    assert rising[1][0] - rising[0][0] == pytest.approx(rising[2][0] - rising[1][0], abs=0.2)
    [flat] = lines(read(curves(a=[5.0, 5.0])))
    assert flat[0][1] == flat[1][1]


def test_two_curves_share_their_axes_and_are_named() -> None:
    drawn = read(curves(low=[1.0, 1.0], high=[3.0, 3.0]))
    found = lines(drawn)
    assert len(found) == 4  # each in the figure, and as a sample before its name
    ends = sorted({line[0][1] for line in found[2:]})
    assert len(ends) == 2
    assert {"low", "high", "Iteration", "PSNR (dB)"} <= {text.text for text in drawn.iter("text")}
    dashes = [path.get("stroke-dasharray") for path in drawn.iter("path") if path.get("stroke-width") == "2"]
    assert len(set(dashes)) == 2


def test_everything_stays_within_the_paper() -> None:
    drawn = read(marks([f"{n} · batch size {n}" for n in range(60)], [float(n) for n in range(60)]))
    _, _, width, height = map(float, (drawn.get("viewBox") or "").split())
    places = [text for text in drawn.iter("text") if not text.get("transform")]
    assert all(0 <= float(text.get("x", "-1")) <= width for text in places)
    assert all(0 <= float(text.get("y", "-1")) <= height for text in places)
    numbers = [text.text for text in places if (text.text or "").isdecimal() and text.get("text-anchor") == "middle"]
    assert numbers[0] == "0"
    assert 10 < len(numbers) < 60


def test_a_name_from_elsewhere_is_no_markup() -> None:
    drawn = drawing.svg(marks([HOSTILE], [1.0]))
    assert "<script" not in drawn
    root = ElementTree.fromstring(drawn)
    assert root.get("aria-label") == f"Alt {HOSTILE}"
    assert HOSTILE in [text.text for text in root.iter("text")]


def test_nothing_to_draw_is_an_empty_figure() -> None:
    assert not lines(read(marks([], [])))


@given(VALUES)
def test_round_numbers_lie_between_the_ends(values: list[float]) -> None:
    axis = drawing.scale(values, 0, 100)
    assert all(0 <= axis.at(value) <= 100 for value in values)
    assert 2 <= len(axis.ticks) <= drawing.TICKS + 1
    assert all(0 <= axis.at(tick) <= 100 for tick in axis.ticks)


def test_a_logarithmic_axis_counts_powers_of_ten() -> None:
    axis = drawing.scale([0.01, 1000.0], 0, 100, log=True)
    assert axis.ticks == pytest.approx([0.01, 0.1, 1, 10, 100, 1000])
    assert Scale(0, 2, 0, 100, log=True).at(10.0) == pytest.approx(50)


def test_every_mark_of_a_figure_can_be_drawn() -> None:
    assert {*figures.MARKERS, "line-ew-open"} <= set(MARKS)
    assert set(figures.DASHES) == {"solid", *drawing.DASH}
