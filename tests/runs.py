"""Runs, and time, as tests of the store want them."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import update

from gia_core.spec import AuditSpec
from gia_core.storage import schema
from gia_core.storage.database import Database
from gia_core.store import RunStore, Status

OVER = [status for status in Status if status.is_over]
PNG = b"\x89PNG\r\n\x1a\n"
"""What the store, which never looks inside, may as well take for a picture."""


class Clock:
    """Time that passes when a test says so, and a thousandth of a second at every look."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        self.now += 0.001
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += seconds


def progress(iteration: int, *, psnr: float | None = 10.0) -> dict:
    return {"kind": "progress", "iteration": iteration, "iterations": 300, "scores": {"psnr": [psnr]}}


def running(store: RunStore, spec: AuditSpec, runner: str = "runner") -> str:
    """A run that a worker of ``runner`` has just started."""
    run_id = store.submit(spec)
    claimed = store.claim(runner)
    assert claimed is not None
    assert claimed.id == run_id
    store.start(run_id, {})
    return run_id


def make_unreadable(url: str, run_id: str) -> None:
    """Leave the run's spec as a version with other methods would have written it."""
    database = Database(url, busy_timeout=5)
    with database.writing() as connection:
        body = '{"attack": {"name": "of-the-future"}}'
        connection.execute(update(schema.spec).where(schema.spec.c.run_id == run_id).values(body=body))
    database.close()


BY_ID: dict[str, Callable[[RunStore, str], object]] = {
    "run": lambda store, run_id: store.run(run_id),
    "events": lambda store, run_id: store.events(run_id),
    "frames": lambda store, run_id: store.frames(run_id),
    "frame": lambda store, run_id: store.frame(run_id, 1),
    "latest_frame": lambda store, run_id: store.latest_frame(run_id),
    "truth": lambda store, run_id: store.truth(run_id),
    "pause": lambda store, run_id: store.pause(run_id),
    "resume": lambda store, run_id: store.resume(run_id),
    "step": lambda store, run_id: store.step(run_id),
    "stop": lambda store, run_id: store.stop(run_id),
    "delete": lambda store, run_id: store.delete(run_id),
    "start": lambda store, run_id: store.start(run_id, {}),
    "beat": lambda store, run_id: store.beat(run_id),
    "take_step": lambda store, run_id: store.take_step(run_id),
    "mark": lambda store, run_id: store.mark(run_id, Status.PAUSED),
    "record": lambda store, run_id: store.record(run_id, progress(1)),
}
"""Every method that takes the id of a run that must exist."""
