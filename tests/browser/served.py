"""The dashboard as a user starts it, as a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from waiting import eventually

ROOT = Path(__file__).parent.parent.parent
START_WITHIN = 60.0
END_WITHIN = 30.0
OVERLOADED = 10
"""Times that everything takes longer where more processes want to run than there are cores."""


def patience() -> int:
    """Promises in seconds are for a machine that has a core to spare."""
    return 1 if os.getloadavg()[0] < (os.cpu_count() or 1) + 1 else OVERLOADED


class Served:
    """``make run`` on a free port with a home folder of its own. It can be killed, and started again in its place."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.log = home / "server.log"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self.start()

    def start(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("GIA_", "RAY_"))}
        with self.log.open("ab") as log:
            self._make = subprocess.Popen(
                ["make", "--old-file=setup", "run", f"PORT={self._port}"],  # what is installed is not installed again
                cwd=ROOT,
                env=environment | {"GIA_HOME": str(self.home)},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._wait_until_healthy()

    def _wait_until_healthy(self) -> None:
        end = time.monotonic() + START_WITHIN
        while time.monotonic() < end and self._make.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=1) as answer:
                    if answer.read() == b"ok":
                        return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(self.log.read_text())

    def kill(self) -> None:
        """End the server without a chance to say goodbye."""
        children = Path(f"/proc/{self._make.pid}/task/{self._make.pid}/children").read_text().split()
        for child in children:
            os.kill(int(child), signal.SIGKILL)
        self._make.wait(END_WITHIN)

    def end(self) -> None:
        """Ctrl-C in the terminal; afterwards nothing may be left."""
        if self._make.poll() is None:
            os.killpg(self._make.pid, signal.SIGINT)
            self._make.wait(END_WITHIN)

    def memory(self) -> float:
        """MiB that the server holds."""
        (child,) = Path(f"/proc/{self._make.pid}/task/{self._make.pid}/children").read_text().split()
        status = Path(f"/proc/{child}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) / 1024

    def left_behind(self) -> list[int]:
        """Processes that still carry this home folder in their environment."""
        found = []
        for folder in Path("/proc").iterdir():
            if folder.name.isdecimal():
                try:
                    if f"GIA_HOME={self.home}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                        found.append(int(folder.name))
                except OSError:
                    continue  # gone, or not ours
        return found


@contextmanager
def serving(home: Path) -> Iterator[Served]:
    """A dashboard that ends without a traceback and leaves no process behind."""
    served = Served(home)
    yield served
    served.end()
    eventually(lambda: not served.left_behind(), within=60)
    assert "Traceback" not in served.log.read_text()
