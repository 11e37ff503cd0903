"""What many tests need: a home folder, a small spec, and a store on each kind of database."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import chromium
import pytest
import streamlit as st
from runs import Clock
from sqlalchemy import create_engine, make_url, text

from gia_core.spec import AuditSpec
from gia_core.store import RunStore
from ui.keeper import Keeper

POSTGRES = "GIA_TEST_POSTGRES_URL"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if chromium.installed() is None:
        terminalreporter.section("THE BROWSER TESTS WERE SKIPPED", sep="*", red=True, bold=True)
        terminalreporter.line(f"{chromium.MISSING} Install one, then run: make test")


@pytest.fixture(autouse=True)
def the_same_main(monkeypatch: pytest.MonkeyPatch) -> None:
    """``AppTest`` leaves the app as ``__main__``, which a process spawned by a later test would run again."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The folder for data sets and weights; empty, so only what comes with the packages is there."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """What ``AppTest`` finds: a home of its own, and a keeper that starts nothing."""
    monkeypatch.setenv("GIA_HOME", str(tmp_path))
    monkeypatch.delenv("GIA_STORE_URL", raising=False)
    monkeypatch.setattr(Keeper, "_keep", lambda self: None)
    st.cache_resource.clear()
    yield tmp_path
    st.cache_resource.clear()


@pytest.fixture
def spec() -> AuditSpec:
    """Small, and valid in an empty home."""
    return AuditSpec()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """A schema of its own on the server of the environment; skipped where there is none, but not in CI."""
    server = os.environ.get(POSTGRES)
    if not server:
        missing = f"{POSTGRES} is not set; tests/postgres.sh starts a server"
        pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)
    name = f"test_{secrets.token_hex(8)}"
    engine = create_engine(server)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {name}"))
    url = make_url(server).update_query_dict({"options": f"-csearch_path={name}", "application_name": name})
    yield url.render_as_string(hide_password=False)
    with engine.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {name} CASCADE"))
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a store that does not exist yet, gone after the test."""
    return f"sqlite:///{tmp_path / 'gia.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")


@pytest.fixture
def open_store(store_url: str, home: Path, clock: Clock) -> Iterator[Callable[[], RunStore]]:
    """Opens the same store once more, as another process would."""
    stores = []

    def opened() -> RunStore:
        stores.append(RunStore(store_url, home=home, busy_timeout=5.0, clock=clock))
        return stores[-1]

    yield opened
    for store in stores:
        store.close()


@pytest.fixture
def store(open_store: Callable[[], RunStore]) -> RunStore:
    return open_store()
