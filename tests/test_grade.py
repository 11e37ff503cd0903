"""The grade at each of its borders, by hand."""

from __future__ import annotations

import pytest

from gia_core.grade import Attacked, Grade, Graded, grade, outlook, reason
from gia_core.recovery import RECOVERED


def attacked(
    *psnr: float | None,
    guess: float | None = 10.0,
    ssim: float | None = 0.1,
    labels: float | None = None,
    attack: str = "DLG",
    method: str = "dlg",
) -> Attacked:
    return Attacked(attack, method, psnr, [guess] * len(psnr), [ssim] * len(psnr), labels)


def found(*attacks: Attacked, formal: bool = False) -> Graded:
    return grade(attacks, formal=formal)


LOST, KEPT = RECOVERED, RECOVERED - 0.1
"""dB of an image that just counts as recovered, and of one that just does not."""

BORDERS = [
    ([attacked(LOST, KEPT)], Grade.CRITICAL),
    ([attacked(LOST, KEPT, KEPT)], Grade.HIGH),
    ([attacked(LOST, *[KEPT] * 9)], Grade.HIGH),
    ([attacked(LOST, *[KEPT] * 10)], Grade.MEDIUM),
    ([attacked(30.0, *[KEPT] * 99)], Grade.CRITICAL),
    ([attacked(29.9, *[KEPT] * 99)], Grade.MEDIUM),
    ([attacked(KEPT)], Grade.LOW),
    ([attacked(KEPT, ssim=0.4)], Grade.MEDIUM),
    ([attacked(KEPT, ssim=0.39)], Grade.LOW),
    ([attacked(KEPT, ssim=None)], Grade.LOW),
    ([attacked(None)], Grade.LOW),
    ([attacked(KEPT, labels=1.0)] * 4 + [attacked(KEPT, labels=0.9)], Grade.MEDIUM),
    ([attacked(KEPT, labels=1.0)] * 3 + [attacked(KEPT, labels=0.9)], Grade.LOW),
    ([attacked(KEPT, labels=None)], Grade.LOW),
]


@pytest.mark.parametrize(("attacks", "expected"), BORDERS)
def test_the_scale_has_the_borders_it_says(attacks: list[Attacked], expected: Grade) -> None:
    assert found(*attacks).grade is expected


def test_without_a_measurement_there_is_no_grade_whatever_is_proven() -> None:
    assert found().grade is None
    assert found(formal=True).grade is None


def test_a_formal_mechanism_needs_a_low_grade_beside_it() -> None:
    assert found(attacked(KEPT), formal=True).grade is Grade.FORMAL
    assert found(attacked(LOST), formal=True).grade is Grade.CRITICAL
    assert found(attacked(KEPT, ssim=0.5), formal=True).grade is Grade.MEDIUM


def test_a_picture_that_a_blind_guess_matches_is_not_recovered() -> None:
    assert found(attacked(25.0, guess=26.0)).grade is Grade.LOW
    assert found(attacked(35.0, guess=36.0)).grade is Grade.LOW
    assert found(attacked(25.0, guess=None)).grade is Grade.CRITICAL


def test_failures_of_a_weak_attack_do_not_hide_what_a_strong_one_found() -> None:
    weak = [attacked(5.0, 5.0, attack="weak", method="weak")] * 50
    graded = found(*weak, attacked(LOST, KEPT, attack="strong", method="strong"))
    assert (graded.grade, graded.attack, graded.images, graded.recovered) == (Grade.CRITICAL, "strong", 2, 0.5)


def test_failures_of_the_strongest_attack_itself_count() -> None:
    assert found(attacked(LOST), attacked(KEPT), attacked(KEPT)).recovered == pytest.approx(1 / 3)


def test_a_copy_counts_whichever_attack_made_it() -> None:
    often = [attacked(LOST, attack="often", method="often")] * 2
    assert found(*often, attacked(40.0, *[KEPT] * 9, attack="once", method="once")).copied


@pytest.mark.parametrize("attacks", [[], *[attacks for attacks, _ in BORDERS]])
@pytest.mark.parametrize("formal", [True, False])
def test_every_grade_has_a_reason_and_an_outlook_and_promises_nothing(attacks: list[Attacked], formal: bool) -> None:
    graded = grade(attacks, formal=formal)
    said = f"{reason(graded)} {outlook(graded)}"
    assert said.count("What would change") == 1
    assert "safe" not in said.lower()
    assert "None" not in said
