"""Keeps a runner going while the app is open, and lets the store know that the app is."""

from __future__ import annotations

import atexit
import secrets
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from gia_core.store import RunStore, Status, StoreError

BEAT = 2.0
"""Seconds between two signs of life, and between two looks at the runner."""
RETRY = 20.0
"""Seconds before another runner is started where one ended by itself."""

LIVE = tuple(status for status in Status if not status.is_over)


class Keeper:
    """One per app. A daemon thread does everything, so no page waits for it."""

    def __init__(self, store: RunStore, *, log: Path) -> None:
        self._store = store
        self._log = log
        self._id = secrets.token_hex(8)
        self._wanted = threading.Event()
        self._runner: subprocess.Popen[bytes] | None = None
        self._started_at = -RETRY
        atexit.register(self.leave)
        threading.Thread(target=self._keep, name="keeper", daemon=True).start()

    def want_runner(self) -> None:
        """Have a runner ready, so that the first click on Start does not wait for one."""
        self._wanted.set()

    def leave(self) -> None:
        """Tell the store that the app is closed; the runner sees its pipe close."""
        with suppress(StoreError):  # if this fails, the app is taken for closed when its beats stay away
            self._store.app_gone(self._id)

    def _keep(self) -> None:
        while True:
            with suppress(StoreError):  # the pages say so; the store may come back
                self._store.app_beat(self._id)
                if self._runner_is_missing():
                    self._start_runner()
            self._wanted_or_wait()

    def _wanted_or_wait(self) -> None:
        """Wait for the next beat, but not after the first page has asked for a runner."""
        if self._wanted.is_set():
            time.sleep(BEAT)
        else:
            self._wanted.wait(BEAT)

    def _runner_is_missing(self) -> bool:
        """Whether one is needed and neither beats nor is on its way: it takes some seconds to start."""
        if self._runner is not None and self._runner.poll() is None:
            return False
        if not self._wanted.is_set() and not self._store.count(statuses=LIVE):
            return False
        return time.monotonic() - self._started_at > RETRY and not self._store.runner_alive()

    def _start_runner(self) -> None:
        self._started_at = time.monotonic()
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("wb") as log:
            self._runner = subprocess.Popen(
                [sys.executable, "-m", "gia_core.runner", "--parent-pipe"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
