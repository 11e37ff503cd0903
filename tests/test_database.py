"""What goes wrong outside is told in one sentence that helps, and costs nothing that was stored."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from runs import progress, running
from sqlalchemy import Engine, create_engine, event, text

from gia_core.spec import AuditSpec
from gia_core.storage import rows
from gia_core.storage.database import Database
from gia_core.store import Control, RunStore, StoreError


def assert_plain(error: StoreError, tmp_path: Path) -> None:
    sentence = str(error)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert "Error" not in sentence
    assert str(tmp_path) not in sentence
    assert "gia.db" not in sentence


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'gia.db'}"


@contextmanager
def every_connection(pragma: str) -> Iterator[None]:
    """Have SQLite run a pragma on each new connection."""

    def limit(connection: sqlite3.Connection, _: object) -> None:
        connection.execute(f"PRAGMA {pragma}")

    event.listen(Engine, "connect", limit)
    try:
        yield
    finally:
        event.remove(Engine, "connect", limit)


def test_a_file_that_is_no_database_is_called_damaged(tmp_path: Path, home: Path, sqlite_url: str):
    (tmp_path / "gia.db").write_bytes(b"certainly no database" * 1000)
    with pytest.raises(StoreError, match="damaged") as failure:
        RunStore(sqlite_url, home=home)
    assert_plain(failure.value, tmp_path)


def test_a_file_that_rots_later_is_called_damaged(tmp_path: Path, home: Path, sqlite_url: str, spec: AuditSpec):
    store = RunStore(sqlite_url, home=home)
    store.submit(spec)
    store.close()
    file = tmp_path / "gia.db"
    content = bytearray(file.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    file.write_bytes(content)
    with pytest.raises(StoreError, match="damaged") as failure:
        RunStore(sqlite_url, home=home).runs()
    assert_plain(failure.value, tmp_path)


def fill(store: RunStore, run_id: str) -> None:
    for iteration in range(100):
        store.record(run_id, progress(iteration), frame=(iteration, bytes(10_000)))


def test_a_full_disk_is_told_and_loses_nothing(tmp_path: Path, home: Path, sqlite_url: str, spec: AuditSpec):
    store = RunStore(sqlite_url, home=home)
    run_id = running(store, spec)
    store.close()
    with every_connection("max_page_count = 60"), pytest.raises(StoreError, match="full") as failure:
        fill(store, run_id)
    assert_plain(failure.value, tmp_path)
    store.close()
    told = store.events(run_id)
    assert 0 < len(told) < 100
    assert len(told) == len(store.frames(run_id))
    assert store.record(run_id, progress(100))


def test_a_store_that_may_not_be_written_says_so(tmp_path: Path, home: Path, sqlite_url: str, spec: AuditSpec):
    store = RunStore(sqlite_url, home=home)
    run_id = store.submit(spec)
    store.close()
    with every_connection("query_only = ON"):
        assert store.run(run_id).spec == spec
        with pytest.raises(StoreError, match="permissions") as failure:
            store.submit(spec)
    store.close()
    assert_plain(failure.value, tmp_path)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, home: Path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="permissions") as failure:
        RunStore(f"sqlite:///{tmp_path / 'file' / 'gia.db'}", home=home)
    assert_plain(failure.value, tmp_path)


def test_a_folder_in_place_of_the_file_is_told(tmp_path: Path, home: Path, sqlite_url: str):
    (tmp_path / "gia.db").mkdir()
    with pytest.raises(StoreError, match="permissions") as failure:
        RunStore(sqlite_url, home=home)
    assert_plain(failure.value, tmp_path)


LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""


def test_a_file_that_another_process_keeps_locked_is_told(tmp_path: Path, home: Path, sqlite_url: str, spec: AuditSpec):
    store = RunStore(sqlite_url, home=home, busy_timeout=0.05)
    run_id = store.submit(spec)
    command = [sys.executable, "-c", LOCK, str(tmp_path / "gia.db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        for _ in range(20):  # more often than there are connections to lose
            with pytest.raises(StoreError, match="try again") as failure:
                store.submit(spec)
        assert store.run(run_id).spec == spec
    assert_plain(failure.value, tmp_path)
    assert store.submit(spec) != run_id
    store.close()


def test_a_row_that_somebody_keeps_locked_is_told(store_url: str, home: Path, spec: AuditSpec, tmp_path: Path):
    store = RunStore(store_url, home=home, busy_timeout=0.05)
    run_id = store.submit(spec)
    other = Database(store_url, busy_timeout=5)
    with other.writing() as connection:
        rows.change(connection, run_id, {"beat_at": 1.0})
        with pytest.raises(StoreError, match="try again") as failure:
            store.beat(run_id)
    assert_plain(failure.value, tmp_path)
    assert store.beat(run_id) == (Control.RUN, 0)
    store.close()
    other.close()


def test_a_server_that_does_not_answer_is_told_without_its_address(tmp_path: Path, home: Path):
    url = f"postgresql+psycopg://someone:secret@/runs?host={tmp_path}"
    with pytest.raises(StoreError, match="does not answer") as failure:
        RunStore(url, home=home)
    assert_plain(failure.value, tmp_path)
    assert "secret" not in str(failure.value)


def test_a_server_that_dropped_its_connections_is_found_again(postgres_url: str, home: Path, spec: AuditSpec):
    store = RunStore(postgres_url, home=home)
    run_id = store.submit(spec)
    engine = create_engine(postgres_url)
    same_name = "application_name = current_setting('application_name') AND pid <> pg_backend_pid()"
    with engine.begin() as connection:
        dropped = connection.scalars(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {same_name}"))
        assert dropped.all() == [True]
    engine.dispose()
    assert store.run(run_id).spec == spec
    store.close()


@pytest.mark.parametrize("url", ["", "nonsense", "sqlite://", "sqlite:///:memory:", "mysql://root:secret@host/runs"])
def test_an_address_of_no_use_is_refused(home: Path, url: str):
    with pytest.raises(StoreError, match=r"^GIA_STORE_URL must be") as failure:
        RunStore(url, home=home)
    assert "secret" not in str(failure.value)
