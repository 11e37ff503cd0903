"""An attack beside guesses that use no gradient."""

from __future__ import annotations

from ui.comparison import disagreement, in_context

GUESSES = {"gray": {"psnr": [10.0, 12.0], "ssim": [0.1, 0.2]}, "mean-color": {"psnr": [11.0, 9.0], "ssim": [0.3, 0.1]}}


def test_metrics_that_agree_raise_no_flag() -> None:
    assert disagreement({"psnr": [20.0, 20.0], "ssim": [0.9, 0.9]}, GUESSES) is None
    assert disagreement({"psnr": [5.0, 5.0], "ssim": [0.0, 0.0]}, GUESSES) is None


def test_metrics_that_contradict_each_other_are_named_with_the_image() -> None:
    found = disagreement({"psnr": [20.0, 20.0], "ssim": [0.9, 0.1]}, GUESSES)
    assert found == (
        "The metrics disagree about image 2: closer than a blind guess by PSNR, not by SSIM. Trust your eyes."
    )


def test_a_single_metric_cannot_disagree() -> None:
    assert disagreement({"psnr": [20.0, 5.0], "ssim": None, "lpips": None}, GUESSES) is None


def test_lower_is_closer_for_lpips() -> None:
    guesses = {"gray": {"psnr": [10.0], "lpips": [0.5]}}
    assert disagreement({"psnr": [12.0], "lpips": [0.4]}, guesses) is None
    assert "not by LPIPS" in (disagreement({"psnr": [12.0], "lpips": [0.6]}, guesses) or "")


def test_what_was_not_measured_stays_unknown() -> None:
    rows = dict(in_context({"psnr": [20.0, 10.0], "ssim": [None, 0.5], "lpips": None}, GUESSES))
    assert rows["This attack"] == [15.0, 0.5, None, None]
    assert rows["Blind guess: mean color"][0] == 10.0
