"""What a report says of its defenses: the promise, the cost, and the grade that may rest on a promise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from seeded import seed_run

from gia_core.accounting import Release
from gia_core.advisor.formal import MODERATE_EPSILON
from gia_core.defenses import DPSGD, GaussianNoise, Pruning
from gia_core.reports import grades, page, protections, subject
from gia_core.spec import AuditSpec, Knowledge
from gia_core.store import RunStore, Status
from gia_core.utility.spec import of_audit

SPEC = AuditSpec(knowledge=Knowledge(labels=True))
PRUNED = SPEC.model_copy(update={"defenses": (Pruning(ratio=0.25),)})
PRIVATE = SPEC.model_copy(update={"defenses": (DPSGD(noise_multiplier=2.0, sample_rate=0.01, steps=100),)})


@pytest.fixture
def store(home: Path) -> Iterator[RunStore]:
    opened = RunStore(f"sqlite:///{home / 'gia.db'}", home=home)
    yield opened
    opened.close()


def measure(store: RunStore, spec: AuditSpec, cost: float | None = 0.03) -> str:
    """An experiment on the defenses of this setup that is over."""
    run_id = store.submit(of_audit(spec).model_copy(update={"rounds": 20}))
    store.start(run_id, {})
    scores = {"sentence": "pruning costs 3.0 points of accuracy.", "cost": cost}
    store.record(run_id, {"kind": "finished", "scores": scores, "seconds": 2.0})
    store.finish(run_id, Status.FINISHED)
    return run_id


def never(release: Release) -> float:
    raise AssertionError(release)


def rows(store: RunStore, *run_ids: str, epsilon: float | None = None) -> list[tuple[str, ...]]:
    subjects = subject.read(store, run_ids)
    epsilons = protections.counted(subjects, lambda _: epsilon or 0.0)
    found = protections.protections(subjects, [f"run {i}" for i in range(len(run_ids))], epsilons)
    return [] if found is None else [tuple(row) for row in found.rows]


def test_without_a_defense_there_is_nothing_to_tell_and_nothing_to_count(store: RunStore) -> None:
    run_id = seed_run(store, SPEC)
    assert rows(store, run_id) == []
    assert "What the defenses promise" not in page.write(subject.read(store, [run_id]), count=never)


def test_a_cost_that_was_measured_is_told_with_its_experiment(store: RunStore) -> None:
    runs = [seed_run(store, SPEC), seed_run(store, PRUNED)]
    [(defense, promise, cost, which)] = rows(store, *runs)
    assert defense == "Pruning (ratio 0.25)"
    assert promise.startswith("No differential privacy")
    assert cost == protections.NOT_MEASURED
    assert which == "run 1"

    measure(store, PRUNED, cost=None)
    assert rows(store, *runs)[0][2] == protections.NOT_MEASURED
    experiment = measure(store, PRUNED)
    measure(store, PRUNED.model_copy(update={"defenses": (Pruning(ratio=0.5),)}))
    told = rows(store, *runs)[0][2]
    assert told == f"pruning costs 3.0 points of accuracy. 20 rounds; experiment {experiment}."


def test_runs_that_are_defended_alike_share_a_row_and_one_count(store: RunStore) -> None:
    runs = [seed_run(store, PRIVATE.model_copy(update={"seed": seed})) for seed in range(3)]
    asked: list[Release] = []
    subjects = subject.read(store, runs)
    protections.counted(subjects, lambda release: asked.append(release) or 2.5)
    assert len(asked) == 1
    [(defense, promise, _, which)] = rows(store, *runs, epsilon=2.5)
    assert "noise multiplier 2" in defense
    assert promise == "Epsilon 2.5 at delta 1e-5 by RDP, over 100 steps"
    assert which == "all"


def test_noise_without_clipping_is_told_not_to_count(store: RunStore) -> None:
    noisy = SPEC.model_copy(update={"defenses": (GaussianNoise(),)})
    assert "is not differential privacy" in rows(store, seed_run(store, noisy))[0][1]


def test_an_epsilon_that_cannot_be_counted_is_not_made_up(store: RunStore) -> None:
    def failing(release: Release) -> float:
        raise ValueError("The process ended.")

    written = page.write(subject.read(store, [seed_run(store, PRIVATE)]), count=failing)
    assert "Epsilon could not be counted." in written
    assert "Formal mechanism" not in written


@pytest.mark.parametrize(("epsilon", "formal"), [(MODERATE_EPSILON, True), (MODERATE_EPSILON + 1, False)])
def test_a_grade_may_rest_on_a_moderate_epsilon(store: RunStore, epsilon: float, formal: bool) -> None:
    subjects = subject.read(store, [seed_run(store, PRIVATE, closeness=0.1)])
    [judged] = grades.judged(subjects, protections.counted(subjects, lambda _: epsilon))
    assert any(note.startswith("Formal mechanism: differential privacy") for note in judged.notes) == formal


def test_epsilon_comes_with_what_it_assumes(store: RunStore) -> None:
    written = page.write(subject.read(store, [seed_run(store, PRIVATE)]), count=lambda _: 3.0)
    assert "Epsilon 3 at delta 1e-5" in written
    assert "Epsilon assumes Poisson sampling" in written


def test_left_alone_a_report_asks_the_accountant(store: RunStore) -> None:
    written = page.write(subject.read(store, [seed_run(store, PRIVATE)]))
    assert "could not be counted" not in written
    assert "at delta 1e-5 by RDP, over 100 steps" in written
