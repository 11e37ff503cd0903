"""Runners as processes of their own, and what they leave behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from waiting import eventually

from gia_core.attacks import InvertingGradients
from gia_core.datasets import Digits
from gia_core.models import MLP
from gia_core.spec import AuditSpec
from gia_core.store import Run, RunStore, Status

ROOT = Path(__file__).parent.parent
BY_HAND = (sys.executable, "-m", "gia_core", "runner")
BY_APP = (sys.executable, "-m", "gia_core.runner", "--parent-pipe")

QUICK = AuditSpec(dataset=Digits(size=16), model=MLP(), attack=InvertingGradients(iterations=5))
ENDLESS = QUICK.model_copy(update={"attack": InvertingGradients(iterations=1_000_000)})

ENOUGH = 90.0
"""Seconds in which a busy machine does what takes an idle one a few."""

APP = """
import subprocess, sys, threading
from gia_core.settings import Settings
from gia_core.store import RunStore

settings = Settings.from_environment()
store = RunStore(settings.store_url, home=settings.home)
store.app_beat(sys.argv[1])
if sys.argv[2:]:
    runner = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, start_new_session=True)

def beat():
    while True:
        store.app_beat(sys.argv[1])
        closed.wait(1)

closed = threading.Event()
threading.Thread(target=beat, daemon=True).start()
sys.stdin.read()
store.app_gone(sys.argv[1])
"""
"""Like the dashboard: starts a runner, beats in the store, and signs off when it is closed."""


class Lab:
    """One home folder and its store. Every process that works for it carries the folder in its environment."""

    def __init__(self, home: Path) -> None:
        self.home = home
        (home / "user").mkdir(parents=True)
        self.store = RunStore(f"sqlite:///{home / 'gia.db'}", home=home)
        one_run_at_a_time = str(os.cpu_count())
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "GIA_"))},
            "GIA_HOME": str(home),
            "GIA_CPUS_PER_RUN": one_run_at_a_time,
            "HOME": str(home / "user"),
        }

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        with (self.home / "log").open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def app(self, name: str, *runner: str) -> subprocess.Popen[bytes]:
        return self.start(sys.executable, "-c", APP, name, *runner)

    def processes(self) -> dict[int, str]:
        """Pid and command line of every process that works for this home folder."""
        mark, found = f"GIA_HOME={self.home}\0".encode(), {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (folder / "environ").read_bytes():
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
            except OSError:
                pass  # it is another user's, or has just ended
        return found

    def worker(self) -> int:
        """Pid of the process that carries out a run."""
        [pid] = [pid for pid, command in self.processes().items() if command.startswith("ray::carry_out")]
        return pid

    def ray_folders(self) -> set[Path]:
        found = re.findall(r"--log_dir=(/tmp/gia-ray-[^/ ]+)/", " ".join(self.processes().values()))
        return {Path(folder) for folder in found}

    # Runs.

    def submit_live(self) -> str:
        """An endless run that has shown its first pictures."""
        run_id = self.store.submit(ENDLESS)
        self.until_live(run_id)
        return run_id

    def until_live(self, run_id: str) -> None:
        eventually(lambda: self.iteration(run_id) > 1 or self.over(run_id), within=ENOUGH)
        assert not self.over(run_id), self.over(run_id)

    def until(self, run_id: str, status: Status, *, within: float = ENOUGH) -> Run:
        eventually(lambda: self.store.run(run_id).status is status, within=within)
        return self.store.run(run_id)

    def iteration(self, run_id: str) -> int:
        return (self.store.run(run_id).progress or {"iteration": 0})["iteration"]

    def over(self, run_id: str) -> Run | None:
        run = self.store.run(run_id)
        return run if run.status.is_over else None

    def carry_out_one(self) -> Run:
        """A short run, from Start to its end."""
        run_id = self.store.submit(QUICK)
        eventually(lambda: self.over(run_id), within=ENOUGH)
        return self.store.run(run_id)

    def end(self) -> None:
        """Whatever a failed test has left, so that the next one does not pay for it."""
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        self.store.close()


@contextmanager
def lab(home: Path) -> Iterator[Lab]:
    made = Lab(home)
    try:
        yield made
    finally:
        made.end()


def seconds_since(moment: float) -> float:
    return time.monotonic() - moment
