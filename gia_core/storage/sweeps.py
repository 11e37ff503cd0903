"""Sweeps in the store: what each one asks for, and which runs stand in its cells."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, delete, insert, select, update

from ..spec import AuditSpec
from ..sweep import SweepSpec
from . import schema
from .database import Database
from .records import Json, Run, Status
from .rows import ORDERS, RUN_ID, add, columns, read_all

WORTH_TAKING = (Status.FINISHED, Status.RUNNING, Status.QUEUED)
"""A run that another sweep, or a person, has asked for is not asked for again. One that was stopped had less time."""


@dataclass(frozen=True)
class Sweep:
    """One stored sweep."""

    id: str
    """16 hexadecimal digits, made by the store."""
    created_at: float
    """Seconds since the epoch."""
    spec: SweepSpec | None
    """None where another version of GIA Lab wrote it and this one cannot read it."""


@dataclass(frozen=True)
class Entry:
    """One run in a cell."""

    cell: str
    run_id: str
    reused: bool
    """Whether it was there before the sweep asked for it."""
    status: Status


class Sweeps:
    """Part of `RunStore`. A method that takes a sweep's id raises KeyError where there is no such sweep."""

    def __init__(self, database: Database, *, home: Path, now: Callable[[], float]) -> None:
        self._database = database
        self._home = home
        self._now = now

    def add(self, spec: SweepSpec) -> str:
        """Keep a sweep that has no runs yet, and return its id."""
        sweep_id = secrets.token_hex(8)
        row = {"id": sweep_id, "created_at": self._now(), "body": spec.model_dump_json()}
        with self._database.writing() as connection:
            connection.execute(insert(schema.sweep).values(row))
        return sweep_id

    def get(self, sweep_id: str) -> Sweep:
        with self._database.reading() as connection:
            return _find(connection, sweep_id)

    def newest(self, limit: int = 30) -> list[Sweep]:
        sweeps = schema.sweep.c
        query = select(schema.sweep).order_by(sweeps.created_at.desc(), sweeps.id).limit(limit)
        with self._database.reading() as connection:
            return [Sweep(row.id, row.created_at, _read(row.body)) for row in connection.execute(query)]

    def extend(self, sweep_id: str, spec: SweepSpec) -> None:
        """Let a sweep ask for more; its runs stay."""
        with self._database.writing() as connection:
            _find(connection, sweep_id)
            changed = update(schema.sweep).where(schema.sweep.c.id == sweep_id)
            connection.execute(changed.values(body=spec.model_dump_json()))

    def forget(self, sweep_id: str) -> None:
        """Remove a sweep; its runs stay, as ordinary runs."""
        with self._database.writing() as connection:
            connection.execute(delete(schema.sweep).where(schema.sweep.c.id == sweep_id))

    def enter(self, sweep_id: str, cell: str, job: AuditSpec) -> str:
        """Give a cell a run of this spec, and return its id: one that is there already, or else a new, queued one.

        Raises ValueError, one sentence, where the spec cannot be carried out.
        """
        for objection in job.objections(self._home):
            raise ValueError(f"{objection.field}: {objection.reason}")
        with self._database.writing() as connection:
            _find(connection, sweep_id)
            known = _identical(connection, job)
            run_id = known or add(connection, job, at=self._now())
            here = {"sweep_id": sweep_id, "cell": cell, "run_id": run_id}
            entries = schema.sweep_run.c
            again = (entries.sweep_id == sweep_id) & (entries.cell == cell) & (entries.run_id == run_id)
            if connection.execute(select(entries.run_id).where(again)).first() is None:
                connection.execute(insert(schema.sweep_run).values(**here, reused=known is not None))
        return run_id

    def known(self, jobs: Sequence[AuditSpec]) -> list[str | None]:
        """For each spec, a run of it that need not be repeated."""
        with self._database.reading() as connection:
            return [_identical(connection, job) for job in jobs]

    def entries(self, sweep_id: str) -> list[Entry]:
        """All runs of a sweep, the oldest first."""
        entries, runs = schema.sweep_run.c, schema.run.c
        query = (
            select(entries.cell, entries.run_id, entries.reused, runs.status)
            .join_from(schema.sweep_run, schema.run, entries.run_id == runs.id)
            .where(entries.sweep_id == sweep_id)
            .order_by(*ORDERS["oldest"])
        )
        with self._database.reading() as connection:
            _find(connection, sweep_id)
            return [Entry(row.cell, row.run_id, row.reused, row.status) for row in connection.execute(query)]

    def runs(self, run_ids: Collection[str]) -> list[Run]:
        """Those of these runs that there are, the oldest first."""
        with self._database.reading() as connection:
            return read_all(connection, schema.run.c.id.in_(run_ids), ORDERS["oldest"])

    def endings(self, run_ids: Collection[str]) -> dict[str, Json]:
        """The last event of each of these runs that came to its end."""
        events = schema.event.c
        query = select(events.run_id, events.body).where(events.run_id.in_(run_ids), events.kind == "finished")
        with self._database.reading() as connection:
            return {row.run_id: row.body for row in connection.execute(query)}


def _find(connection: Connection, sweep_id: str) -> Sweep:
    query = select(schema.sweep).where(schema.sweep.c.id == sweep_id)
    row = connection.execute(query).one_or_none() if RUN_ID.fullmatch(sweep_id) else None
    if row is None:
        raise KeyError(sweep_id)
    return Sweep(row.id, row.created_at, _read(row.body))


def _read(body: str) -> SweepSpec | None:
    try:
        return SweepSpec.model_validate_json(body)
    except ValueError:
        return None


def _identical(connection: Connection, job: AuditSpec) -> str | None:
    """A run of exactly this spec, carried out here: best one that is finished, else one that will be."""
    runs, wanted = schema.run.c, columns(job)
    like = [runs[name] == wanted[name] for name in ("kind", "attack", "dataset", "model")]
    query = (
        select(runs.id, runs.status, runs.provenance)
        .join_from(schema.run, schema.spec, runs.id == schema.spec.c.run_id)
        .where(*like, runs.status.in_(WORTH_TAKING), schema.spec.c.body == job.model_dump_json())
        .order_by(*ORDERS["newest"])
    )
    found = [row for row in connection.execute(query) if "imported" not in (row.provenance or {})]
    return min(found, key=lambda row: WORTH_TAKING.index(row.status)).id if found else None
