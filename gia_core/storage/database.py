"""One way to talk to SQLite and PostgreSQL: short transactions, and errors that a person can act on."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, TimeoutError
from sqlalchemy.pool import ConnectionPoolEntry

CONNECT_TIMEOUT = 10
"""Seconds to wait for a database server to answer."""

ADDRESS = "GIA_STORE_URL must be sqlite:///FILE or postgresql+psycopg://USER@HOST/DATABASE."
FULL = "The disk that holds the store is full; free some space and try again."
READ_ONLY = (
    "The store cannot be opened for writing; check the permissions of its folder, or set GIA_STORE_URL to another."
)
BUSY = "The store is held up by another program; try again in a moment."
DAMAGED = "The store's file is damaged; restore a copy, or move it away and a new one is made."
DISK = "The disk that holds the store reports an error; check that it is connected and healthy."
UNREACHABLE = "The store's database server does not answer; check that it runs and that GIA_STORE_URL is right."
UNKNOWN = "The store could not do what was asked of it; `python -m gia_core doctor` tells more."

SQLITE_CAUSES = {
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_READONLY: READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: READ_ONLY,
    sqlite3.SQLITE_PERM: READ_ONLY,
    sqlite3.SQLITE_BUSY: BUSY,
    sqlite3.SQLITE_LOCKED: BUSY,
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: DAMAGED,
    sqlite3.SQLITE_IOERR: DISK,
}
POSTGRES_CAUSES = {
    "25006": READ_ONLY,  # read-only transaction
    "42501": READ_ONLY,  # insufficient privilege
    "40P01": BUSY,  # deadlock
    "53100": FULL,
    "53300": BUSY,  # too many connections
    "55P03": BUSY,  # lock timeout
    "57P01": UNREACHABLE,  # server is shutting down
    "57P02": UNREACHABLE,
    "57P03": UNREACHABLE,
}


class StoreError(Exception):
    """The store cannot be read or written; the message is one sentence fit for a page, without any path."""


class Database:
    """Transactions on the database at ``url``, from any thread; every process opens its own."""

    def __init__(self, url: str, *, busy_timeout: float) -> None:
        """``busy_timeout``: seconds to wait while another process writes. Raises StoreError."""
        with plain_errors():
            self._engine = _open(url, busy_timeout)
        self._writer = self._engine.execution_options(writing=True)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with plain_errors(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Everything in the block happens, or, where it raises, nothing."""
        with plain_errors(), self._writer.begin() as connection:
            yield connection

    def close(self) -> None:
        self._engine.dispose()


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn what a database driver raises into a StoreError."""
    try:
        yield
    except DBAPIError as error:
        raise StoreError(_sentence(error)) from error
    except TimeoutError as error:
        raise StoreError(BUSY) from error


def _sentence(error: DBAPIError) -> str:
    if isinstance(error.orig, sqlite3.Error):
        code = getattr(error.orig, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        return SQLITE_CAUSES.get(code & 0xFF, UNKNOWN)  # the low byte is the cause, the rest its flavor
    state = getattr(error.orig, "sqlstate", None)
    if state is None:  # the driver itself complains, not the server
        return UNREACHABLE if isinstance(error, OperationalError) else UNKNOWN
    return UNREACHABLE if state.startswith("08") else POSTGRES_CAUSES.get(state, UNKNOWN)


def _open(url: str, busy_timeout: float) -> Engine:
    try:
        address = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise StoreError(ADDRESS) from error
    if address.get_backend_name() == "sqlite":
        return _open_sqlite(address, busy_timeout)
    if address.drivername == "postgresql+psycopg":
        return _open_postgres(address, busy_timeout)
    raise StoreError(ADDRESS)


def _open_sqlite(address: URL, busy_timeout: float) -> Engine:
    if address.database in (None, "", ":memory:"):
        raise StoreError(ADDRESS)  # other processes could not see it
    _make_folder(address)
    engine = create_engine(address, hide_parameters=True, connect_args={"timeout": busy_timeout})

    @event.listens_for(engine, "connect")
    def prepare(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # the driver would begin on its own, and too late
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA secure_delete=ON")
        with suppress(sqlite3.OperationalError):  # locked: whoever is in the way opens the new file too, and does it
            connection.execute("PRAGMA journal_mode=WAL")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that reads first and writes later fails at once where another one wrote in between.
        writing = connection.get_execution_options().get("writing", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


def _make_folder(address: URL) -> None:
    try:
        Path(str(address.database)).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(READ_ONLY) from error


def _open_postgres(address: URL, busy_timeout: float) -> Engine:
    engine = create_engine(
        address, hide_parameters=True, pool_pre_ping=True, connect_args={"connect_timeout": CONNECT_TIMEOUT}
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        connection.execute(f"SET lock_timeout = {round(busy_timeout * 1000)}")
        connection.commit()

    return engine
