"""What the two charts are given: thinned, in words, and honest about what is not known."""

from __future__ import annotations

import json

import pytest

from gia_core.store import Event
from ui.figures import loss_figure, quality_figure
from ui.history import MOST_KEPT, History


def progress(iteration: int, *, psnr: tuple[float | None, ...] = (10.0,), total: float | None = 1.0) -> dict:
    return {
        "kind": "progress",
        "iteration": iteration,
        "iterations": 5000,
        "losses": {"total": total, "matching": 0.5},
        "best": {"total": 1.0},
        "scores": {"psnr": list(psnr), "ssim": [0.5] * len(psnr), "mse": [0.1] * len(psnr), "lpips": None}
        | {"label_accuracy": None},
        "labels": [0] * len(psnr),
        "elapsed": 1.0,
        "rate": 2.0,
    }


def told(*bodies: dict) -> History:
    history = History()
    history.add([Event(seq, 0.0, body) for seq, body in enumerate(bodies, 1)])
    return history


STARTED = {
    "kind": "started",
    "labels": [0, 1],
    "baselines": {"gray": {"psnr": [8.0, 10.0]}, "mean-color": {"psnr": [12.0, 14.0]}},
}


def test_a_run_without_a_record_has_empty_charts() -> None:
    assert loss_figure(History())["x"] == []
    assert quality_figure(History())["alt"] == "Quality: nothing recorded yet."


def test_every_term_of_the_objective_is_a_curve_of_its_own_dash_and_marker() -> None:
    curves = loss_figure(told(progress(1)))["series"]
    assert [curve["name"] for curve in curves] == ["total", "matching"]
    assert len({(curve["dash"], curve["marker"]) for curve in curves}) == 2


def test_weighted_terms_add_up_to_the_total_and_raw_ones_are_as_measured() -> None:
    body = progress(1) | {"losses": {"total": 0.8, "matching": 0.5, "prior": 3.0}}
    history = told(body | {"weighted": {"matching": 0.5, "prior": 0.3}})
    drawn = {
        weighted: {c["name"]: c["y"] for c in loss_figure(history, weighted=weighted)["series"]}
        for weighted in (False, True)
    }
    assert drawn[False] == {"total": [0.8], "matching": [0.5], "prior": [3.0]}
    assert drawn[True] == {"total": [0.8], "matching": [0.5], "prior": [0.3]}


def test_a_term_without_a_known_weight_is_a_gap_among_weighted_ones() -> None:
    curves = {c["name"]: c["y"] for c in loss_figure(told(progress(1)), weighted=True)["series"]}
    assert curves == {"total": [1.0], "matching": [None]}


def test_the_latest_tables_are_kept_until_there_are_new_ones() -> None:
    ranks, bins = {"title": "Ranks"}, {"title": "Bins"}
    history = told(STARTED, progress(1) | {"tables": [ranks]}, progress(2))
    assert history.tables == [ranks]
    history.add([Event(9, 0.0, progress(3) | {"tables": [bins]}), Event(10, 0.0, progress(4) | {"tables": []})])
    assert history.tables == []
    history.add([Event(11, 0.0, {"kind": "finished", "tables": [ranks, bins]})])
    assert history.tables == [ranks, bins]


def test_a_closed_form_is_told_from_a_search_of_one_iteration() -> None:
    closed, search = progress(1) | {"iterations": 1, "losses": {}}, progress(1) | {"iterations": 1}
    assert told(closed).in_one_step
    assert not told(search).in_one_step
    assert not told(closed | {"iterations": 2}).in_one_step
    assert not told(STARTED).in_one_step


def test_a_long_run_is_thinned_and_keeps_both_ends() -> None:
    figure = loss_figure(told(*(progress(i) for i in range(1, 5001))))
    assert len(figure["x"]) <= 800
    assert (figure["x"][0], figure["x"][-1]) == (1, 5000)


def test_what_a_session_holds_of_an_endless_run_is_bounded_and_even() -> None:
    history = told(*(progress(i) for i in range(1, 10 * MOST_KEPT)))
    kept = [point.iteration for point in history.points]
    assert len(kept) <= MOST_KEPT
    assert (kept[0], kept[-1]) == (1, 10 * MOST_KEPT - 1)
    assert kept == sorted(kept)


@pytest.mark.parametrize("lost", [None, float("nan"), float("inf"), 0.0, -1.0])
def test_what_a_logarithmic_axis_cannot_show_is_a_gap(lost: float | None) -> None:
    figure = loss_figure(told(progress(1), progress(2, total=lost)))
    assert figure["series"][0]["y"] == [1.0, None]
    json.dumps(figure, allow_nan=False)


def test_a_batch_shows_its_mean_and_its_best_image() -> None:
    figure = quality_figure(told(STARTED, progress(1, psnr=(10.0, 20.0))))
    assert {curve["name"]: curve["y"] for curve in figure["series"]} == {
        "PSNR mean": [15.0],
        "PSNR best": [20.0],
        "SSIM mean": [0.5],
    }


def test_one_image_needs_no_mean() -> None:
    assert [c["name"] for c in quality_figure(told(progress(1)))["series"]] == ["PSNR", "SSIM"]


def test_blind_guesses_are_lines_with_their_name_the_best_one_first() -> None:
    guides = quality_figure(told(STARTED, progress(1, psnr=(10.0, 20.0))))["guides"]
    assert guides == [{"label": "mean color", "y": 13.0}, {"label": "gray", "y": 9.0}]


def test_the_alternative_text_tells_what_the_curve_shows() -> None:
    history = told(STARTED, progress(1, total=5.0), progress(40, psnr=(10.0, 20.0), total=0.25))
    assert loss_figure(history)["alt"] == "Loss fell from 5 to 0.25 over 40 iterations."
    assert quality_figure(history)["alt"] == (
        "Quality: mean PSNR 15.0 dB after 40 iterations; the best blind guess, mean color, has 13.0 dB."
    )


def test_the_cursor_is_where_the_slider_is() -> None:
    assert loss_figure(told(progress(1)), cursor=7)["cursor"] == 7


def test_a_score_that_diverged_is_unknown_not_zero() -> None:
    assert quality_figure(told(progress(1, psnr=(None,))))["series"][0]["y"] == [None]


def test_events_may_come_in_portions() -> None:
    history = told(STARTED, progress(1))
    history.add([Event(9, 0.0, progress(2))])
    assert history.seq == 9
    assert [point.iteration for point in history.points] == [1, 2]


@pytest.mark.parametrize(("asked", "found"), [(0, 5), (5, 5), (9, 5), (10, 10), (99, 10)])
def test_the_numbers_belong_to_the_last_record_before_the_frame(asked: int, found: int) -> None:
    point = told(progress(5), progress(10)).at(asked)
    assert point is not None
    assert point.iteration == found
