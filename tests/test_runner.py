"""Runners with a real Ray and real processes, killed in every way there is."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from processes import BY_APP, BY_HAND, ENOUGH, QUICK, Lab, lab, seconds_since
from runs import Clock, running
from waiting import eventually

from gia_core import runner
from gia_core.cluster import CRASHED
from gia_core.runner import GRACE, LOST, NO_RAY, STOP_WITHIN, UNANSWERED, UNTOLD, Reasons, Runner
from gia_core.store import RunStore, Status

AGENTS_GONE_WITHIN = 90.0
"""Seconds after which even the last of Ray's own processes notice that the runner was killed."""


@dataclass
class Killed:
    """A runner that was killed while it had a live run, and all that belonged to it."""

    lab: Lab
    run_id: str
    frames: int
    at: float
    processes: dict[int, str]
    folders: set[Path]

    def left(self) -> dict[int, str]:
        return {pid: name for pid, name in self.lab.processes().items() if pid in self.processes}


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killed]:
    with lab(tmp_path_factory.mktemp("lab") / "home") as place:
        process = place.start(*BY_HAND)
        run_id = place.submit_live()
        processes, folders = place.processes(), place.ray_folders()
        frames = len(place.store.frames(run_id))
        process.kill()
        process.wait()
        yield Killed(place, run_id, frames, time.monotonic(), processes, folders)


@pytest.fixture(scope="module")
def live(killed: Killed) -> Iterator[Lab]:
    """The same store with its next runner, which ends orderly after the last test."""
    eventually(lambda: not killed.lab.store.runner_alive(), within=ENOUGH)
    process = killed.lab.start(*BY_HAND)
    eventually(killed.lab.store.runner_alive, within=ENOUGH)
    yield killed.lab
    process.terminate()
    assert process.wait(ENOUGH) == 0
    eventually(lambda: killed.lab.processes().keys() <= killed.processes.keys(), within=ENOUGH)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Lab]:
    """A store without a runner."""
    with lab(tmp_path / "home") as place:
        yield place


# A runner that was killed.


def test_a_runner_killed_hard_takes_its_tasks_with_it(killed: Killed):
    assert any(name.startswith("ray::carry_out") for name in killed.processes.values())
    eventually(lambda: not any("carry_out" in name for name in killed.left().values()), within=20)


def test_the_next_runner_ends_what_the_killed_one_left_and_keeps_its_pictures(live: Lab, killed: Killed):
    run = live.until(killed.run_id, Status.FAILED)
    assert run.error == LOST
    assert len(live.store.frames(killed.run_id)) >= killed.frames > 0
    assert killed.folders
    assert not any(folder.exists() for folder in killed.folders)


# A runner at work.


def test_a_run_is_carried_out_to_its_end(live: Lab):
    run = live.carry_out_one()
    assert (run.status, run.error) == (Status.FINISHED, None)
    assert run.scores["psnr"][0] > 0


def test_a_stopped_run_ends_within_two_seconds_and_its_process_carries_out_the_next_one(live: Lab):
    workers = set()
    for _ in range(2):
        run_id = live.submit_live()
        workers.add(live.worker())
        live.store.stop(run_id)
        run = live.until(run_id, Status.STOPPED, within=2)
        assert (run.error, run.scores["psnr"][0] > 0) == (None, True)
    assert len(workers) == 1


def test_a_live_run_pauses_takes_one_step_and_goes_on(live: Lab):
    run_id = live.submit_live()
    live.store.pause(run_id)
    live.until(run_id, Status.PAUSED)
    at = live.iteration(run_id)
    live.store.step(run_id)
    eventually(lambda: live.iteration(run_id) == at + 1, within=ENOUGH)
    assert live.store.run(run_id).status is Status.PAUSED
    live.store.resume(run_id)
    eventually(lambda: live.iteration(run_id) > at + 1, within=ENOUGH)
    live.store.stop(run_id)
    live.until(run_id, Status.STOPPED, within=2)


def test_a_run_that_waits_can_be_stopped_and_the_rest_of_the_queue_moves_on(live: Lab):
    busy = live.submit_live()
    unwanted, wanted = live.store.submit(QUICK), live.store.submit(QUICK)
    live.store.stop(unwanted)
    assert live.until(unwanted, Status.STOPPED, within=5).started_at is None
    assert live.store.run(wanted).status is Status.QUEUED
    live.store.delete(unwanted)
    live.store.stop(busy)
    live.until(wanted, Status.FINISHED)


