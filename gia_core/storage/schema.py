"""The tables of the store, and how a store gets from one version to the next."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, TypeAlias

from sqlalchemy import (
    Boolean,
    Connection,
    Dialect,
    Enum,
    Float,
    Integer,
    LargeBinary,
    Text,
    TypeDecorator,
    column,
    func,
    insert,
    select,
    table,
)

from .database import Database, StoreError
from .records import Control, Status

TOO_NEW = "This store was written by a newer version of GIA Lab; update GIA Lab, or set GIA_STORE_URL to another store."

MIGRATION_LOCK = 0x61A1AB
"""Any number that no other program on the same PostgreSQL server would choose."""

Migration: TypeAlias = Callable[[Connection], None]


class JsonText(TypeDecorator[Any]):
    """JSON as text, so that not-a-number and every character of an error message come back as they went in."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: object, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(value, separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


def _words(kind: type[StrEnum]) -> Enum:
    return Enum(kind, native_enum=False, values_callable=lambda members: [member.value for member in members])


run = table(
    "run",
    column("id", Text),
    column("status", _words(Status)),
    column("control", _words(Control)),
    column("steps_granted", Integer),
    column("runner_id", Text),
    column("created_at", Float),
    column("started_at", Float),
    column("finished_at", Float),
    column("beat_at", Float),
    column("kind", Text),
    column("attack", Text),
    column("dataset", Text),
    column("model", Text),
    column("psnr", Float),
    column("progress", JsonText),
    column("scores", JsonText),
    column("error", JsonText),
    column("provenance", JsonText),
)
spec = table("spec", column("run_id", Text), column("body", Text))
defense = table("defense", column("run_id", Text), column("name", Text))
event = table(
    "event",
    column("run_id", Text),
    column("seq", Integer),
    column("kind", Text),
    column("number", Integer),
    column("at", Float),
    column("body", JsonText),
)
frame = table(
    "frame",
    column("run_id", Text),
    column("seq", Integer),
    column("number", Integer),
    column("iteration", Integer),
    column("png", LargeBinary),
)
sweep = table("sweep", column("id", Text), column("created_at", Float), column("body", Text))
sweep_run = table(
    "sweep_run", column("sweep_id", Text), column("cell", Text), column("run_id", Text), column("reused", Boolean)
)
presence = table("presence", column("role", Text), column("id", Text), column("beat_at", Float))
version = table("schema_version", column("version", Integer))

# The spec may hold pictures and never changes, but SQLite rewrites a whole row at every heartbeat: hence its own table.
# `number` counts within a run the events of one kind, or the frames; thinning goes by it.
# The truth is the frame with seq 0 and without a number.
VERSION_1 = """
CREATE TABLE run (
    id TEXT PRIMARY KEY,
    status TEXT NOT NULL,
    control TEXT NOT NULL,
    steps_granted INTEGER NOT NULL,
    runner_id TEXT,
    created_at DOUBLE PRECISION NOT NULL,
    started_at DOUBLE PRECISION,
    finished_at DOUBLE PRECISION,
    beat_at DOUBLE PRECISION,
    attack TEXT NOT NULL,
    dataset TEXT NOT NULL,
    model TEXT NOT NULL,
    psnr DOUBLE PRECISION,
    progress TEXT,
    scores TEXT,
    error TEXT,
    provenance TEXT
);
CREATE INDEX run_by_age ON run (created_at, id);
CREATE INDEX run_by_status ON run (status, created_at);
CREATE INDEX run_by_attack ON run (attack, created_at);
CREATE INDEX run_by_dataset ON run (dataset, created_at);
CREATE INDEX run_by_model ON run (model, created_at);
CREATE INDEX run_by_psnr ON run (psnr);
CREATE INDEX run_by_runner ON run (runner_id);
CREATE TABLE spec (
    run_id TEXT PRIMARY KEY REFERENCES run ON DELETE CASCADE,
    body TEXT NOT NULL
);
CREATE TABLE defense (
    run_id TEXT NOT NULL REFERENCES run ON DELETE CASCADE,
    name TEXT NOT NULL,
    PRIMARY KEY (run_id, name)
);
CREATE INDEX defense_by_name ON defense (name, run_id);
CREATE TABLE event (
    run_id TEXT NOT NULL REFERENCES run ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    number INTEGER NOT NULL,
    at DOUBLE PRECISION NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (run_id, seq),
    UNIQUE (run_id, kind, number)
);
CREATE TABLE frame (
    run_id TEXT NOT NULL REFERENCES run ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    number INTEGER,
    iteration INTEGER NOT NULL,
    png {bytes} NOT NULL,
    PRIMARY KEY (run_id, seq),
    UNIQUE (run_id, number)
);
CREATE TABLE presence (
    role TEXT NOT NULL,
    id TEXT NOT NULL,
    beat_at DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (role, id)
)
"""


def create_tables(connection: Connection) -> None:
    script = VERSION_1.format(bytes=LargeBinary().compile(connection.dialect))
    for statement in script.split(";"):
        connection.exec_driver_sql(statement)


def tell_kinds_apart(connection: Connection) -> None:
    """Runs that are no audits came later."""
    connection.exec_driver_sql("ALTER TABLE run ADD COLUMN kind TEXT NOT NULL DEFAULT 'audit'")
    connection.exec_driver_sql("CREATE INDEX run_by_kind ON run (kind, created_at)")


def add_sweeps(connection: Connection) -> None:
    """A sweep asks for runs in its cells; every run stays an ordinary run, and one that is deleted leaves the cell."""
    connection.exec_driver_sql(
        "CREATE TABLE sweep (id TEXT PRIMARY KEY, created_at DOUBLE PRECISION NOT NULL, body TEXT NOT NULL)"
    )
    connection.exec_driver_sql(
        "CREATE TABLE sweep_run (sweep_id TEXT NOT NULL REFERENCES sweep ON DELETE CASCADE, cell TEXT NOT NULL, "
        "run_id TEXT NOT NULL REFERENCES run ON DELETE CASCADE, reused BOOLEAN NOT NULL, "
        "PRIMARY KEY (sweep_id, cell, run_id))"
    )
    connection.exec_driver_sql("CREATE INDEX sweep_run_by_run ON sweep_run (run_id)")


MIGRATIONS: tuple[Migration, ...] = (create_tables, tell_kinds_apart, add_sweeps)
"""Each takes a store from one version to the next. Only ever append: stores out there have seen the others."""


def migrate(database: Database, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Bring the store up to date, whoever else is at it. Raises StoreError where its version is unknown here."""
    with database.writing() as connection:
        _wait_for_turn(connection)
        connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY)")
        reached = connection.scalar(select(func.coalesce(func.max(version.c.version), 0))) or 0
        if reached > len(migrations):
            raise StoreError(TOO_NEW)
        for number, step in enumerate(migrations[reached:], start=reached + 1):
            step(connection)
            connection.execute(insert(version).values(version=number))


def _wait_for_turn(connection: Connection) -> None:
    """On SQLite, to be writing at all is to be alone."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(MIGRATION_LOCK)))
