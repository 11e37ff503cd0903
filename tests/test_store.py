"""Runs are submitted, steered, carried out and deleted as the store promises."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from runs import BY_ID, OVER, PNG, Clock, progress, running

from gia_core.spec import Attack, AuditSpec, kinds
from gia_core.storage import rows
from gia_core.store import SILENCE, Control, RunStore, Status


def test_a_submitted_spec_waits_in_the_queue_and_comes_back_as_it_was(store: RunStore, spec: AuditSpec):
    run = store.run(store.submit(spec))
    assert run.spec == spec
    assert (run.status, run.control, run.steps_granted) == (Status.QUEUED, Control.RUN, 0)
    assert run.created_at > 0
    assert (run.started_at, run.finished_at, run.beat_at) == (None, None, None)
    assert (run.progress, run.scores, run.error, run.provenance) == (None, None, None, None)


def test_ids_are_sixteen_hexadecimal_digits_and_differ(store: RunStore, spec: AuditSpec):
    ids = {store.submit(spec) for _ in range(20)}
    assert len(ids) == 20
    assert all(rows.RUN_ID.fullmatch(run_id) for run_id in ids)


def test_what_cannot_be_carried_out_is_refused_with_its_field_and_reason(store: RunStore, spec: AuditSpec, home: Path):
    hopeless = spec.model_copy(update={"batch_size": 8, "attack": kinds(Attack)["idlg"](labels="idlg")})
    field, reason = hopeless.objections(home)[0]
    with pytest.raises(ValueError, match=f"^{re.escape(f'{field}: {reason}')}$"):
        store.submit(hopeless)
    assert store.count() == 0


STRANGE_IDS = ["0" * 16, "", "../../etc/passwd", "A" * 16, "a" * 15, "a" * 17, "a" * 16 + "\n", "' OR ''='", "\0" * 16]


@pytest.mark.parametrize("method", BY_ID)
def test_a_run_that_does_not_exist_is_a_key_error(store: RunStore, method: str):
    for run_id in STRANGE_IDS:
        with pytest.raises(KeyError):
            BY_ID[method](store, run_id)


def test_a_run_that_does_not_exist_cannot_be_finished(store: RunStore):
    assert [store.finish(run_id, Status.FAILED) for run_id in STRANGE_IDS] == [False] * len(STRANGE_IDS)


def test_a_live_run_cannot_be_deleted(store: RunStore, spec: AuditSpec):
    for run_id in (running(store, spec), store.submit(spec)):
        with pytest.raises(ValueError, match=r"^Stop the run first\.$"):
            store.delete(run_id)
        assert store.run(run_id).id == run_id


def test_stopping_what_nobody_holds_ends_it_at_once(store: RunStore, spec: AuditSpec):
    run_id = store.submit(spec)
    store.stop(run_id)
    run = store.run(run_id)
    assert run.status is Status.STOPPED
    assert run.finished_at is not None
    assert store.claim("runner") is None


def test_stopping_what_a_dead_runner_holds_ends_it_at_once(store: RunStore, spec: AuditSpec, clock: Clock):
    run_id = store.submit(spec)
    store.claim("runner")
    clock.forward(SILENCE)
    store.stop(run_id)
    assert store.run(run_id).status is Status.STOPPED


def test_stopping_what_a_runner_holds_is_left_to_the_worker(store: RunStore, spec: AuditSpec):
    run_id = store.submit(spec)
    store.claim("runner")
    store.stop(run_id)
    assert (store.run(run_id).status, store.run(run_id).control) == (Status.STOPPING, Control.STOP)
    assert store.start(run_id, {}).status is Status.STOPPING
    assert store.beat(run_id) == (Control.STOP, 0)


def test_nothing_but_its_end_comes_after_stopping(store: RunStore, spec: AuditSpec):
    run_id = running(store, spec)
    store.stop(run_id)
    store.pause(run_id)
    store.resume(run_id)
    store.step(run_id)
    store.mark(run_id, Status.RUNNING)
    store.mark(run_id, Status.PAUSED)
    run = store.run(run_id)
    assert (run.status, run.control, run.steps_granted) == (Status.STOPPING, Control.STOP, 0)
    assert store.finish(run_id, Status.STOPPED)


def test_a_paused_run_takes_single_steps_and_resumes(store: RunStore, spec: AuditSpec):
    run_id = running(store, spec)
    store.step(run_id)
    assert store.beat(run_id) == (Control.RUN, 0)
    store.pause(run_id)
    store.mark(run_id, Status.PAUSED)
    store.step(run_id)
    store.step(run_id)
    assert store.beat(run_id) == (Control.PAUSE, 2)
    assert [store.take_step(run_id) for _ in range(3)] == [True, True, False]
    store.step(run_id)
    store.resume(run_id)
    assert store.beat(run_id) == (Control.RUN, 0)
    assert store.run(run_id).status is Status.PAUSED
    store.mark(run_id, Status.RUNNING)
    assert store.run(run_id).status is Status.RUNNING


def test_a_run_may_be_paused_before_it_starts(store: RunStore, spec: AuditSpec):
    run_id = store.submit(spec)
    store.pause(run_id)
    store.mark(run_id, Status.PAUSED)
    assert store.run(run_id).status is Status.QUEUED
    store.claim("runner")
    assert store.start(run_id, {}).control is Control.PAUSE


@pytest.mark.parametrize("end", OVER)
def test_a_run_that_is_over_never_changes_again(store: RunStore, spec: AuditSpec, end: Status):
    run_id = running(store, spec)
    store.record(run_id, progress(1), frame=(1, PNG))
    assert store.finish(run_id, end, error="Why.")
    before = store.run(run_id)
    assert (before.status, before.error) == (end, "Why.")
    for method in ("pause", "resume", "step", "stop", "mark", "take_step"):
        BY_ID[method](store, run_id)
    assert not store.record(run_id, progress(2), frame=(2, PNG), truth=PNG)
    assert [store.finish(run_id, status) for status in OVER] == [False] * 3
    assert store.beat(run_id) == (Control.STOP, 0)
    with pytest.raises(ValueError, match="started before"):
        store.start(run_id, {})
    assert store.run(run_id) == before
    assert len(store.events(run_id)) == len(store.frames(run_id)) == 1


def test_a_run_ends_only_as_something_that_is_over(store: RunStore, spec: AuditSpec):
    run_id = running(store, spec)
    for status in set(Status) - set(OVER):
        with pytest.raises(ValueError, match=status.value):
            store.finish(run_id, status)
    with pytest.raises(ValueError, match="finished"):
        store.mark(run_id, Status.FINISHED)
    assert store.run(run_id).status is Status.RUNNING


def test_an_error_may_hold_any_character(store: RunStore, spec: AuditSpec):
    run_id = running(store, spec)
    odd = "It said \0 and \udc80 and 'quoted'; that was all."
    store.finish(run_id, Status.FAILED, error=odd)
    assert store.run(run_id).error == odd


def test_starting_notes_when_and_with_what(store: RunStore, spec: AuditSpec):
    run_id = store.submit(spec)
    store.claim("runner")
    run = store.start(run_id, {"torch": "2"})
    assert run == store.run(run_id)
    assert (run.status, run.provenance) == (Status.RUNNING, {"torch": "2"})
    assert run.started_at is not None
    assert run.started_at == run.beat_at > run.created_at


def test_no_two_workers_start_one_run(store: RunStore, spec: AuditSpec):
    run_id = running(store, spec)
    with pytest.raises(ValueError, match="started before"):
        store.start(run_id, {})


def test_the_oldest_run_is_claimed_first_and_stays_queued(store: RunStore, spec: AuditSpec):
    submitted = [store.submit(spec) for _ in range(3)]
    claimed = [store.claim("runner") for _ in range(4)]
    assert [run and run.id for run in claimed] == [*submitted, None]
    assert {store.run(run_id).status for run_id in submitted} == {Status.QUEUED}


def test_what_a_runner_holds_is_what_it_claimed_and_is_not_over(store: RunStore, spec: AuditSpec):
    done, waiting = running(store, spec, "one"), running(store, spec, "one")
    running(store, spec, "other")
    store.finish(done, Status.FINISHED)
    assert [run.id for run in store.held("one")] == [waiting]
    assert store.held("nobody") == []


def test_what_a_runner_held_is_claimable_once_it_falls_silent(store: RunStore, spec: AuditSpec, clock: Clock):
    run_id = store.submit(spec)
    store.claim("one")
    clock.forward(SILENCE - 1)
    assert store.claim("other") is None
    store.runner_beat("one")
    clock.forward(SILENCE - 1)
    assert store.claim("other") is None
    clock.forward(1)
    taken = store.claim("other")
    assert taken is not None
    assert taken.id == run_id
    assert store.held("one") == []
    assert store.claim("one") is None


def test_a_runner_that_leaves_hands_over_what_nobody_started(store: RunStore, spec: AuditSpec):
    started, waiting, unwanted = running(store, spec, "one"), store.submit(spec), store.submit(spec)
    store.claim("one")
    store.claim("one")
    store.stop(unwanted)
    store.runner_gone("one")
    assert store.run(started).status is Status.RUNNING
    assert store.run(unwanted).status is Status.STOPPED
    taken = store.claim("other")
    assert taken is not None
    assert taken.id == waiting
    assert store.claim("other") is None


def test_a_run_is_lost_when_worker_and_runner_are_both_silent(store: RunStore, spec: AuditSpec, clock: Clock):
    run_id = running(store, spec)
    clock.forward(60)
    assert [run.id for run in store.lost(silence=50)] == [run_id]
    assert store.lost(silence=70) == []
    store.runner_beat("runner")
    assert store.lost(silence=50) == []
    store.runner_gone("runner")
    assert [run.id for run in store.lost(silence=50)] == [run_id]
    store.beat(run_id)
    assert store.lost(silence=50) == []


def test_only_what_somebody_should_be_working_on_can_be_lost(store: RunStore, spec: AuditSpec, clock: Clock):
    over, paused, stopping = (running(store, spec) for _ in range(3))
    claimed = store.submit(spec)
    store.claim("runner")
    store.submit(spec)
    store.finish(over, Status.FINISHED)
    store.mark(paused, Status.PAUSED)
    store.stop(stopping)
    clock.forward(60)
    assert [run.id for run in store.lost(silence=50)] == [paused, stopping, claimed]


@pytest.mark.parametrize("role", ["app", "runner"])
def test_who_beats_is_alive_until_silent_or_gone(store: RunStore, clock: Clock, role: str):
    beat, gone = getattr(store, f"{role}_beat"), getattr(store, f"{role}_gone")
    alive = {"app": store.apps_alive, "runner": store.runner_alive}
    other = {"app": store.runner_alive, "runner": store.apps_alive}
    assert not alive[role]()
    beat("one")
    beat("two")
    beat("two")
    assert alive[role]()
    assert not other[role]()
    gone("one")
    assert alive[role]()
    clock.forward(SILENCE)
    assert not alive[role]()
    beat("one")
    assert alive[role]()
    gone("one")
    gone("never there")
    assert not alive[role]()
