"""The fits, verdicts and bounds of the theory, on errors whose law is known."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import linregress, rankdata

from gia_core.spec import AuditSpec, Victim
from gia_core.theory import bound, neighbors
from gia_core.theory.fits import LEAST_SAMPLES, power_law, ratio, root_line, unevenness
from gia_core.theory.levels import EXACT, Level, measured, same_unknowns
from gia_core.theory.verdicts import Effect, Law, change, change_in_words, growth, growth_in_words

SIZES = (1, 2, 4, 8)
SAMPLES = [(index, 0) for index in range(12)]
GUESS = 0.25
"""RMSE of the controls."""
MORE = "a bigger batch"


def errors(rmse: float, *, spread: float = 0.0) -> dict[tuple[int, int], float]:
    """The same mean square for every image, or half of them lower and half of them higher."""
    squared = rmse**2
    return {sample: squared * (1 + spread * (1 if at % 2 else -1)) for at, sample in enumerate(SAMPLES)}


def level(size: int, rmse: float, *, spread: float = 0.0, guess: float | None = GUESS) -> Level:
    controls = {} if guess is None else {"dataset-mean": errors(guess), "another-image": errors(1.4 * guess)}
    return Level((size,), 3072 * size, errors(rmse, spread=spread), controls)


def growing(exponent: float, *, first: float = 0.01, **more: float) -> list[Level]:
    """Levels whose whole error grows as N to this power."""
    return [level(size, first * size ** (exponent - 0.5), **more) for size in SIZES]


def one_run(images: tuple[int, ...], seed: int, *, mse: tuple[float | None, ...]):
    """What a level is made of."""
    spec = AuditSpec(batch_size=len(images), victim=Victim(indices=images), seed=seed)
    return spec, mse, {"dataset-mean": {"mse": [0.1] * len(images)}}


# Fits.


@pytest.mark.parametrize("exponent", [0.0, 0.5, 0.8, 1.0])
def test_the_slope_is_that_of_the_law_that_made_the_errors(exponent: float):
    found = power_law(growing(exponent))
    assert found.value == pytest.approx(exponent)
    assert found.interval == pytest.approx((exponent, exponent))


def test_the_slope_and_the_line_are_those_of_scipy():
    levels = [level(size, rmse) for size, rmse in zip(SIZES, (0.03, 0.05, 0.06, 0.11), strict=True)]
    unknowns, whole = [one.unknowns for one in levels], [one.error for one in levels]
    logarithmic, line = linregress(np.log(unknowns), np.log(whole)), linregress(np.sqrt(unknowns), whole)
    found = root_line(levels)
    assert power_law(levels).value == pytest.approx(logarithmic.slope)
    assert (found.slope, found.intercept) == pytest.approx((line.slope, line.intercept))
    assert found.r_squared == pytest.approx(line.rvalue**2)


def test_the_interval_holds_the_slope_and_widens_with_the_spread_of_the_images():
    rng = np.random.default_rng(1)
    noisy = [
        Level((size,), size, {sample: 1e-3 * factor for sample, factor in zip(SAMPLES, draws, strict=True)}, {})
        for size, draws in zip(SIZES, rng.lognormal(0, 1, (len(SIZES), len(SAMPLES))), strict=True)
    ]
    low, high = power_law(noisy).interval or (0.0, 0.0)
    assert low < power_law(noisy).value < high
    calm_low, calm_high = power_law(growing(0.5)).interval or (0.0, 0.0)
    assert high - low > 10 * (calm_high - calm_low)


def test_a_guess_that_looks_at_no_update_follows_the_root_law_perfectly():
    guesses = [one.control("dataset-mean") for one in growing(0.9)]
    assert power_law(guesses).value == pytest.approx(0.5)
    assert root_line(guesses).r_squared == pytest.approx(1)
    assert root_line(guesses).intercept == pytest.approx(0, abs=1e-9)


def test_a_law_of_dimension_does_not_change_the_error_of_one_pixel():
    assert unevenness(growing(0.5)) == pytest.approx(1)
    assert unevenness(growing(1.0)) == pytest.approx(math.sqrt(8))


def test_too_few_images_have_no_interval():
    few = [Level((size,), size, {(index, 0): 1e-3 for index in range(LEAST_SAMPLES - 1)}, {}) for size in SIZES]
    assert power_law(few).interval is None
    assert growth(few).law is Law.UNDECIDED


def test_one_number_of_unknowns_has_no_slope():
    with pytest.raises(ValueError, match="two different numbers"):
        power_law([level(1, 0.1), level(1, 0.2)])


def test_levels_are_compared_on_the_images_that_both_have():
    twice = Level((2,), 2, dict.fromkeys(SAMPLES, 0.0004), {})
    once = Level((1,), 1, dict.fromkeys(SAMPLES, 0.0001), {})
    found = ratio(once, twice)
    assert found.value == pytest.approx(2)
    assert found.interval == pytest.approx((2, 2))
    with pytest.raises(ValueError, match="no image in common"):
        ratio(once, Level((2,), 2, {(99, 0): 1.0}, {}))


# Verdicts.


def test_the_root_law_is_trivial_only_where_the_error_of_one_pixel_is_flat():
    assert growth(growing(0.5)).law is Law.TRIVIAL
    rmse = (0.05, 0.10, 0.10, 0.05)  # a slope of a half, over errors of one pixel that double and halve again
    uneven = [level(size, value) for size, value in zip(SIZES, rmse, strict=True)]
    assert power_law(uneven).value == pytest.approx(0.5)
    assert growth(uneven).law is Law.UNDECIDED


@pytest.mark.parametrize(
    ("exponent", "law"), [(0.2, Law.BETTER), (0.5, Law.TRIVIAL), (0.8, Law.WORSE)], ids=["better", "trivial", "worse"]
)
def test_the_verdict_follows_the_slope(exponent: float, law: Law):
    found = growth(growing(exponent, spread=0.3))
    assert found.law is law
    assert growth_in_words(found, MORE, str).startswith(f"**{law.capitalize()}")


def test_an_attack_that_is_hardly_better_than_a_guess_is_saturated():
    found = growth(growing(0.5, first=0.96 * GUESS))
    assert found.law is Law.SATURATED
    assert found.saturated == ((1,), (2,), (4,), (8,))
    assert growth(growing(0.5, first=0.94 * GUESS)).law is Law.TRIVIAL


def test_saturated_levels_are_named_and_left_out_of_the_slope():
    levels = [level(1, 0.05), level(2, 0.1), level(4, GUESS), level(8, GUESS)]
    found = growth(levels)
    assert found.law is Law.WORSE
    assert found.slope is not None
    assert found.slope.value == pytest.approx(1.5)
    words = growth_in_words(found, MORE, lambda cell: f"batch size {cell[0]}")
    assert "Saturated for batch size 4 and batch size 8" in words


def test_the_numbers_of_the_survey_saturate_after_the_first():
    survey = [level(1, 0.079, guess=0.24), level(32, 0.235, guess=0.24), level(64, 0.238, guess=0.24)]
    assert growth(survey).law is Law.SATURATED


def test_one_level_is_not_enough():
    assert growth([level(1, 0.1)]).law is Law.TOO_LITTLE
    assert growth([]).law is Law.TOO_LITTLE


@pytest.mark.parametrize("law", Law)
def test_no_verdict_says_that_the_law_is_confirmed_or_the_data_safe(law: Law):
    found = growth(growing(0.5))
    words = growth_in_words(type(found)(law, (), ((1,),), None, None, None), MORE, str).lower()
    assert "confirm" not in words
    assert "safe" not in words
    assert words.endswith((".", "**"))


@pytest.mark.parametrize(
    ("rmse", "effect"), [(0.2, Effect.HARDER), (0.05, Effect.EASIER), (0.1, Effect.SAME), (0.24, Effect.SATURATED)]
)
def test_a_change_is_harder_easier_saturated_or_not_shown(rmse: float, effect: Effect):
    found = change(level(1, 0.1, spread=0.5), level(2, rmse, spread=-0.5))
    assert found.effect is effect
    assert str(effect) in change_in_words(found, "tanh", "relu")


# What a sweep measured.


def test_a_level_is_made_of_every_image_and_seed_of_a_cell():
    runs = [one_run((3, 5), seed, mse=(0.04, 0.16)) for seed in (0, 1)]
    found = measured((2,), runs)
    assert found is not None
    assert set(found.errors) == {(3, 0), (5, 0), (3, 1), (5, 1)}
    assert found.rmse == pytest.approx(math.sqrt(0.1))
    assert found.unknowns == 2 * 3 * 32 * 32
    assert found.error == pytest.approx(math.sqrt(0.1 * found.unknowns))
    assert found.psnr == pytest.approx(10 * (math.log10(1 / 0.04) + math.log10(1 / 0.16)) / 2)


def test_what_diverged_is_left_out_and_an_exact_copy_has_a_logarithm():
    found = measured((1,), [one_run((3, 5), 0, mse=(math.nan, 0.0))])
    assert found is not None
    assert found.errors == {(5, 0): EXACT}
    assert measured((1,), [one_run((3,), 0, mse=(None,))]) is None


def test_pairs_of_equal_dimension_are_found_the_sharper_one_first():
    cells = list(itertools.product((16, 32), (1, 4)))
    levels = [Level(cell, 3 * cell[0] ** 2 * cell[1], errors(0.1), {}) for cell in cells]
    assert [(a.cell, b.cell) for a, b in same_unknowns(levels)] == [((32, 1), (16, 4))]


# The bound.

PROBLEM = bound.Problem(convexity=1.0, smoothness=4.0, unknowns=3, largest_error=0.1, start=3.0)


def distances(step: float, steps: int, *, error: float = 0.0) -> list[float]:
    """Of gradient descent on a quadratic of curvatures 1, 2 and 4 from a start at distance 3, to its minimum."""
    start = np.array([2.0, 2.0, 1.0])
    path = bound.descent(np.array([1.0, 2.0, 4.0]), start, step, lambda number: np.full(3, error * (-1) ** number))
    return [3.0, *(float(np.linalg.norm(x)) for x in itertools.islice(path, steps))]


@pytest.mark.parametrize("step", np.linspace(1 / 4, 2 / 5, 4))
def test_gradient_descent_contracts_as_printed_for_steps_that_are_large_enough(step: float):
    contraction = 1 - PROBLEM.convexity / (PROBLEM.convexity + PROBLEM.smoothness)
    path = distances(step, 30)
    assert all(after <= contraction * before + 1e-12 for before, after in itertools.pairwise(path))


def test_for_small_steps_the_printed_bound_is_false_and_the_derived_one_holds():
    step, exact = 1e-3, bound.Problem(convexity=1.0, smoothness=4.0, unknowns=3, largest_error=0.0, start=3.0)
    *_, left = distances(step, 50)
    assert step < exact.smallest_printed_step
    assert left > 1000 * bound.printed(exact, 50)
    assert left <= bound.derived(exact, step, 50)


@given(step=st.floats(0.01, 0.4), steps=st.integers(1, 60), error=st.floats(0, 0.1))
def test_the_derived_bound_holds_whatever_the_gradient_is_off_by(step: float, steps: int, error: float):
    *_, left = distances(step, steps, error=error)
    assert left <= bound.derived(PROBLEM, step, steps) + 1e-9


def test_the_derived_bound_is_reached():
    # On ½‖x‖², gradients that are off by κ in every coordinate end at −κ in every coordinate: √N κ / μ away.
    problem = bound.Problem(convexity=1.0, smoothness=1.0, unknowns=4, largest_error=0.1, start=0.0)
    path = bound.descent(np.ones(4), np.zeros(4), 0.5, lambda number: np.full(4, 0.1))
    *_, last = itertools.islice(path, 200)
    assert np.linalg.norm(last) == pytest.approx(bound.derived(problem, 0.5, 200))
    assert np.linalg.norm(last) == pytest.approx(0.2)


def test_the_bound_of_one_pixel_does_not_know_the_number_of_pixels():
    few, many = (
        bound.Problem(convexity=1.0, smoothness=2.0, unknowns=count, largest_error=0.1, start=0.0) for count in (4, 400)
    )
    per_pixel = [bound.derived(one, 0.5, 1000) / math.sqrt(one.unknowns) for one in (few, many)]
    assert per_pixel == pytest.approx([0.1, 0.1])


def test_impossible_problems_and_steps_are_refused():
    with pytest.raises(ValueError, match="0 < μ ≤ L"):
        bound.Problem(convexity=2.0, smoothness=1.0, unknowns=1, largest_error=0.0, start=1.0)
    with pytest.raises(ValueError, match="at most"):
        bound.derived(PROBLEM, 0.5, 1)


# Proposition 1.


def apart(*places: float) -> np.ndarray:
    """Distances between points on a line."""
    return np.abs(np.subtract.outer(places, places))


def test_points_that_move_together_have_more_neighbors_everywhere():
    far = apart(0.0, 1.0, 3.0, 7.0)
    found = neighbors.dominance(far / 4, far)
    assert found.fewer == 0
    assert found.behind == 0
    assert found.more > 0
    assert found.ahead > 0
    backwards = neighbors.dominance(far, far / 4)
    assert (backwards.more, backwards.fewer) == (found.fewer, found.more)


def test_a_point_that_leaves_while_the_others_move_together_breaks_the_premise():
    found = neighbors.dominance(apart(0.0, 0.1, 0.2, 9.0), apart(0.0, 1.0, 2.0, 3.0))
    assert found.fewer > 0
    assert found.more > 0
    assert found.behind > 0


def test_the_same_checkpoint_has_as_many_neighbors():
    found = neighbors.dominance(apart(0.0, 1.0, 3.0), apart(0.0, 1.0, 3.0))
    assert (found.more, found.as_many, found.fewer) == (0, 1, 0)
    assert (found.ahead, found.behind) == (0, 0)


def test_neighbors_are_counted_without_oneself():
    assert neighbors.neighbors(apart(0.0, 1.0, 3.0), [0.5, 1.5, 2.5, 9.0]).tolist() == [
        [0, 1, 1, 2],
        [0, 1, 2, 2],
        [0, 0, 1, 2],
    ]


def test_a_correlation_that_a_third_thing_explains_vanishes_where_it_is_held_fixed():
    rng = np.random.default_rng(0)
    cause = rng.standard_normal(400)
    one, other = cause + 0.3 * rng.standard_normal(400), cause + 0.3 * rng.standard_normal(400)
    assert (neighbors.spearman(one, other) or 0) > 0.8
    assert abs(neighbors.partial_spearman(one, other, cause) or 1) < 0.15


def test_the_partial_correlation_is_that_of_the_residuals_of_the_ranks():
    rng = np.random.default_rng(1)
    x, y, z = (rankdata(values) for values in rng.standard_normal((3, 30)) + rng.standard_normal(30))
    residuals = [values - np.polyval(np.polyfit(z, values, 1), z) for values in (x, y)]
    assert neighbors.partial_spearman(x, y, z) == pytest.approx(float(np.corrcoef(*residuals)[0, 1]))


def test_what_does_not_vary_correlates_with_nothing():
    assert neighbors.spearman([1, 1, 1], [1, 2, 3]) is None
    assert neighbors.partial_spearman([1, 2, 3], [1, 2, 3], [5, 5, 5]) is None
