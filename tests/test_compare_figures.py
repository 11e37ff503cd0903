"""Several runs in one chart."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

from ui.compare_figures import MAX_POINTS, by_iteration, measured, overlaid
from ui.history import History


def history(iterations: Sequence[int], *, psnr: float = 10.0, guess: float | None = 11.0, loss: bool = True) -> History:
    """A run whose PSNR rises by 1 dB per recorded iteration, and whose loss falls."""
    told = History()
    started = {"kind": "started", "labels": [0], "baselines": {"gray": {"psnr": [guess]}} if guess is not None else {}}
    bodies = [started] + [
        {
            "kind": "progress",
            "iteration": at,
            "iterations": 1 if list(iterations) == [1] else 100,
            "losses": {"total": 1.0 / (i + 1)} if loss else {},
            "scores": {"psnr": [psnr + i], "ssim": None},
        }
        for i, at in enumerate(iterations)
    ]
    told.add(SimpleNamespace(seq=i, body=body) for i, body in enumerate(bodies, start=1))
    return told


LONG, SHORT, POINT = history(range(10, 101, 10)), history([10, 20]), history([1], loss=False)
RUNS = {"A · long": LONG, "B · short": SHORT, "C · closed form": POINT}


def test_every_run_has_its_own_curve_that_ends_where_the_run_ended() -> None:
    figure = overlaid(RUNS, "psnr", cursor=None)
    assert [curve["name"] for curve in figure["series"]] == list(RUNS)
    assert [curve["x"] for curve in figure["series"]] == [list(range(10, 101, 10)), [10, 20], [1]]
    assert [len(curve["y"]) for curve in figure["series"]] == [10, 2, 1]
    assert figure["x"] == [100]


def test_curves_are_told_apart_without_color() -> None:
    figure = overlaid(dict.fromkeys("ABCD", LONG), "psnr", cursor=None)
    assert len({(curve["dash"], curve["marker"]) for curve in figure["series"]}) == 4


def test_a_blind_guess_that_all_share_is_drawn_once_and_others_are_named() -> None:
    assert overlaid(RUNS, "psnr", cursor=None)["guides"] == [{"label": "blind guess (gray)", "y": 11.0}]
    other = RUNS | {"D · other batch": history([10], guess=9.0)}
    assert [guide["label"] for guide in overlaid(other, "psnr", cursor=None)["guides"]] == [
        "blind guess (gray) for A, B, C",
        "blind guess (gray) for D",
    ]


def test_the_loss_is_drawn_on_a_logarithmic_axis_without_guesses() -> None:
    figure = overlaid(RUNS, "loss", cursor=40)
    assert (figure["log"], figure["guides"], figure["cursor"]) == (True, [], 40)
    assert figure["series"][2]["y"] == [None], "a closed form minimizes nothing"


def test_only_measures_that_some_run_has_are_offered() -> None:
    assert measured([LONG, POINT]) == ["psnr", "loss"]
    assert measured([POINT]) == ["psnr"]
    assert measured([History()]) == []


def test_a_long_run_is_drawn_with_few_points_and_its_last_one() -> None:
    long = history(range(1, 3001))
    (curve,) = overlaid({"A · long": long}, "psnr", cursor=None)["series"]
    assert len(curve["x"]) <= MAX_POINTS
    assert curve["x"][-1] == 3000


def test_the_table_has_a_dash_before_a_run_begins_and_after_it_ends() -> None:
    rows = {row[0]: row[1:] for row in by_iteration(RUNS, "psnr", rows=50)}
    assert rows["1"] == ["—", "—", "10.0 dB"]
    assert rows["20"] == ["11.0 dB", "11.0 dB", "—"]
    assert rows["100"] == ["19.0 dB", "—", "—"]


def test_the_table_is_bounded_and_ends_at_the_end() -> None:
    rows = by_iteration({"A": history(range(1, 3001)), "B": history(range(2, 3002))}, "psnr", rows=50)
    assert len(rows) <= 52
    assert rows[-1][0] == "3,001"


def test_the_chart_is_told_in_words() -> None:
    words = overlaid(RUNS, "psnr", cursor=None)["alt"]
    assert words.startswith("Quality, mean PSNR by iteration. A · long: 19.0 dB after 100")
    assert overlaid({"A": History()}, "psnr", cursor=None)["alt"] == "Quality, mean PSNR: nothing recorded yet."
