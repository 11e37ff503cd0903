"""Sweeps in the store, on each kind of database: runs stay ordinary runs, and none is made twice."""

from __future__ import annotations

import pytest
from seeded import carry_out, seed_run
from sqlalchemy import text

from gia_core.spec import AuditSpec
from gia_core.storage.database import Database
from gia_core.store import RunStore, Status
from gia_core.sweep import SweepSpec, swept

SWEEP = swept(AuditSpec(), {"batch_size": (1, 2)}, images=2, seeds=1)
STRANGE_IDS = ["0" * 16, "", "../../etc/passwd", "A" * 16, "a" * 17, "' OR ''='", "\0" * 16]


def test_a_sweep_comes_back_as_it_was(store: RunStore):
    first, second = store.sweeps.add(SWEEP), store.sweeps.add(SWEEP)
    assert store.sweeps.get(first).spec == SWEEP
    assert [sweep.id for sweep in store.sweeps.newest()] == [second, first]
    assert store.sweeps.entries(first) == []


def test_a_sweep_that_does_not_exist_is_a_key_error(store: RunStore, spec: AuditSpec):
    for sweep_id in STRANGE_IDS:
        for ask in (
            store.sweeps.get,
            store.sweeps.entries,
            lambda sweep_id: store.sweeps.extend(sweep_id, SWEEP),
            lambda sweep_id: store.sweeps.enter(sweep_id, "[1]", spec),
        ):
            with pytest.raises(KeyError):
                ask(sweep_id)
    assert store.count() == 0


def test_a_run_of_a_sweep_is_an_ordinary_run(store: RunStore, spec: AuditSpec):
    sweep_id = store.sweeps.add(SWEEP)
    run_id = store.sweeps.enter(sweep_id, "[1]", spec)
    assert (store.run(run_id).spec, store.run(run_id).status) == (spec, Status.QUEUED)
    claimed = store.claim("runner")
    assert claimed is not None
    assert claimed.id == run_id
    (entry,) = store.sweeps.entries(sweep_id)
    assert (entry.cell, entry.run_id, entry.reused, entry.status) == ("[1]", run_id, False, Status.QUEUED)


@pytest.mark.parametrize("status", [Status.FINISHED, Status.RUNNING, Status.QUEUED])
def test_an_identical_run_is_taken_instead_of_made_again(store: RunStore, spec: AuditSpec, status: Status):
    known = seed_run(store, spec, status=status)
    sweep_id = store.sweeps.add(SWEEP)
    assert store.sweeps.known([spec, spec.model_copy(update={"seed": 1})]) == [known, None]
    assert store.sweeps.enter(sweep_id, "[1]", spec) == known
    (entry,) = store.sweeps.entries(sweep_id)
    assert (entry.run_id, entry.reused) == (known, True)
    assert store.count() == 1


@pytest.mark.parametrize("status", [Status.STOPPED, Status.FAILED])
def test_a_run_that_was_cut_short_is_made_again(store: RunStore, spec: AuditSpec, status: Status):
    known = seed_run(store, spec, status=status)
    assert store.sweeps.known([spec]) == [None]
    assert store.sweeps.enter(store.sweeps.add(SWEEP), "[1]", spec) != known


def test_a_finished_run_is_taken_before_one_that_still_runs(store: RunStore, spec: AuditSpec):
    finished = seed_run(store, spec)
    seed_run(store, spec, status=Status.RUNNING)
    assert store.sweeps.known([spec]) == [finished]


def test_asking_twice_for_the_same_changes_nothing(store: RunStore, spec: AuditSpec):
    sweep_id = store.sweeps.add(SWEEP)
    assert store.sweeps.enter(sweep_id, "[1]", spec) == store.sweeps.enter(sweep_id, "[1]", spec)
    (entry,) = store.sweeps.entries(sweep_id)
    assert not entry.reused


def test_a_deleted_run_leaves_its_cell_empty(store: RunStore, spec: AuditSpec):
    sweep_id = store.sweeps.add(SWEEP)
    run_id = store.sweeps.enter(sweep_id, "[1]", spec)
    carry_out(store, run_id, spec)
    store.delete(run_id)
    assert store.sweeps.entries(sweep_id) == []
    assert store.sweeps.enter(sweep_id, "[1]", spec) != run_id


def test_a_forgotten_sweep_leaves_its_runs(store: RunStore, spec: AuditSpec):
    sweep_id = store.sweeps.add(SWEEP)
    run_id = store.sweeps.enter(sweep_id, "[1]", spec)
    store.sweeps.forget(sweep_id)
    assert store.sweeps.newest() == []
    assert store.run(run_id).spec == spec


def test_what_cannot_be_carried_out_is_refused_and_leaves_nothing(store: RunStore):
    sweep_id = store.sweeps.add(SWEEP)
    with pytest.raises(ValueError, match="works on one image"):
        store.sweeps.enter(sweep_id, "[2]", AuditSpec(batch_size=2, attack={"name": "r-gap"}))
    assert store.count() == 0
    assert store.sweeps.entries(sweep_id) == []


def test_a_sweep_of_another_version_is_still_there(store: RunStore, store_url: str):
    sweep_id = store.sweeps.add(SWEEP)
    database = Database(store_url, busy_timeout=5)
    with database.writing() as connection:
        connection.execute(text("UPDATE sweep SET body = '{\"axes\": 1}'"))
    database.close()
    assert store.sweeps.get(sweep_id).spec is None


def test_the_last_events_of_runs_that_ended_are_read_at_once(store: RunStore, spec: AuditSpec):
    done = seed_run(store, spec)
    under_way = seed_run(store, spec, status=Status.RUNNING)
    endings = store.sweeps.endings([done, under_way, "0" * 16])
    assert set(endings) == {done}
    assert endings[done]["scores"] == store.run(done).scores
    assert [run.id for run in store.sweeps.runs([under_way, done, "0" * 16])] == [done, under_way]


def test_an_extended_sweep_asks_for_more(store: RunStore):
    sweep_id = store.sweeps.add(SWEEP)
    more: SweepSpec = swept(AuditSpec(), {"batch_size": (1, 2, 4)}, images=4, seeds=1)
    store.sweeps.extend(sweep_id, more)
    assert store.sweeps.get(sweep_id).spec == more