def test_a_second_runner_sees_the_first_and_leaves(live: Lab):
    second = live.start(*BY_APP)
    assert second.wait(ENOUGH) == 0
    assert "Another runner" in (live.home / "log").read_text()


def test_ray_listens_to_this_machine_alone_and_keeps_nothing_in_the_home_folder(live: Lab):
    run_id = live.submit_live()  # so Ray is up
    addresses = {address for pid in live.processes() for address in listening(pid)}
    live.store.stop(run_id)
    assert addresses
    assert addresses <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    assert not (live.home / "user" / ".ray").exists()


def test_only_the_owner_can_look_into_the_folder_of_ray(live: Lab, killed: Killed):
    run_id = live.submit_live()
    folders = live.ray_folders() - killed.folders
    live.store.stop(run_id)
    assert [folder.stat().st_mode & 0o077 for folder in folders] == [0]


def listening(pid: int) -> Iterator[str]:
    """Addresses at which a process waits for connections."""
    links = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()]
    for family, file in ((socket.AF_INET, "tcp"), (socket.AF_INET6, "tcp6")):
        for line in Path(f"/proc/{pid}/net/{file}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in links:
                words = bytes.fromhex(fields[1].split(":")[0])
                address = b"".join(words[i : i + 4][::-1] for i in range(0, len(words), 4))
                yield socket.inet_ntop(family, address)


# Workers that fail.


def test_a_worker_killed_hard_fails_its_run_and_the_next_one_starts(live: Lab):
    run_id = live.submit_live()
    os.kill(live.worker(), signal.SIGKILL)
    assert live.until(run_id, Status.FAILED, within=10).error == CRASHED
    assert live.store.frames(run_id)
    assert live.carry_out_one().status is Status.FINISHED


def test_a_worker_that_does_not_answer_is_ended_with_the_last_picture_kept(live: Lab):
    run_id = live.submit_live()
    worker = live.worker()
    os.kill(worker, signal.SIGSTOP)
    live.store.stop(run_id)
    assert live.until(run_id, Status.STOPPED, within=STOP_WITHIN + 20).error == UNANSWERED
    assert live.store.frames(run_id)
    assert worker not in live.processes()
    assert live.carry_out_one().status is Status.FINISHED


# The end.


def test_ctrl_c_keeps_the_best_and_leaves_the_queue_and_no_process(fresh: Lab):
    process = fresh.start(*BY_HAND)
    busy = fresh.submit_live()
    waiting = fresh.store.submit(QUICK)
    folders = fresh.ray_folders()
    os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to all that it has started
    assert process.wait(ENOUGH) == 0
    run = fresh.store.run(busy)
    assert (run.status, run.error, run.scores["psnr"][0] > 0) == (Status.STOPPED, None, True)
    assert fresh.store.run(waiting).status is Status.QUEUED
    assert not fresh.store.runner_alive()
    eventually(lambda: not fresh.processes(), within=10)
    assert not any(folder.exists() for folder in folders)


def test_a_runner_survives_the_restart_of_the_app_but_not_its_end(fresh: Lab):
    first = fresh.app("first", *BY_APP)
    run_id = fresh.submit_live()
    close(first)
    closed = time.monotonic()
    second = fresh.app("second")
    eventually(lambda: seconds_since(closed) > 1.5 * GRACE, within=2 * GRACE)
    before = fresh.iteration(run_id)
    eventually(lambda: fresh.iteration(run_id) > before, within=ENOUGH)
    second.kill()
    second.wait()
    run = fresh.until(run_id, Status.STOPPED)
    assert run.scores["psnr"][0] > 0
    eventually(lambda: not fresh.processes(), within=ENOUGH)


def close(app: subprocess.Popen[bytes]) -> None:
    assert app.stdin is not None
    app.stdin.close()
    assert app.wait(ENOUGH) == 0


def test_nothing_is_left_of_a_runner_that_was_killed(killed: Killed):
    eventually(lambda: not killed.left(), within=max(1, AGENTS_GONE_WITHIN - seconds_since(killed.at)))


# With a Ray that is only pretended: what a real one does too seldom to wait for.


class Pretended:
    """A cluster whose tasks, named like their runs, begin and end when a test says so."""

    def __init__(self) -> None:
        self.ended: dict[str, str | None] = {}
        self.submitted: list[str] = []
        self.warmed = 0
        self.lives = True

    def submit(self, run_id: str) -> str:
        self.submitted.append(run_id)
        return run_id

    def done(self, tasks: list[str]) -> list[str]:
        return [task for task in tasks if task in self.ended]

    def failure(self, task: str) -> str | None:
        return self.ended[task]

    def kill(self, task: str) -> None:
        self.ended[task] = CRASHED

    def warm(self) -> None:
        self.warmed += 1

    def alive(self) -> bool:
        return self.lives


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Pretended:
    monkeypatch.setattr(runner, "TURN", 0.01)
    monkeypatch.setattr(runner, "LOOK_AROUND", 0.0)
    return Pretended()


@contextmanager
def at_work(store: RunStore, ray: Pretended) -> Iterator[list[bool]]:
    """A runner in another thread, asked to end when the block is over; the list then holds what it returned."""
    reasons, results = Reasons(), []
    made = Runner(store, ray, runner_id="runner", reasons=reasons)
    thread = threading.Thread(target=lambda: results.append(made.work()))
    thread.start()
    try:
        yield results
    finally:
        reasons.asked = True
        thread.join(ENOUGH)
        assert not thread.is_alive()


@pytest.fixture
def own(home: Path, tmp_path: Path) -> RunStore:
    return RunStore(f"sqlite:///{tmp_path / 'gia.db'}", home=home, busy_timeout=0.05)


def started(store: RunStore, ray: Pretended) -> str:
    run_id = store.submit(QUICK)
    eventually(lambda: run_id in ray.submitted, within=ENOUGH)
    store.start(run_id, {})
    return run_id


def test_a_runner_tells_what_a_worker_could_not_as_soon_as_the_store_can_be_written(
    own: RunStore, ray: Pretended, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    with at_work(own, ray):
        run_id = started(own, ray)
        other = sqlite3.connect(tmp_path / "gia.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        ray.ended[run_id] = "The disk that holds the store is full; free some space and try again."
        eventually(lambda: "held up by another program" in caplog.text, within=ENOUGH)
        assert own.run(run_id).status is Status.RUNNING
        other.execute("ROLLBACK")
        other.close()
        eventually(lambda: own.run(run_id).status is Status.FAILED, within=ENOUGH)
        assert own.run(run_id).error == ray.ended[run_id]
        eventually(lambda: ray.warmed == 2, within=ENOUGH)


def test_a_run_that_ended_without_a_word_fails_but_one_that_told_its_end_is_believed(own: RunStore, ray: Pretended):
    with at_work(own, ray):
        silent, told = started(own, ray), started(own, ray)
        own.finish(told, Status.FINISHED)
        ray.ended = {silent: None, told: None}
        eventually(lambda: own.run(silent).status is Status.FAILED, within=ENOUGH)
        assert own.run(silent).error == UNTOLD
        assert own.run(told).status is Status.FINISHED


def test_where_ray_ends_live_runs_fail_and_the_queue_waits_for_the_next_runner(own: RunStore, ray: Pretended):
    with at_work(own, ray) as results:
        live, waiting = started(own, ray), own.submit(QUICK)
        eventually(lambda: waiting in ray.submitted, within=ENOUGH)
        ray.lives = False
        eventually(lambda: results, within=ENOUGH)
    assert results == [False]
    assert (own.run(live).status, own.run(live).error) == (Status.FAILED, NO_RAY)
    assert own.run(waiting).status is Status.QUEUED


def test_what_a_dead_runner_left_ends_as_its_user_wanted(store: RunStore, clock: Clock, ray: Pretended):
    stopped, failed = (running(store, QUICK, runner="dead") for _ in range(2))
    store.stop(stopped)
    clock.forward(60)
    with at_work(store, ray):
        eventually(lambda: store.run(failed).status is Status.FAILED, within=ENOUGH)
        eventually(lambda: store.run(stopped).status is Status.STOPPED, within=ENOUGH)
    assert store.run(stopped).error == store.run(failed).error == LOST


def test_what_a_dead_runner_left_in_the_queue_is_carried_out(store: RunStore, clock: Clock, ray: Pretended):
    run_id = store.submit(QUICK)
    store.claim("dead")
    clock.forward(60)
    with at_work(store, ray):
        eventually(lambda: run_id in ray.submitted, within=ENOUGH)


def test_a_worker_that_ignores_the_end_of_its_runner_is_ended(
    own: RunStore, ray: Pretended, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(runner, "STOP_WITHIN", 0.1)
    with at_work(own, ray):
        run_id = started(own, ray)
    assert (own.run(run_id).status, own.run(run_id).error) == (Status.STOPPED, UNANSWERED)
