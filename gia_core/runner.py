"""From queued run to Ray task: claims runs, relays what users want of them, finds the dead, leaves nothing behind."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType

from .cluster import Cluster, EndedError, Task
from .settings import Settings
from .store import Control, Run, RunStore, Status, StoreError

TURN = 0.2
"""Seconds between two looks at the store and at the tasks."""
LOOK_AROUND = 2.0
"""Seconds between two signs of life, looks for runs whose runner died, and looks at whether Ray lives."""
SILENCE = 10.0
"""Seconds after which a run that neither worker nor runner stands for is lost."""
STOP_WITHIN = 10.0
"""Seconds a worker has to stop by itself; then its process is ended."""
GRACE = 5.0
"""Seconds a runner that an app has started stays after the last app was seen."""

LOST = "The runner ended unexpectedly; the reconstruction recorded last is kept."
UNTOLD = "The run ended without saying how; the reconstruction recorded last is kept."
UNANSWERED = "The worker did not answer and was ended; the reconstruction recorded last is kept."
NO_RAY = "Ray came to an unexpected end; the reconstruction recorded last is kept."

logger = logging.getLogger(__name__)


@dataclass
class Reasons:
    """Why a runner is to leave; set by signals and by the thread that watches the parent."""

    asked: bool = False
    parent_gone: bool = False


@dataclass
class Carried:
    """A claimed run on its way through Ray."""

    task: Task
    stop_seen_at: float | None = None
    killed: bool = False


class Runner:
    """Looks after the queued and live runs of one store until it is asked to end, or no app needs it any more."""

    def __init__(self, store: RunStore, cluster: Cluster, *, runner_id: str, reasons: Reasons) -> None:
        self._store, self._cluster, self._id, self._reasons = store, cluster, runner_id, reasons
        self._carried: dict[str, Carried] = {}
        self._app_seen = self._looked_around = time.monotonic()
        self._trouble = ""

    def work(self) -> bool:
        """Work until there is a reason to leave, then end what is under way; False if that reason is Ray's end."""
        self._cluster.warm()
        ray_lives = True
        while ray_lives and not self._is_to_leave():
            time.sleep(TURN)
            ray_lives = self._turn()
        logger.info("Leaving.")
        self._end(ray_lives=ray_lives)
        return ray_lives

    def _is_to_leave(self) -> bool:
        now = time.monotonic()
        with self._tolerance():
            if not self._reasons.parent_gone or self._store.apps_alive():
                self._app_seen = now
        return self._reasons.asked or now - self._app_seen > GRACE

    @contextmanager
    def _tolerance(self) -> Iterator[None]:
        """A store that fails is told about once, and tried again at the next turn."""
        try:
            yield
            self._trouble = ""
        except StoreError as error:
            if str(error) != self._trouble:
                logger.warning("%s", error)
            self._trouble = str(error)

    def _turn(self) -> bool:
        """One look at everything; whether Ray lives."""
        try:
            with self._tolerance():
                self._claim()
                self._settle()
                self._heed_stops()
            return self._look_around() if time.monotonic() - self._looked_around > LOOK_AROUND else True
        except EndedError:
            return False

    def _look_around(self) -> bool:
        """What can wait a little longer; whether Ray lives."""
        self._looked_around = time.monotonic()
        with self._tolerance():
            self._store.runner_beat(self._id)
            self._end_lost()
        return self._cluster.alive()

    def _claim(self) -> None:
        mine = sum(run.status is Status.QUEUED for run in self._store.held(self._id))
        if self._store.count(statuses=(Status.QUEUED,)) == mine:
            return  # an idle runner only reads: writing wears out the disk
        while (run := self._store.claim(self._id)) is not None:
            logger.info("Run %s is submitted.", run.id)
            self._carried[run.id] = Carried(self._cluster.submit(run.id))

    def _settle(self) -> None:
        """Take leave of runs whose task is over; where the worker could not say how they ended, say it."""
        over = self._cluster.done([carried.task for carried in self._carried.values()])
        for run_id in [run_id for run_id, carried in self._carried.items() if carried.task in over]:
            carried = self._carried[run_id]
            reason = self._cluster.failure(carried.task)
            if carried.killed:
                self._store.finish(run_id, Status.STOPPED, error=UNANSWERED)
            else:
                self._store.finish(run_id, Status.FAILED, error=reason or UNTOLD)  # changes nothing if it is over
            logger.info("Run %s is over.", run_id)
            del self._carried[run_id]
            if reason is not None:
                self._cluster.warm()

    def _heed_stops(self) -> None:
        for run in self._store.held(self._id):
            if run.control is Control.STOP and run.id in self._carried:
                self._stop(run, self._carried[run.id])

    def _stop(self, run: Run, carried: Carried) -> None:
        now = time.monotonic()
        if run.started_at is None:
            self._store.finish(run.id, Status.STOPPED)  # its task finds it over, should it begin
        elif carried.stop_seen_at is None:
            carried.stop_seen_at = now
        elif now - carried.stop_seen_at > STOP_WITHIN and not carried.killed:
            logger.warning("Run %s does not stop; its process is ended.", run.id)
            carried.killed = True
            self._cluster.kill(carried.task)

    def _end_lost(self) -> None:
        for run in self._store.lost(silence=SILENCE):
            if run.status is not Status.QUEUED:  # those are claimed anew
                self._store.finish(run.id, Status.STOPPED if run.control is Control.STOP else Status.FAILED, error=LOST)

    def _end(self, *, ray_lives: bool) -> None:
        """Stop what is under way with its best kept, and leave the queue to the next runner."""
        status, reason = (Status.STOPPED, UNANSWERED) if ray_lives else (Status.FAILED, NO_RAY)
        with self._tolerance():
            if ray_lives:
                with suppress(EndedError):
                    self._keep_from_starting()
                    self._stop_all()
            for run in self._store.held(self._id):
                if run.started_at is not None:
                    self._store.finish(run.id, status, error=reason)

    def _stop_all(self) -> None:
        """Returns when no task is left, or too long after what does not answer was to be killed."""
        for run in self._store.held(self._id):
            if run.started_at is not None:
                self._store.stop(run.id)
        deadline = time.monotonic() + 2 * STOP_WITHIN
        while self._carried and time.monotonic() < deadline:
            self._store.runner_beat(self._id)
            self._settle()
            self._heed_stops()
            time.sleep(TURN)

    def _keep_from_starting(self) -> None:
        for run in self._store.held(self._id):
            if run.started_at is None and run.id in self._carried:
                self._cluster.kill(self._carried.pop(run.id).task)


