"""Ray, as far as the runner needs it: one task per run, on this machine alone or on a cluster."""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import shutil
import tempfile
from collections.abc import Collection
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from .settings import Settings

if TYPE_CHECKING:
    import ray

Task: TypeAlias = "ray.ObjectRef[str | None]"

CRASHED = "The worker process ended unexpectedly (killed or out of memory); the reconstruction recorded last is kept."
OUT_OF_MEMORY = (
    "The machine ran out of memory: choose a smaller batch, model or image size; "
    "the reconstruction recorded last is kept."
)

OBJECT_STORE = 80 * 2**20
"""Bytes; Ray's least. Everything of size goes through the run store instead."""

ALONE = {
    # Without it Ray listens on every network interface of a Linux machine; with it on 127.0.0.1, as it does elsewhere.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_COLOR_PREFIX": "0",
    # Behind the pages, but not so far that a busy machine starves a run (Ray's own choice is 15).
    "RAY_worker_niceness": "5",
}
"""How a Ray of our own is kept to this machine and to its owner."""

logger = logging.getLogger(__name__)


class EndedError(Exception):
    """This machine's Ray is no more."""


class Cluster:
    """A Ray that carries out runs. Made in the main thread: Ray's processes end with the thread that started them."""

    def __init__(self, settings: Settings) -> None:
        """Starts Ray, or connects to the cluster in the settings. Raises OSError, RuntimeError or ValueError."""
        self._settings = settings
        self._folder = Folder() if settings.ray_address is None else None
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        if self._folder is not None:
            # The token is handed down to Ray's processes; by itself Ray would keep one in the user's home folder.
            os.environ.update(ALONE, RAY_AUTH_TOKEN=secrets.token_hex(32))
        self._ray = import_module("ray")  # only now: it reads the environment
        if self._folder is not None:
            self._start_here(self._folder)
        else:
            self._ray.init(address=settings.ray_address, logging_level=logging.WARNING)
        machines = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        self._settings = fitting(settings, machines)
        carried_out_by = self._ray.remote(max_retries=0, **needs(self._settings, machines))
        self._carry_out, self._rehearse = carried_out_by(carry_out), carried_out_by(rehearse)

    def _start_here(self, folder: Folder) -> None:
        try:
            self._ray.init(
                address="local",
                include_dashboard=False,
                object_store_memory=OBJECT_STORE,
                logging_level=logging.WARNING,
                _temp_dir=str(folder.path / "ray"),  # Ray opens it to everybody; the folder around it stays ours
            )
        except BaseException:
            self.close()
            raise

    def submit(self, run_id: str) -> Task:
        """Have a claimed run carried out as soon as there is a place for it."""
        task: Task = self._carry_out.remote(self._settings, run_id)
        return task

    def warm(self) -> None:
        """Make a process ready for the next run, unless there is one."""
        self._rehearse.remote(self._settings)

    def done(self, tasks: Collection[Task]) -> list[Task]:
        """Those that are over, one way or the other."""
        return list(self._ray.wait(list(tasks), num_returns=len(tasks), timeout=0)[0]) if tasks else []

    def failure(self, task: Task) -> str | None:
        """Why a task that is over could not record the end of its run itself, in one sentence; None if it did.

        Raises EndedError where Ray ended first.
        """
        errors = self._ray.exceptions
        try:
            reason: str | None = self._ray.get(task)
        except errors.OutOfMemoryError:
            return OUT_OF_MEMORY
        except errors.LocalRayletDiedError as error:
            raise EndedError from error
        except errors.RayError as error:
            logger.warning("A worker did not come to its end: %s", error)
            return CRASHED
        return reason

    def kill(self, task: Task) -> None:
        """End the process that carries it out, even if that does not answer; one that waits never begins."""
        self._ray.cancel(task, force=True)

    def alive(self) -> bool:
        return any(node["Alive"] for node in self._ray.nodes())

    def close(self) -> None:
        self._ray.shutdown()
        if self._folder is not None:
            self._folder.remove()


def fitting(settings: Settings, machines: list[dict[str, float]]) -> Settings:
    """Those with no more cores per run than a machine with these resources has.

    In a container Ray counts the cores that it may use; a run that asks for more would wait forever.
    """
    largest = max(int(machine.get("CPU", 1)) for machine in machines)
    return replace(settings, cpus_per_run=max(1, min(settings.cpus_per_run, largest)))


def needs(settings: Settings, machines: list[dict[str, float]]) -> dict[str, float]:
    """What a run takes of machines with these resources: a GPU where there are any, and else some cores."""
    gpus = [machine.get("GPU", 0) for machine in machines]
    if not any(gpus):
        return {"num_cpus": settings.cpus_per_run}
    # A process that has used one GPU stays with it, so it can only be used again where there is no other.
    return {"num_cpus": 1, "num_gpus": 1, "max_calls": 0 if max(gpus) == 1 else 1}


def carry_out(settings: Settings, run_id: str) -> str | None:
    """The task of one run; as ``worker.carry_out``."""
    from .worker import work

    return work(settings, run_id, device=device())


def rehearse(settings: Settings) -> None:
    """A task after which its process is ready for a run."""
    from .worker import rehearse

    rehearse(settings, device=device())


def device() -> str:
    """Where the task that asks is to compute."""
    import ray

    return "cuda" if ray.get_gpu_ids() else "cpu"


class Folder:
    """For the sockets and logs of one Ray; locked while its owner lives, so that others can tell what was left."""

    PREFIX = "gia-ray-"
    PARENT = Path("/tmp")  # a path to a socket must be short, and TMPDIR often is not

    def __init__(self) -> None:
        """Makes a new one, and removes those of owners that were killed."""
        for left in self.PARENT.glob(f"{self.PREFIX}*"):
            self._remove_if_left(left)
        self.path = Path(tempfile.mkdtemp(prefix=self.PREFIX, dir=self.PARENT))
        self._lock = os.open(self.path, os.O_RDONLY)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)

    @staticmethod
    def _remove_if_left(folder: Path) -> None:
        try:
            lock = os.open(folder, os.O_RDONLY)
        except OSError:
            return  # another user's, or gone by now
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            pass
        finally:
            os.close(lock)
