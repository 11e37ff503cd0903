"""The store keeps its promises whoever else uses it, and in whatever order."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test
from runs import BY_ID, OVER, PNG, Clock, progress, running

from gia_core.spec import AuditSpec
from gia_core.store import SILENCE, Run, RunStore, Status

Open = Callable[[], RunStore]


def test_threads_share_the_queue(store: RunStore, spec: AuditSpec):
    submitted = {store.submit(spec) for _ in range(20)}
    with ThreadPoolExecutor(4) as threads:
        claimed = [run.id for run in threads.map(lambda number: store.claim(f"runner {number}"), range(20)) if run]
    assert len(claimed) == 20
    assert set(claimed) == submitted


def test_many_open_a_new_store_at_the_same_moment(open_store: Open, spec: AuditSpec):
    gate = threading.Barrier(8)

    def opened(_: int) -> RunStore:
        gate.wait()
        return open_store()

    with ThreadPoolExecutor(8) as threads:
        stores = list(threads.map(opened, range(8)))
    run_id = stores[0].submit(spec)
    assert {store.run(run_id).id for store in stores} == {run_id}


def open_and_claim(url: str, home: Path, gate: threading.Barrier, found: multiprocessing.Queue[list[str]]) -> None:
    gate.wait()
    store = RunStore(url, home=home)
    gate.wait()
    claimed = []
    while run := store.claim(f"runner {multiprocessing.current_process().pid}"):
        claimed.append(run.id)
    found.put(claimed)


def test_processes_open_a_new_store_together_and_share_its_queue(store_url: str, home: Path, spec: AuditSpec):
    spawn = multiprocessing.get_context("spawn")
    gate, found = spawn.Barrier(5), spawn.Queue()
    processes = [spawn.Process(target=open_and_claim, args=(store_url, home, gate, found)) for _ in range(4)]
    for process in processes:
        process.start()
    gate.wait(timeout=60)
    store = RunStore(store_url, home=home)
    submitted = [store.submit(spec) for _ in range(20)]
    gate.wait(timeout=60)
    claimed = [run_id for _ in processes for run_id in found.get(timeout=60)]
    for process in processes:
        process.join(timeout=60)
    store.close()
    assert sorted(claimed) == sorted(submitted)
    assert [process.exitcode for process in processes] == [0] * 4


def test_events_written_at_the_same_time_are_all_kept_in_one_order(open_store: Open, spec: AuditSpec):
    stores = [open_store() for _ in range(4)]
    run_id = running(stores[0], spec)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: stores[number % 4].record(run_id, progress(number)), range(80)))
    told = stores[0].events(run_id)
    assert [event.seq for event in told] == list(range(1, 81))
    assert sorted(event.body["iteration"] for event in told) == list(range(80))


def test_only_one_of_many_ends_a_run(open_store: Open, spec: AuditSpec):
    stores = [open_store() for _ in range(4)]
    run_id = running(stores[0], spec)
    ends = [OVER[number % 3] for number in range(8)]
    with ThreadPoolExecutor(8) as threads:
        changed = list(threads.map(lambda number: stores[number % 4].finish(run_id, ends[number]), range(8)))
    assert changed.count(True) == 1
    assert stores[0].run(run_id).status is ends[changed.index(True)]


class Lifecycle(RuleBasedStateMachine):
    """A run that is over never lives again, and nothing recorded disappears."""

    runs = Bundle("runs")
    runners = st.sampled_from(["one", "other"])

    def __init__(self, store: RunStore, spec: AuditSpec, clock: Clock) -> None:
        super().__init__()
        self.store, self.spec, self.clock = store, spec, clock
        self.recorded: dict[str, list[dict]] = {}
        self.ended: dict[str, Run] = {}

    @rule(target=runs)
    def submit(self) -> str:
        run_id = self.store.submit(self.spec)
        self.recorded[run_id] = []
        return run_id

    @rule(runner=runners)
    def claim(self, runner: str) -> None:
        run = self.store.claim(runner)
        assert run is None or run.status is Status.QUEUED
        assert run is None or run.id in {held.id for held in self.store.held(runner)}

    @rule(run_id=runs)
    def start(self, run_id: str) -> None:
        before = self.store.run(run_id)
        if before.started_at is None and not before.status.is_over:
            after = self.store.start(run_id, {"torch": "2"}).status
            assert after is (Status.RUNNING if before.status is Status.QUEUED else Status.STOPPING)
        else:
            with pytest.raises(ValueError, match="started before"):
                self.store.start(run_id, {})

    @rule(run_id=runs, method=st.sampled_from(["pause", "resume", "step", "stop", "take_step", "beat"]))
    def steer(self, run_id: str, method: str) -> None:
        BY_ID[method](self.store, run_id)

    @rule(run_id=runs, status=st.sampled_from([Status.RUNNING, Status.PAUSED, Status.STOPPING]))
    def mark(self, run_id: str, status: Status) -> None:
        self.store.mark(run_id, status)

    @rule(run_id=runs, iteration=st.integers(0, 300))
    def record(self, run_id: str, iteration: int) -> None:
        lives = not self.store.run(run_id).status.is_over
        assert self.store.record(run_id, progress(iteration), frame=(iteration, PNG)) is lives
        if lives:
            self.recorded[run_id].append(progress(iteration))

    @rule(run_id=runs, status=st.sampled_from(OVER))
    def finish(self, run_id: str, status: Status) -> None:
        lives = not self.store.run(run_id).status.is_over
        assert self.store.finish(run_id, status) is lives

    @rule(run_id=consumes(runs))
    def delete(self, run_id: str) -> None:
        if not self.store.run(run_id).status.is_over:
            self.store.finish(run_id, Status.STOPPED)
        self.store.delete(run_id)
        del self.recorded[run_id]
        self.ended.pop(run_id, None)
        with pytest.raises(KeyError):
            self.store.run(run_id)

    @rule(seconds=st.floats(0, 2 * SILENCE))
    def time_passes(self, seconds: float) -> None:
        self.clock.forward(seconds)

    @rule(runner=runners)
    def runner_leaves(self, runner: str) -> None:
        self.store.runner_gone(runner)
        assert all(run.started_at is not None for run in self.store.held(runner))

    @invariant()
    def over_is_over(self) -> None:
        for run_id in self.recorded:
            run = self.store.run(run_id)
            assert run.status.is_over is (run.finished_at is not None)
            if run.status.is_over:
                assert run == self.ended.setdefault(run_id, run)

    @invariant()
    def all_that_was_recorded_is_there(self) -> None:
        for run_id, bodies in self.recorded.items():
            assert [event.body for event in self.store.events(run_id)] == bodies
            assert len(self.store.frames(run_id)) == len(bodies)

    def teardown(self) -> None:
        for run_id in self.recorded:
            self.store.finish(run_id, Status.STOPPED)


def test_no_order_of_events_revives_a_run_or_loses_a_record(store: RunStore, spec: AuditSpec, clock: Clock):
    run_state_machine_as_test(
        lambda: Lifecycle(store, spec, clock),
        settings=settings(max_examples=30, stateful_step_count=25, deadline=None),
    )
