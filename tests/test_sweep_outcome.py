"""What the runs of a sweep say, on cases that can be solved by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from gia_core.spec import AuditSpec
from gia_core.store import Control, Entry, Run, Status
from gia_core.sweep import key, plan, swept
from gia_core.sweep_outcome import Outcome, State, outcomes, total


def run(spec: AuditSpec, run_id: str, status: Status, psnr: list[float | None] | None = None) -> Run:
    scores = None if psnr is None else {"psnr": psnr, "lpips": None}
    return Run(run_id, spec, status, Control.RUN, 0, 1.0, None, None, None, None, scores, None, None)


def cell_of(home: Path, *found: tuple[int, Status, list[float | None] | None], seeds: int = 2) -> Outcome:
    """One cell that wants a run of each seed; ``found``: seed, status and scores of those there are, oldest first."""
    (planned,) = plan(swept(AuditSpec(), {"batch_size": (1,)}, images=None, seeds=seeds), home)
    runs = {
        f"run{i}": run(AuditSpec(seed=seed), f"run{i}", status, psnr) for i, (seed, status, psnr) in enumerate(found)
    }
    entries = [Entry(key(planned.cell), run_id, False, each.status) for run_id, each in runs.items()]
    guesses = {"baselines": {"gray": {"psnr": [10.0, 14.0, 11.0]}, "mean": {"psnr": [12.0, 12.0, 13.0]}}}
    (outcome,) = outcomes([planned], entries, runs, dict.fromkeys(runs, guesses))
    return outcome


def test_the_worst_case_and_the_median_are_over_all_images_of_all_runs(home: Path):
    cell = cell_of(home, (0, Status.FINISHED, [10.0, 30.0]), (1, Status.FINISHED, [20.0, 22.0, 21.0]))
    spread = cell.spread("psnr", higher=True)
    assert spread is not None
    assert (spread.worst, spread.median, spread.quartiles, spread.images) == (30.0, 21.0, (20.0, 22.0), 5)
    assert cell.state is State.DONE


def test_where_lower_is_closer_the_lowest_is_the_worst(home: Path):
    spread = cell_of(home, (0, Status.FINISHED, [1.0, 3.0])).spread("psnr", higher=False)
    assert spread is not None
    assert spread.worst == 1.0


def test_the_blind_guess_is_measured_like_the_attack(home: Path):
    spread = cell_of(home, (0, Status.FINISHED, [1.0])).spread("psnr", higher=True)
    assert spread is not None
    assert spread.guess_worst == 14.0  # gray, for its second image
    assert spread.guess_median == 12.0  # mean has 12, gray 11


def test_what_diverged_and_what_is_unknown_are_no_numbers(home: Path):
    cell = cell_of(home, (0, Status.FINISHED, [None, float("nan"), 5.0]))
    spread = cell.spread("psnr", higher=True)
    assert spread is not None
    assert (spread.worst, spread.images) == (5.0, 1)
    assert cell.spread("lpips", higher=False) is None


@pytest.mark.parametrize("status", [Status.STOPPED, Status.RUNNING, Status.FAILED])
def test_only_finished_runs_are_results(home: Path, status: Status):
    assert cell_of(home, (0, status, [40.0])).spread("psnr", higher=True) is None


def test_a_stopped_a_deleted_and_a_run_that_was_never_queued_are_missing(home: Path):
    cell = cell_of(home, (0, Status.STOPPED, [40.0]), seeds=3)
    assert cell.count(State.MISSING) == 3
    assert cell.state is State.MISSING


def test_a_cell_says_first_what_matters_first(home: Path):
    assert cell_of(home, (0, Status.RUNNING, None), (1, Status.FAILED, None)).state is State.RUNNING
    assert cell_of(home, (0, Status.FINISHED, [1.0]), (1, Status.FAILED, None)).state is State.FAILED
    assert cell_of(home, (0, Status.FINISHED, [1.0]), (1, Status.QUEUED, None)).state is State.WAITING


def test_a_run_that_was_tried_again_counts_as_it_went_last(home: Path):
    cell = cell_of(home, (0, Status.FAILED, None), (0, Status.FINISHED, [25.0]), seeds=1)
    assert cell.state is State.DONE
    again = cell_of(home, (0, Status.FAILED, None), (0, Status.QUEUED, None), seeds=1)
    assert again.state is State.WAITING


def test_runs_of_another_spec_are_not_mistaken_for_it(home: Path):
    assert cell_of(home, (5, Status.FINISHED, [25.0]), seeds=1).state is State.MISSING


def test_cells_that_are_not_applicable_count_as_cells(home: Path):
    planned = plan(swept(AuditSpec(attack={"name": "r-gap"}), {"batch_size": (1, 2)}, images=2, seeds=1), home)
    cells = outcomes(planned, [], {}, {})
    assert [cell.state for cell in cells] == [State.MISSING, State.NOT_APPLICABLE]
    assert total(cells, State.MISSING) == 2
    assert total(cells, State.NOT_APPLICABLE) == 1
