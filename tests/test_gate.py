"""What may be found at most, and when that is exceeded."""

from __future__ import annotations

import pytest

from gia_core.gate import read


def summary(**scores) -> dict:
    return {"scores": scores, "baselines": {"gray": {"psnr": [10.0, 25.0, 10.0]}}}


FOUND = summary(psnr=[18.0, 24.0, 30.0], ssim=[0.1, 0.9, None], label_accuracy=0.5)


@pytest.mark.parametrize(
    ("text", "exceeded"),
    [
        ("psnr > 29.9", True),
        ("psnr > 30", False),
        (" psnr>=3e1 ", True),
        ("ssim > 0.9", False),
        ("ssim >= .9", True),
        ("label_accuracy >= 0.5", True),
        ("recovered > 0", True),
        ("recovered > 1", False),  # the second image is no closer than a blind guess
    ],
)
def test_the_image_that_came_closest_decides(text: str, exceeded: bool):
    assert read(text).exceeded(FOUND) is exceeded


@pytest.mark.parametrize("text", ["", "psnr", "psnr < 3", "psnr > x", "psnr > 1-e", "mse > 0.1", "psnr > 20 ssim > 1"])
def test_what_is_no_limit_is_refused_with_an_example(text: str):
    with pytest.raises(ValueError, match=r"is no (limit|number)"):
        read(text)


@pytest.mark.parametrize("metric", ["psnr", "ssim", "label_accuracy", "recovered"])
def test_what_is_unknown_does_not_pass(metric: str):
    for found in (summary(psnr=None, label_accuracy=None), {"scores": None, "baselines": None}):
        with pytest.raises(ValueError, match="did not measure"):
            read(f"{metric} > 1").exceeded(found)
