"""A store is brought up to date once, in order, whatever happens on the way."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import TableClause, create_engine, inspect, text

from gia_core.spec import AuditSpec
from gia_core.storage import schema
from gia_core.storage.database import Database
from gia_core.store import RunStore, StoreError

Open = Callable[[], RunStore]


def versions(url: str) -> list[int]:
    database = Database(url, busy_timeout=5)
    with database.reading() as connection:
        found = list(connection.scalars(text("SELECT version FROM schema_version ORDER BY version")))
    database.close()
    return found


def test_a_new_store_has_seen_every_migration(store: RunStore, store_url: str):
    assert versions(store_url) == list(range(1, len(schema.MIGRATIONS) + 1))


def test_migrations_happen_once_and_in_order(store: RunStore, store_url: str):
    done: list[str] = []
    steps = [lambda _, name=name: done.append(name) for name in ("second", "third", "fourth")]
    database = Database(store_url, busy_timeout=5)
    schema.migrate(database, [*schema.MIGRATIONS, steps[0]])
    schema.migrate(database, [*schema.MIGRATIONS, *steps])
    schema.migrate(database, [*schema.MIGRATIONS, *steps])
    database.close()
    assert done == ["second", "third", "fourth"]


def test_a_migration_that_fails_leaves_the_store_as_it_was(store: RunStore, store_url: str, spec: AuditSpec):
    def add_then_fail(connection):
        connection.execute(text("CREATE TABLE half_done (id INTEGER)"))
        connection.execute(text("INSERT INTO no_such_table VALUES (1)"))

    run_id = store.submit(spec)
    before = versions(store_url)
    database = Database(store_url, busy_timeout=5)
    with pytest.raises(StoreError):
        schema.migrate(database, [*schema.MIGRATIONS, add_then_fail])
    with database.reading() as connection:
        assert not inspect(connection).has_table("half_done")
    database.close()
    assert versions(store_url) == before
    assert store.run(run_id).spec == spec


def test_runs_of_a_first_store_are_audits_now(store_url: str, open_store: Open):
    database = Database(store_url, busy_timeout=5)
    schema.migrate(database, schema.MIGRATIONS[:1])
    run_id = "0123456789abcdef"
    with database.writing() as connection:
        values = "'queued', 'run', 0, 1.0, 'idlg', 'photos', 'lenet'"
        names = "id, status, control, steps_granted, created_at, attack, dataset, model"
        connection.execute(text(f"INSERT INTO run ({names}) VALUES ('{run_id}', {values})"))
        body = AuditSpec().model_dump_json()
        connection.execute(text("INSERT INTO spec VALUES (:id, :body)"), {"id": run_id, "body": body})
    database.close()
    (run,) = open_store().runs(kind="audit")
    assert (run.id, run.spec) == (run_id, AuditSpec())


def test_a_store_of_a_newer_version_is_refused(store: RunStore, store_url: str, open_store: Open):
    database = Database(store_url, busy_timeout=5)
    schema.migrate(database, [*schema.MIGRATIONS, lambda _: None])
    database.close()
    with pytest.raises(StoreError, match=r"^This store was written by a newer version of GIA Lab; update"):
        open_store()


def test_the_tables_have_the_columns_that_queries_name(store: RunStore, store_url: str):
    engine = create_engine(store_url)
    declared = [value for value in vars(schema).values() if isinstance(value, TableClause)]
    assert len(declared) == 9
    for table in declared:
        assert {column["name"] for column in inspect(engine).get_columns(table.name)} == set(table.c.keys())
    engine.dispose()
