"""Every run there is: what pages submit and read, the runner claims and the workers write."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Unpack

from sqlalchemy import Connection, Row, delete, func, select, update

from .jobs import Job
from .storage import history, presence, schema
from .storage.adoption import Left, adopt
from .storage.database import Database, StoreError
from .storage.presence import SILENCE
from .storage.records import Control, Event, Frame, Json, Run, Status
from .storage.rows import ORDERS, UNDER_WAY, Filters, Sort, add, change, conditions, find, read, read_all
from .storage.sweeps import Entry, Sweep, Sweeps

__all__ = [
    "SILENCE",
    "Control",
    "Entry",
    "Event",
    "Filters",
    "Frame",
    "Json",
    "Run",
    "RunStore",
    "Sort",
    "Status",
    "StoreError",
    "Sweep",
]


class RunStore:
    """Every method is one short transaction; one store may be used from any thread, and by many processes.

    A method that takes a run's id raises KeyError where there is no such run. Every method may raise StoreError.
    """

    def __init__(
        self, url: str, *, home: Path, busy_timeout: float = 10.0, clock: Callable[[], float] = time.time
    ) -> None:
        """Open the store at ``url``; make it, or bring it up to date, where it has to be. Raises StoreError.

        ``home`` is where a submitted spec must find its data set; ``busy_timeout`` the seconds to wait for others
        who write; ``clock`` gives seconds since the epoch.
        """
        self._database = Database(url, busy_timeout=busy_timeout)
        self._home = home
        self._now = clock
        schema.migrate(self._database)
        self.sweeps = Sweeps(self._database, home=home, now=clock)
        """Those there are, and their runs."""

    def close(self) -> None:
        """Let go of the database; the next call takes hold of it again."""
        self._database.close()

    # For pages: submit and read.

    def submit(self, job: Job) -> str:
        """Queue a run and return its id. Raises ValueError, one sentence, where the job cannot be carried out."""
        for objection in job.objections(self._home):
            raise ValueError(f"{objection.field}: {objection.reason}")
        with self._database.writing() as connection:
            return add(connection, job, at=self._now())

    def adopt(self, job: Job, left: Left, *, run_id: str | None = None) -> str:
        """Take in a run that another store kept, whole or not at all; returns its id, a new one where none is given."""
        with self._database.writing() as connection:
            return adopt(connection, job, left, at=self._now(), run_id=run_id)

    def run(self, run_id: str) -> Run:
        with self._database.reading() as connection:
            return read(connection, run_id)

    def runs(self, *, limit: int = 50, offset: int = 0, sort: Sort = "newest", **filters: Unpack[Filters]) -> list[Run]:
        # First which runs, then their specs: sorting must not carry the pictures that a spec may hold.
        page = select(schema.run.c.id).where(*conditions(filters)).order_by(*ORDERS[sort]).limit(limit).offset(offset)
        with self._database.reading() as connection:
            return read_all(connection, schema.run.c.id.in_(page), ORDERS[sort])

    def count(self, **filters: Unpack[Filters]) -> int:
        query = select(func.count()).select_from(schema.run).where(*conditions(filters))
        with self._database.reading() as connection:
            return connection.execute(query).scalar_one()

    def events(self, run_id: str, *, after: int = 0) -> list[Event]:
        """Events with a ``seq`` above ``after``, oldest first; of a long run an even selection, and the last."""
        with self._reading(run_id) as connection:
            return history.read_events(connection, run_id, after=after)

    def frames(self, run_id: str) -> list[tuple[int, int]]:
        """(seq, iteration) of every kept frame, in order, without pixels."""
        with self._reading(run_id) as connection:
            return history.read_frames(connection, run_id)

    def frame(self, run_id: str, seq: int) -> Frame | None:
        with self._reading(run_id) as connection:
            return history.read_frame(connection, run_id, seq)

    def latest_frame(self, run_id: str) -> Frame | None:
        with self._reading(run_id) as connection:
            return history.read_latest_frame(connection, run_id)

    def truth(self, run_id: str) -> bytes | None:
        """Sprite of the private batch, laid out like the frames; None until the attack has started."""
        with self._reading(run_id) as connection:
            return history.read_truth(connection, run_id)

    def thumbnails(self, run_ids: Collection[str]) -> dict[str, tuple[bytes | None, bytes | None]]:
        """Truth and latest frame of each run, as far as there are any."""
        with self._database.reading() as connection:
            return history.read_thumbnails(connection, run_ids)

    def runner_alive(self) -> bool:
        with self._database.reading() as connection:
            return presence.anyone(connection, "runner", now=self._now())

    # For pages: steer. All of these leave a run that is over as it is.

    def pause(self, run_id: str) -> None:
        self._change(run_id, lambda run: {"control": Control.PAUSE} if run.control is Control.RUN else {})

    def resume(self, run_id: str) -> None:
        resumed = {"control": Control.RUN, "steps_granted": 0}
        self._change(run_id, lambda run: resumed if run.control is Control.PAUSE else {})

    def step(self, run_id: str) -> None:
        """Grant a paused run one more iteration."""
        granted = schema.run.c.steps_granted + 1
        self._change(run_id, lambda run: {"steps_granted": granted} if run.control is Control.PAUSE else {})

    def stop(self, run_id: str) -> None:
        """Ask a run to end with its best kept; one that waits in the queue, held by nobody, ends at once."""
        with self._holding(run_id) as (connection, run):
            if run.status is Status.QUEUED and not presence.holds(connection, run, now=self._now()):
                change(connection, run_id, self._ended(Status.STOPPED))
            elif not run.status.is_over:
                change(connection, run_id, {"control": Control.STOP, "status": Status.STOPPING, "steps_granted": 0})

    def delete(self, run_id: str) -> None:
        """Remove a run with all its events and pictures. Raises ValueError where it is not over."""
        with self._holding(run_id) as (connection, run):
            if not run.status.is_over:
                raise ValueError("Stop the run first.")
            connection.execute(delete(schema.run).where(schema.run.c.id == run_id))

    # For the app, whose end its runner wants to notice.

    def app_beat(self, app_id: str) -> None:
        with self._database.writing() as connection:
            presence.beat(connection, "app", app_id, now=self._now())

    def app_gone(self, app_id: str) -> None:
        with self._database.writing() as connection:
            presence.forget(connection, "app", app_id)

    def apps_alive(self) -> bool:
        with self._database.reading() as connection:
            return presence.anyone(connection, "app", now=self._now())

    # For the runner.

    def runner_beat(self, runner_id: str) -> None:
        with self._database.writing() as connection:
            presence.beat(connection, "runner", runner_id, now=self._now())

    def runner_gone(self, runner_id: str) -> None:
        """Sign off: what this runner holds but nobody started is handed to the next one, or ends if it was stopped."""
        mine = (schema.run.c.runner_id == runner_id) & schema.run.c.started_at.is_(None)
        with self._database.writing() as connection:
            presence.forget(connection, "runner", runner_id)
            waiting = mine & (schema.run.c.status == Status.QUEUED)
            connection.execute(update(schema.run).where(waiting).values(runner_id=None))
            unwanted = mine & (schema.run.c.status == Status.STOPPING)
            connection.execute(update(schema.run).where(unwanted).values(self._ended(Status.STOPPED)))

    def claim(self, runner_id: str) -> Run | None:
        """Take the oldest queued run that no live runner holds; None if there is none. It stays queued until `start`.

        One that this version cannot read fails here, and is passed over.
        """
        with self._database.writing() as connection:
            presence.beat(connection, "runner", runner_id, now=self._now())
            while (run_id := presence.take_oldest(connection, runner_id, now=self._now())) is not None:
                run = read(connection, run_id)
                if run.job is not None:
                    return run
                change(connection, run_id, self._ended(Status.FAILED, run.error))
        return None

    def held(self, runner_id: str) -> list[Run]:
        """Runs that this runner claimed and that are not over, oldest first."""
        mine = (schema.run.c.runner_id == runner_id) & schema.run.c.status.in_((*UNDER_WAY, Status.QUEUED))
        with self._database.reading() as connection:
            return read_all(connection, mine, ORDERS["oldest"])

    def lost(self, *, silence: float) -> list[Run]:
        """Runs that claim to be alive although neither worker nor runner has beaten for ``silence`` seconds.

        A queued one among them was never started: `claim` hands it out again.
        """
        with self._database.reading() as connection:
            return read_all(connection, presence.orphaned(since=self._now() - silence), ORDERS["oldest"])

    # For the worker.

    def start(self, run_id: str, provenance: Json) -> Run:
        """Turn a queued run into a running one, but for one that is to stop: the worker ends it.

        Raises ValueError where the run is over or another worker has started it.
        """
        with self._holding(run_id) as (connection, run):
            if run.status.is_over or run.started_at is not None:
                raise ValueError("This run has been started before.")
            status = Status.RUNNING if run.status is Status.QUEUED else run.status
            now = self._now()
            change(connection, run_id, {"status": status, "started_at": now, "beat_at": now, "provenance": provenance})
            return read(connection, run_id)

    def beat(self, run_id: str) -> tuple[Control, int]:
        """Give a sign of life; what is wanted of the run, and how many single steps are granted.

        A run that was given up for lost is wanted to stop.
        """
        with self._holding(run_id) as (connection, run):
            if run.status.is_over:
                return Control.STOP, 0
            change(connection, run_id, {"beat_at": self._now()})
            return run.control, run.steps_granted

    def take_step(self, run_id: str) -> bool:
        """Use up one granted step; False if there was none."""
        left = schema.run.c.steps_granted - 1
        return self._change(run_id, lambda run: {"steps_granted": left} if run.steps_granted else {})

    def mark(self, run_id: str, status: Status) -> None:
        """Show a started run as running, paused or stopping; one that is stopping stays so."""
        if status not in UNDER_WAY:
            raise ValueError(f"A run is not marked as {status}; start or finish it.")
        self._change(run_id, lambda run: {"status": status} if run.status in (Status.RUNNING, Status.PAUSED) else {})

    def record(
        self, run_id: str, body: Json, *, frame: tuple[int, bytes] | None = None, truth: bytes | None = None
    ) -> bool:
        """Append an event with its reconstruction, as (iteration, PNG sprite), and give a sign of life.

        ``truth``: sprite of the private batch. False, and nothing is written, where the run is over.
        """
        with self._holding(run_id) as (connection, run):
            if run.status.is_over:
                return False
            now = self._now()
            seq = history.append_event(connection, run_id, body, at=now)
            if frame is not None:
                history.append_frame(connection, run_id, Frame(seq, *frame))
            if truth is not None:
                history.write_truth(connection, run_id, truth)
            change(connection, run_id, {"beat_at": now, **history.summary(body)})
            return True

    def finish(self, run_id: str, status: Status, *, error: str | None = None) -> bool:
        """End a run for good, with one sentence if it failed; False where it was over already, or deleted."""
        if not status.is_over:
            raise ValueError(f"A run does not end as {status}.")
        try:
            return self._change(run_id, lambda _: self._ended(status, error))
        except KeyError:
            return False

    @contextmanager
    def _reading(self, run_id: str) -> Iterator[Connection]:
        """A transaction that reads of a run that there is."""
        with self._database.reading() as connection:
            find(connection, select(schema.run.c.id), run_id)
            yield connection

    @contextmanager
    def _holding(self, run_id: str) -> Iterator[tuple[Connection, Row[Any]]]:
        """A transaction in which nobody else can change the run."""
        with self._database.writing() as connection:
            yield connection, find(connection, select(schema.run).with_for_update(), run_id)

    def _change(self, run_id: str, values: Callable[[Row[Any]], Json]) -> bool:
        """Set ``values`` of the run's row, unless it is over; whether anything was set."""
        with self._holding(run_id) as (connection, run):
            changes = {} if run.status.is_over else values(run)
            if changes:
                change(connection, run_id, changes)
            return bool(changes)

    def _ended(self, status: Status, error: str | None = None) -> Json:
        return {"status": status, "finished_at": self._now(), "error": error}
