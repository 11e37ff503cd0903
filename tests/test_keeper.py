"""When the app starts a runner, and when it leaves that be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gia_core.spec import AuditSpec
from gia_core.store import RunStore
from ui.keeper import RETRY, Keeper


@pytest.fixture
def run_store(home: Path) -> RunStore:
    return RunStore(f"sqlite:///{home / 'gia.db'}", home=home)


@pytest.fixture
def keeper(run_store: RunStore, home: Path, monkeypatch: pytest.MonkeyPatch) -> Keeper:
    """One whose thread does nothing, so that a test can take its turns itself."""
    monkeypatch.setattr(Keeper, "_keep", lambda self: None)
    return Keeper(run_store, log=home / "runner.log")


def test_nobody_needs_a_runner_before_the_first_visit(keeper: Keeper) -> None:
    assert not keeper._runner_is_missing()


def test_the_first_visit_wants_one(keeper: Keeper) -> None:
    keeper.want_runner()
    assert keeper._runner_is_missing()


def test_a_run_that_waits_wants_one(keeper: Keeper, run_store: RunStore) -> None:
    run_store.submit(AuditSpec())
    assert keeper._runner_is_missing()


def test_a_runner_that_beats_is_enough_whoever_started_it(keeper: Keeper, run_store: RunStore) -> None:
    keeper.want_runner()
    run_store.runner_beat("started by hand")
    assert not keeper._runner_is_missing()


def test_a_runner_on_its_way_is_enough(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper.want_runner()
    sleeper = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    monkeypatch.setattr(keeper, "_runner", sleeper)
    assert not keeper._runner_is_missing()
    sleeper.communicate(b"\n")
    assert keeper._runner_is_missing()


def test_a_runner_that_cannot_start_is_not_started_without_end(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    monkeypatch.setattr(keeper, "_started_at", now)
    keeper.want_runner()
    assert not keeper._runner_is_missing()
    now += RETRY + 1
    assert keeper._runner_is_missing()


def test_an_app_that_leaves_is_no_longer_alive(keeper: Keeper, run_store: RunStore) -> None:
    run_store.app_beat(keeper._id)
    assert run_store.apps_alive()
    keeper.leave()
    assert not run_store.apps_alive()
