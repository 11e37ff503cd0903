"""From one setup to several that differ in exactly what was varied."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

from gia_core.attacker_card import planned_iterations
from gia_core.attacks import IDLG, Attack, InvertingGradients
from gia_core.defenses import Clipping, GaussianNoise, Precode, Pruning
from gia_core.models import MLP, LeNet
from gia_core.setups import differences
from gia_core.spec import AuditSpec, Knowledge, kinds
from gia_core.store import Control, Run, Status
from ui import compare_protection, compare_variants

PRUNED = AuditSpec(defenses=(Pruning(),), knowledge=Knowledge(labels=True), seed=3)
ATTACKS = kinds(Attack)


def labels(specs: tuple[AuditSpec, ...]) -> set[str]:
    return {row.label for row in differences(specs)}


def test_the_defense_is_put_between_its_ceiling_and_the_attacker_who_knows_it() -> None:
    undefended, naive, adaptive = compare_variants.protections(PRUNED)
    assert undefended.defenses == ()
    assert naive.defenses == adaptive.defenses == PRUNED.defenses
    assert (naive.knowledge.defense, adaptive.knowledge.defense) == (False, True)
    assert undefended.knowledge.labels, "what else the attacker knows stays"
    assert labels((undefended, naive, adaptive)) == {"Defense", "Attacker is told: defense"}


def test_the_three_come_out_the_same_whatever_the_setup_grants() -> None:
    told = PRUNED.model_copy(update={"knowledge": Knowledge(labels=True, defense=True)})
    assert compare_variants.protections(told) == compare_variants.protections(PRUNED)


@pytest.mark.parametrize("budget", [1, 7, 300, 4001])
def test_every_attack_that_searches_gets_the_same_budget(budget: int) -> None:
    for name, kind in ATTACKS.items():
        own = planned_iterations(kind())
        given = compare_variants.with_budget(kind(), budget)
        assert planned_iterations(given) == (1 if own == 1 else budget), name


def test_a_budget_is_shared_out_among_restarts_where_that_leaves_nothing_over() -> None:
    even, odd = (compare_variants.with_budget(IDLG(restarts=3), budget) for budget in (600, 700))
    assert (even.iterations, even.restarts) == (200, 3)
    assert (odd.iterations, odd.restarts) == (700, 1)


def test_a_budget_that_an_attack_cannot_have_is_refused_in_one_sentence() -> None:
    with pytest.raises(ValueError, match="cannot make 999,999,999 iterations"):
        compare_variants.with_budget(InvertingGradients(), 999_999_999)


def test_attacks_keep_the_settings_of_the_setup_and_get_one_budget() -> None:
    own = PRUNED.model_copy(update={"attack": IDLG(lr=0.5)})
    found = compare_variants.attacks(own, [IDLG, InvertingGradients], 1200)
    assert found[0].attack == IDLG(lr=0.5, iterations=400)
    assert {planned_iterations(spec.attack) for spec in found} == {1200}
    assert {(spec.seed, spec.batch_size, spec.defenses) for spec in found} == {(3, 1, PRUNED.defenses)}


def test_batches_differ_in_their_size_only() -> None:
    assert labels(compare_variants.batches(PRUNED, [1, 4, 8])) == {"Batch size"}
    with pytest.raises(ValueError, match="cannot have 0 images"):
        compare_variants.batches(PRUNED, [0])


def test_models_and_defenses_differ_in_the_method_only() -> None:
    assert {label.partition(":")[0] for label in labels(compare_variants.models(PRUNED, [LeNet, MLP]))} == {"Model"}
    found = compare_variants.defended(PRUNED, [None, Pruning, GaussianNoise])
    assert [len(spec.defenses) for spec in found] == [0, 1, 1]
    assert labels(found) <= {"Defense", "Attacker is told: defense"}


def test_the_strength_is_any_number_of_any_defense() -> None:
    spec = AuditSpec(defenses=(Clipping(), GaussianNoise()))
    assert compare_variants.strengths(spec) == {
        (0, "bound"): "Clipping: bound",
        (1, "std"): "Gaussian noise: standard deviation",
    }
    found = compare_variants.stronger(spec, 1, "std", [0.1, 1.0])
    assert [spec.defenses[1].std for spec in found] == [0.1, 1.0]
    assert labels(found) == {"Gaussian noise: standard deviation"}


def test_a_whole_number_stays_one() -> None:
    (spec,) = compare_variants.stronger(AuditSpec(defenses=(Precode(),)), 0, "size", [128.0])
    assert spec.defenses[0].size == 128


def test_a_strength_that_cannot_be_is_refused_in_one_sentence() -> None:
    with pytest.raises(ValueError, match=r"^Pruning: ratio 1.5 is not possible; it should be less than 1\.$"):
        compare_variants.stronger(PRUNED, 0, "ratio", [0.5, 1.5])


@pytest.mark.parametrize("defense", [Pruning(), GaussianNoise(), Precode(), Clipping(), Pruning(ratio=0)])
def test_suggested_strengths_are_possible_and_contain_the_present_one(defense: Pruning) -> None:
    spec = AuditSpec(defenses=(defense,))
    for (place, name), _ in compare_variants.strengths(spec).items():
        usual = compare_variants.usual_strengths(spec, place, name)
        assert getattr(defense, name) in usual
        assert len(compare_variants.stronger(spec, place, name, usual)) == len(usual) == len(set(usual))


def test_what_was_typed_is_read_with_commas_or_spaces() -> None:
    assert list(compare_variants.numbers("0.5, 1 2,,3e-2")) == [0.5, 1.0, 2.0, 0.03]
    with pytest.raises(ValueError, match="Write numbers"):
        list(compare_variants.numbers("0.5; half"))


def test_only_a_setup_with_a_defense_has_one_to_vary() -> None:
    assert compare_variants.PROTECTION not in compare_variants.ways(AuditSpec())
    assert compare_variants.ways(PRUNED) == list(compare_variants.WAYS)


# Finding the three again among runs.


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_three_are_recognized_in_any_order(order: tuple[int, ...]) -> None:
    three = compare_variants.protections(PRUNED)
    shuffled = [three[i] for i in order]
    found = compare_protection.places(shuffled)
    assert found is not None
    assert [shuffled[place] for place in found] == list(three)


def test_what_an_attacker_is_told_of_no_defense_does_not_matter() -> None:
    undefended, naive, adaptive = compare_variants.protections(PRUNED)
    told = undefended.model_copy(update={"knowledge": adaptive.knowledge})
    assert compare_protection.places([None, told, naive, adaptive]) == (1, 2, 3)


@pytest.mark.parametrize("change", [{"seed": 4}, {"batch_size": 2}, {"attack": IDLG(iterations=5)}])
def test_runs_that_differ_in_anything_else_are_not_the_three(change: dict) -> None:
    three = list(compare_variants.protections(PRUNED))
    for place in range(3):
        others = [*three]
        others[place] = three[place].model_copy(update=change)
        assert compare_protection.places(others) is None


# What they say together.


def run(spec: AuditSpec, psnr: list[float | None], status: Status = Status.FINISHED) -> Run:
    nothing = dict.fromkeys(("started_at", "finished_at", "beat_at", "progress", "error", "provenance"))
    scores = {"psnr": psnr}
    return Run("0" * 16, spec, status, Control.RUN, steps_granted=0, created_at=0.0, scores=scores, **nothing)


def judged(*psnr: list[float | None], same_pictures: bool | None = True) -> str | None:
    """Of undefended, naive and adaptive, in another order."""
    runs = [run(spec, scores) for spec, scores in zip(compare_variants.protections(PRUNED), psnr, strict=True)]
    return compare_protection.judged([runs[2], runs[0], runs[1]], same_pictures=same_pictures)


def test_a_defense_that_costs_only_the_naive_attacker_is_no_measurable_protection() -> None:
    high, low = [30.0] * 10, [10.0] * 10
    assert (judged(high, low, high) or "").startswith("No measurable protection")
    assert (judged(high, low, low) or "").startswith("Measurable protection")


def test_the_verdict_needs_three_finished_runs_on_the_same_pictures_with_every_score() -> None:
    high = [30.0] * 10
    assert "same pictures" in (judged(high, high, high, same_pictures=False) or "")
    assert "no score for every image" in (judged(high, [None] * 10, high) or "")
    three = [run(spec, high) for spec in compare_variants.protections(PRUNED)]
    for status, words in (
        (Status.RUNNING, "follows"),
        (Status.STOPPED, "to their end"),
        (Status.FAILED, "to their end"),
    ):
        runs = [*three[:2], replace(three[2], status=status)]
        assert words in (compare_protection.judged(runs, same_pictures=True) or "")


def test_other_runs_have_no_verdict() -> None:
    runs = [run(spec, [30.0]) for spec in compare_variants.batches(PRUNED, [1, 2])]
    assert compare_protection.judged(runs, same_pictures=False) is None