def run_forever(settings: Settings, *, parent_pipe: int | None = None) -> int:
    """Be the runner of the store in ``settings`` until a signal; the result is the exit code.

    ``parent_pipe``: file descriptor that reads to its end when the app that started this process ends; the runner
    then leaves as well, unless another app shows itself in the store. Call it in the main thread.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        store = RunStore(settings.store_url, home=settings.home)
        if store.runner_alive():
            logger.info("Another runner looks after this store already.")
            return 0
        runner_id = secrets.token_hex(8)
        store.runner_beat(runner_id)
    except StoreError as error:
        logger.error("%s", error)
        return 1
    try:
        return 0 if work(settings, store, runner_id=runner_id, parent_pipe=parent_pipe) else 1
    finally:
        with suppress(StoreError):  # then it is taken for gone when its beats stay away
            store.runner_gone(runner_id)


def work(settings: Settings, store: RunStore, *, runner_id: str, parent_pipe: int | None) -> bool:
    """Whether Ray did what it should until the end."""
    reasons = Reasons()
    heed_signals(reasons)
    try:
        cluster = Cluster(settings)
    except (OSError, RuntimeError, ValueError) as error:
        logger.error("Ray cannot be used: %s", error)
        return False
    except SystemExit:  # how Ray takes a SIGTERM while it starts
        return True
    heed_signals(reasons)  # anew, since Ray has put a handler of its own there
    if parent_pipe is not None:
        threading.Thread(target=watch, args=(parent_pipe, reasons), name="parent", daemon=True).start()
    try:
        return Runner(store, cluster, runner_id=runner_id, reasons=reasons).work()
    finally:
        cluster.close()


def heed_signals(reasons: Reasons) -> None:
    def leave(_: int, __: FrameType | None) -> None:
        reasons.asked = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)


def watch(pipe: int, reasons: Reasons) -> None:
    """Nothing is ever sent through the pipe; it ends when the process that holds its other side does."""
    while os.read(pipe, 4096):
        pass
    reasons.parent_gone = True


def main() -> int:
    """``python -m gia_core.runner [--parent-pipe]``: the app starts it so, and keeps its stdin open while it lives."""
    try:
        settings = Settings.from_environment()
    except ValueError as error:
        logger.error("%s", error)
        return 2
    return run_forever(settings, parent_pipe=sys.stdin.fileno() if "--parent-pipe" in sys.argv[1:] else None)


if __name__ == "__main__":
    sys.exit(main())
