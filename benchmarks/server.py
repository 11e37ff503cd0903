"""What the benchmarks share: the dashboard in a folder of its own, a browser to look at it, and the table of figures.

Importing this module makes the product importable from wherever a script is called.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from gia_core.attacks import InvertingGradients
from gia_core.spec import AuditSpec
from gia_core.store import RunStore

ROOT = Path(__file__).resolve().parent.parent
T = TypeVar("T")

PATIENCE = 180.0
"""Seconds in which a busy machine does what an idle one does in a few."""
LEAVE_WITHIN = 60.0
"""Seconds for the app, its runner and Ray to end by themselves."""

ENDLESS = AuditSpec(attack=InvertingGradients(iterations=1_000_000))
"""A fast attack on one photo, so that recording it and looking on weigh the most."""

START = '.st-key-start [data-testid="stBaseButton-primary"]'
RECONSTRUCTION = ".st-key-pictures img[alt^='Reconstruction']"

CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SIZE = {"width": 1400, "height": 900}

APPEARANCE = """
selector => {
  const look = () => {
    const found = document.querySelector(selector);
    const visible = found && !found.disabled && found.getBoundingClientRect().width > 0;
    requestAnimationFrame(visible ? () => { window.appeared = performance.now(); } : look);
  };
  look();
}
"""


class Dashboard:
    """The app as `make run` starts it, on a port of its own, with ``home`` for everything that it keeps."""

    def __init__(self, home: Path, *, script: Path | None = None, **environment: str) -> None:
        """``script``: another one than the dashboard's."""
        self.home = home
        self.store = RunStore(f"sqlite:///{home / 'gia.db'}", home=home)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "GIA_"))}
        program = ["ui"] if script is None else ["streamlit", "run", str(script)]
        self._log = home / "app.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *program, "--server.port", str(port)],
                cwd=ROOT,
                env={**inherited, "GIA_HOME": str(home), **environment},
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the benchmark, which ends the app in its turn
            )
        self.pid = self._process.pid

    def await_health(self) -> float:
        """Wait until the server answers; the time of its first answer, in seconds since the epoch."""
        eventually(self._answers)
        return time.time()

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"The app ended at once:\n{self._log.read_text()}")
        with suppress(OSError), urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=1) as answer:
            return bool(answer.status == 200)
        return False

    def processes(self) -> dict[int, str]:
        """Pid and command line of every process that carries this home folder in its environment."""
        mark, found = f"GIA_HOME={self.home}\0".encode(), {}
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # another user's, or over by now
                if mark in (folder / "environ").read_bytes():
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
        return found

    def worker(self) -> int | None:
        """Pid of the process that carries out a run; None while there is none."""
        return next((pid for pid, command in self.processes().items() if command.startswith("ray::carry_out")), None)

    def end(self) -> None:
        """Close the app as Ctrl-C does, and wait until its runner and Ray have followed; end what stays."""
        self.store.close()
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        with suppress(TimeoutError):
            eventually(lambda: self._process.poll() is not None and not self.processes(), within=LEAVE_WITHIN)
        for pid, command in self.processes().items():
            print(f"did not end by itself: {command}", file=sys.stderr)
            os.kill(pid, signal.SIGKILL)


@contextmanager
def dashboard(home: Path | None = None, *, script: Path | str = "app.py", **environment: str) -> Iterator[Dashboard]:
    """A dashboard that is about to answer, and is gone afterwards; without a ``home``, so is everything it kept."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what follows is done then, too
    with TemporaryDirectory(prefix="gia-benchmark-") as folder:
        app = Dashboard(home or Path(folder), script=script, **environment)
        try:
            yield app
        finally:
            app.end()


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium where it is installed, else Playwright's own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def new_page(browser: Browser) -> Iterator[Page]:
    """A page of a visitor who comes for the first time, with nothing in the browser's cache."""
    context = browser.new_context(viewport=SIZE)
    context.set_default_timeout(PATIENCE * 1000)
    try:
        yield context.new_page()
    finally:
        context.close()


def seconds_until(page: Page, url: str, selector: str) -> float:
    """Seconds from going to ``url`` until the browser has painted what ``selector`` finds."""
    page.goto(url, wait_until="commit")
    page.evaluate(APPEARANCE, selector)
    return page.wait_for_function("window.appeared").json_value() / 1000


def eventually(condition: Callable[[], T], *, within: float = PATIENCE, every: float = 0.02) -> T:
    """The first true value of ``condition``; times in seconds. Raises TimeoutError."""
    deadline = time.monotonic() + within
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"It did not happen within {within:.0f} s.")
        time.sleep(every)
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def resident(pid: int) -> float:
    """Resident memory of a process in MB."""
    return status(pid, "VmRSS")


def peak(pid: int) -> float:
    """The most resident memory that a process ever had, in MB."""
    return status(pid, "VmHWM")


def status(pid: int, name: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024


def processor_seconds(pid: int) -> float:
    """Processor time that a process has used so far, by all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def verdict(value: float, target: float) -> str:
    return "met" if value <= target else "missed"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print Markdown whose columns line up: the first to the left, the others to the right."""
    first, *others = (max(len(cell) for cell in column) for column in zip(header, *rows, strict=True))
    rule = ["-" * first, *("-" * (width - 1) + ":" for width in others)]
    for name, *cells in (header, rule, *rows):
        aligned = [cell.rjust(width) for cell, width in zip(cells, others, strict=True)]
        print(f"| {' | '.join([name.ljust(first), *aligned])} |")


@contextmanager
def conditions() -> Iterator[None]:
    """Print under the figures how busy the machine was."""
    before = os.getloadavg()[0]
    yield
    print(f"\n{os.cpu_count()} cores; load average {before:.1f} before, {os.getloadavg()[0]:.1f} after", flush=True)
