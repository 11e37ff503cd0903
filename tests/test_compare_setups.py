"""In what setups differ, what they have in common, and what they are called beside each other."""

from __future__ import annotations

import pytest

from gia_core.attacks import DLG, IDLG, InvertingGradients, LinearLeak
from gia_core.defenses import GaussianNoise, Pruning
from gia_core.models import MLP
from gia_core.setups import Difference, differences
from gia_core.spec import AuditSpec, Knowledge, Victim
from ui.compare_setups import LONGEST, in_common, names

SETUP = AuditSpec()
PRUNED = AuditSpec(defenses=(Pruning(),))


def changed(**values: object) -> AuditSpec:
    return SETUP.model_copy(update=values)


def test_equal_setups_differ_in_nothing() -> None:
    assert differences([SETUP, AuditSpec(), AuditSpec()]) == []


def test_only_what_differs_is_listed() -> None:
    assert differences([SETUP, changed(batch_size=4, seed=7)]) == [
        Difference("Batch size", ("1", "4")),
        Difference("Seed", ("0", "7")),
    ]


def test_a_field_deep_in_a_component_is_found() -> None:
    assert differences([SETUP, changed(attack=IDLG(restarts=7))]) == [Difference("Attack: restarts", ("3", "7"))]


def test_another_method_is_listed_by_its_name_and_not_by_the_defaults_that_come_with_it() -> None:
    found = differences([SETUP, changed(attack=LinearLeak())])
    assert [row.label for row in found] == ["Attack"]


def test_a_field_that_was_set_is_listed_where_others_lack_it() -> None:
    found = differences([changed(attack=LinearLeak()), changed(attack=InvertingGradients(tv_weight=0.5))])
    assert Difference("Attack: total variation weight", ("—", "0.5")) in found


def test_the_same_defense_is_compared_with_itself_wherever_in_the_stack_it_stands() -> None:
    stacked = changed(defenses=(GaussianNoise(), Pruning(ratio=0.5)))
    assert differences([PRUNED, stacked]) == [
        Difference("Defense", ("Pruning", "Gaussian noise + Pruning")),
        Difference("Pruning: ratio", ("0.9", "0.5")),
    ]


def test_where_there_is_no_defense_there_is_nothing_to_know_of_one() -> None:
    told = changed(knowledge=Knowledge(defense=True))
    assert differences([SETUP, told]) == []
    assert Difference("Attacker is told: defense", ("no", "yes")) in differences(
        [PRUNED, PRUNED.model_copy(update={"knowledge": Knowledge(defense=True)})]
    )


@pytest.mark.parametrize(
    ("specs", "called"),
    [
        ([SETUP, PRUNED], ["A · no defense", "B · Pruning"]),
        ([SETUP, changed(attack=DLG())], ["A · iDLG", "B · DLG"]),
        ([SETUP, changed(batch_size=4)], ["A · batch size 1", "B · batch size 4"]),
        ([SETUP, changed(model=MLP())], ["A · LeNet", "B · MLP"]),
        ([SETUP, changed(knowledge=Knowledge(labels=True))], ["A · labels unknown", "B · labels known"]),
        ([SETUP, SETUP], ["A · iDLG", "B · iDLG"]),
        ([SETUP, None, PRUNED], ["A · no defense", "B · another version", "C · Pruning"]),
        ([SETUP], ["A · iDLG"]),
    ],
)
def test_a_run_is_called_by_what_is_special_about_it(specs: list[AuditSpec | None], called: list[str]) -> None:
    assert names(specs) == called


def test_a_name_tells_as_much_as_it_takes_to_tell_the_runs_apart() -> None:
    told = PRUNED.model_copy(update={"knowledge": Knowledge(defense=True)})
    assert names([SETUP, changed(attack=DLG()), PRUNED, told]) == [
        "A · iDLG, no defense",
        "B · DLG, no defense",
        "C · iDLG, Pruning, naive attacker",
        "D · iDLG, Pruning, adaptive attacker",
    ]


def test_a_name_fits_into_a_legend() -> None:
    everything = AuditSpec(
        attack=InvertingGradients(iterations=3),
        defenses=tuple(kind() for kind in (Pruning, GaussianNoise)),
        model=MLP(),
        batch_size=4,
        seed=9,
    )
    assert all(len(name) <= LONGEST + len("A · ") for name in names([SETUP, everything]))


def test_a_fair_comparison_says_so() -> None:
    found = in_common([SETUP, PRUNED], same_pictures=None)
    assert [common.holds for common in found] == [True, True, True]
    assert [common.words for common in found] == ["same batch", "same seed (0)", "same budget, 900 iterations"]


def test_equal_pictures_are_proof_and_other_pictures_are_too() -> None:
    proved = in_common([SETUP, PRUNED], same_pictures=True)[0]
    refuted = in_common([SETUP, PRUNED], same_pictures=False)[0]
    assert (proved.holds, proved.words) == (True, "same batch, compared pixel by pixel")
    assert not refuted.holds


def test_a_larger_batch_begins_with_the_smaller_one_only_from_the_same_seed() -> None:
    nested = in_common([SETUP, changed(batch_size=4)], same_pictures=False)[0]
    other = in_common([SETUP, changed(batch_size=4, seed=1)], same_pictures=False)[0]
    elsewhere = in_common([SETUP, changed(victim=Victim(label=1))], same_pictures=None)[0]
    assert "the larger begin with the smaller" in nested.words
    assert other.words == elsewhere.words == "different batches"


def test_other_seeds_and_budgets_are_named() -> None:
    found = in_common([SETUP, changed(seed=5, attack=IDLG(iterations=100))], same_pictures=None)
    assert [common.words for common in found[1:]] == ["seeds: 0 and 5", "budgets: 900 and 300 iterations"]
    assert not any(common.holds for common in found)


def test_what_is_computed_in_one_step_does_not_spoil_the_budget() -> None:
    found = in_common([SETUP, changed(attack=LinearLeak())], same_pictures=None)[2]
    assert found.holds
    assert "one step" in found.words
