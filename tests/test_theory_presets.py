"""The experiments of the second lesson: that they can be carried out, and what was recorded of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gia_core.audit import Finished, audit
from gia_core.sweep import SweepSpec, plan
from gia_core.theory import recorded
from gia_core.theory.experiments import BATCH_SIZE, EXPERIMENTS, LESSON, RESOLUTION, ROUNDS, TRAINING, Experiment
from gia_core.theory.fits import LEAST_SAMPLES, root_line
from gia_core.theory.levels import CONTROLS

IN_A_LESSON = 60
"""Runs; more would not fit into a lesson on two cores."""
AGAIN = 0.25
"""Share by which the squared error may differ on another processor: hundreds of iterations multiply the last digits."""


def named(experiment: Experiment) -> str:
    return experiment.name


def sweeps() -> list[SweepSpec]:
    return [spec for experiment in EXPERIMENTS for spec in (experiment.sweep, experiment.protocol)]


@pytest.mark.parametrize("spec", sweeps())
def test_every_cell_of_an_experiment_can_be_carried_out(spec: SweepSpec, tmp_path: Path):
    planned = plan(spec, tmp_path)
    assert [each.reason for each in planned] == [None] * len(planned)
    assert all(each.specs for each in planned)


@pytest.mark.parametrize("spec", sweeps())
def test_all_levels_attack_the_same_images_with_the_same_seeds(spec: SweepSpec, tmp_path: Path):
    attacked = [
        {(index, job.seed) for job in each.specs for index in job.victim.indices} for each in plan(spec, tmp_path)
    ]
    assert all(samples == attacked[0] for samples in attacked)
    assert len(attacked[0]) >= LEAST_SAMPLES


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=named)
def test_an_experiment_fits_into_a_lesson_and_the_protocol_is_larger(experiment: Experiment, tmp_path: Path):
    quick, full = (
        sum(len(each.specs) for each in plan(spec, tmp_path)) for spec in (experiment.sweep, experiment.protocol)
    )
    assert quick <= IN_A_LESSON
    assert full > 2 * quick


def test_the_unknowns_grow_where_an_experiment_says_so(tmp_path: Path):
    for experiment in EXPERIMENTS:
        jobs = [each.specs[0] for each in plan(experiment.sweep, tmp_path)]
        unknowns = {job.batch_size * job.dataset.image_shape[1] for job in jobs}
        assert (len(unknowns) > 1) == experiment.grows


def test_resolution_and_batch_size_meet_at_the_same_number_of_unknowns(tmp_path: Path):
    jobs = [each.specs[0] for each in plan(RESOLUTION.sweep, tmp_path)]
    unknowns = [job.batch_size * job.dataset.size**2 for job in jobs]
    assert len(set(unknowns)) < len(unknowns)


# What was recorded.


@pytest.mark.parametrize("experiment", LESSON, ids=named)
def test_what_was_recorded_is_what_would_be_run_today(experiment: Experiment, tmp_path: Path):
    known = recorded.sweep_of(experiment.name)
    assert known is not None, "unreadable: record it again with benchmarks/theory.py --quick --record"
    planned = plan(experiment.sweep, tmp_path)
    assert known.spec == experiment.sweep
    assert [level.cell for level in known.recorded] == [each.cell for each in planned]
    assert set(known.samples) == {(index, job.seed) for job in planned[0].specs for index in job.victim.indices}
    assert all(level.controls.keys() == CONTROLS.keys() for level in known.recorded)
    assert known.provenance["torch"]


@pytest.mark.parametrize("experiment", LESSON, ids=named)
def test_what_was_recorded_round_trips_and_is_small(experiment: Experiment, tmp_path: Path):
    known = recorded.sweep_of(experiment.name)
    assert known is not None
    recorded.write(known, tmp_path / f"{experiment.name}.json")
    assert recorded.sweep_of(experiment.name, tmp_path) == known
    samples, levels = recorded.as_recorded(known.levels)
    assert (set(samples), {level.cell for level in levels}) == (
        set(known.samples),
        {level.cell for level in known.recorded},
    )
    assert (recorded.SHIPPED / f"{experiment.name}.json").stat().st_size < 10_000


def test_the_recorded_mean_image_follows_the_root_law_perfectly():
    known = recorded.sweep_of(BATCH_SIZE.name)
    assert known is not None
    assert root_line([level.control("dataset-mean") for level in known.levels]).r_squared == pytest.approx(1, abs=1e-6)


def test_the_recorded_gradients_belong_to_the_recorded_training():
    known = recorded.gradients()
    assert known is not None, "unreadable: record it again with benchmarks/theory.py --quick --record"
    assert known.spec == TRAINING.sweep
    assert tuple(at.epochs for at in known.checkpoints) == TRAINING.sweep.axes[0].values
    steps = [(step.earlier, step.later) for step in known.steps]
    assert steps == [(a.epochs, b.epochs) for a, b in zip(known.checkpoints, known.checkpoints[1:], strict=False)]
    assert all(step.more + step.as_many + step.fewer == pytest.approx(1, abs=1e-3) for step in known.steps)


def test_a_recorded_error_can_be_measured_again(home: Path):
    known = recorded.sweep_of(BATCH_SIZE.name)
    assert known is not None
    job = plan(BATCH_SIZE.sweep, home)[0].specs[0]
    *_, last = audit(job, home=home)
    assert isinstance(last, Finished)
    (again,), before = last.last.scores["mse"] or (), known.levels[0].errors[job.victim.indices[0], job.seed]
    assert again == pytest.approx(before, rel=AGAIN)


def test_kappa_is_zero_for_one_round():
    known = recorded.sweep_of(ROUNDS.name)
    assert known is not None
    assert len(known.kappas) == len(known.recorded)
    assert known.kappas[0] == 0
    assert all(value > 0 for value in known.kappas[1:])


def test_what_another_version_wrote_counts_as_nothing(tmp_path: Path):
    (tmp_path / "batch-size.json").write_text('{"format": "of the future"}')
    assert recorded.sweep_of("batch-size", tmp_path) is None
    assert recorded.sweep_of("missing", tmp_path) is None
    assert recorded.gradients(tmp_path) is None
