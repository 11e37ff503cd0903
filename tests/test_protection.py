"""A defense is judged by pairs: the same images with and without it."""

import math

import numpy as np
import pytest

from gia_core.protection import CHANCE, FEWEST, NOTICEABLE, coin, interval_depth, loss, verdict

CLEAR = [30.0, 28.0, 33.0, 26.0, 31.0, 29.0, 27.0, 35.0, 24.0, 30.0]
"""Ten images that an undefended attack recovered."""


def lowered(scores: list[float], by: float) -> list[float]:
    return [score - by for score in scores]


def test_a_coin_falls_as_combinatorics_say() -> None:
    assert coin(10, 10) == 1 / 1024
    assert coin(9, 10) == 11 / 1024
    assert coin(0, 7) == 1


def test_the_fewest_images_are_those_where_a_loss_on_all_of_them_is_rarer_than_chance() -> None:
    assert coin(FEWEST, FEWEST) <= CHANCE < coin(FEWEST - 1, FEWEST - 1)


def test_the_interval_of_ten_losses_leaves_out_one_on_either_side() -> None:
    assert interval_depth(10) == 1  # covers with chance 1 - 2 * 11 / 1024; leaving out two would not reach 95 %
    assert interval_depth(6) == 0
    assert interval_depth(5) is None


def test_the_interval_covers_the_true_median_as_often_as_promised() -> None:
    draws = np.random.default_rng(0).exponential(size=(2000, 10))  # skewed, with a median of ln 2
    found = [loss(row.tolist(), [0.0] * 10) for row in draws]
    ends = [(one.low, one.high) for one in found if one.low is not None and one.high is not None]
    covered = np.mean([low <= math.log(2) <= high for low, high in ends])
    assert covered > 0.97  # exactly 1 - 22 / 1024


def test_a_defense_that_does_nothing_is_rarely_called_protection() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.normal(25, 4, size=(2, 2000, 10))
    false = np.mean([loss(a.tolist(), b.tolist()).is_measurable for a, b in zip(first, second, strict=True)])
    assert false <= CHANCE


def test_losses_are_paired_and_not_sorted_apart() -> None:
    """Both arms hold the same scores, so that a comparison of averages would see nothing."""
    found = loss([10.0, 20.0, 30.0], [30.0, 20.0, 10.0])
    assert (found.middle, found.images) == (0.0, 3)


def test_what_nobody_could_see_is_no_loss() -> None:
    assert not loss(CLEAR, lowered(CLEAR, NOTICEABLE / 2)).is_measurable
    assert loss(CLEAR, lowered(CLEAR, 2 * NOTICEABLE)).is_measurable


def test_the_same_result_with_and_without_is_no_measurable_protection() -> None:
    assert verdict(CLEAR, CLEAR, CLEAR).startswith("No measurable protection: ")
    assert "a median of 0.0 dB on 10 images (95 % interval 0.0 to 0.0 dB)" in verdict(CLEAR, CLEAR, CLEAR)


def test_only_the_attacker_who_knows_of_the_defense_decides_where_it_is_the_better_one() -> None:
    assert verdict(CLEAR, lowered(CLEAR, 15), CLEAR).startswith("No measurable protection: the attacker who knows")


def test_an_adaptive_attack_that_fails_does_not_make_a_defense_look_good() -> None:
    found = verdict(CLEAR, CLEAR, lowered(CLEAR, 15))
    assert found.startswith("No measurable protection: the attacker who does not even know of it")


def test_a_loss_on_every_image_is_measurable_and_comes_with_its_spread() -> None:
    found = verdict(CLEAR, None, [score - by for score, by in zip(CLEAR, range(1, 11), strict=True)])
    assert found.startswith("Measurable protection: ")
    assert "a median of 5.5 dB on 10 images (95 % interval 2.0 to 9.0 dB)" in found


@pytest.mark.parametrize("images", range(1, FEWEST))
def test_few_images_do_not_tell_a_loss_from_chance(images: int) -> None:
    found = verdict(CLEAR[:images], None, lowered(CLEAR[:images], 10))
    assert found.startswith("Too few images to tell: ")
    assert f"on {images} image{'s' if images > 1 else ''}," in found


def test_one_exact_copy_does_not_decide() -> None:
    undefended = [*CLEAR[:9], 100.0]
    assert verdict(undefended, None, [*CLEAR[:9], 10.0]).startswith("No measurable protection")


def test_where_the_attack_fails_anyway_nothing_is_said_about_the_defense() -> None:
    found = verdict([9.0] * 10, [5.0] * 10, [5.0] * 10)
    assert found.startswith("Nothing to measure: ")
    assert "median PSNR 9.0 dB" in found


@pytest.mark.parametrize("adaptive", [[], [20.0]])
def test_what_is_not_paired_is_refused(adaptive: list[float]) -> None:
    with pytest.raises(ValueError, match="same images"):
        verdict(CLEAR, None, adaptive)
