"""Reports, bundles and their import on the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from seeded import seed_run
from typer.testing import CliRunner

from gia_core.__main__ import app
from gia_core.spec import AuditSpec
from gia_core.store import RunStore


@pytest.fixture
def store(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunStore]:
    """The one that the commands find."""
    monkeypatch.setenv("GIA_HOME", str(home))
    monkeypatch.delenv("GIA_STORE_URL", raising=False)
    opened = RunStore(f"sqlite:///{home / 'gia.db'}", home=home)
    yield opened
    opened.close()


def test_one_file_compares_several_runs(store: RunStore, tmp_path: Path) -> None:
    runs, file = [seed_run(store), seed_run(store, AuditSpec(seed=1))], tmp_path / "report.html"
    done = CliRunner().invoke(app, ["report", *runs, "--html", str(file), "--pictures", "blur"])
    assert done.exit_code == 0, done.output
    assert "handle it as the original data" in done.output
    assert all(run_id in file.read_text() for run_id in runs)


def test_several_runs_need_the_page(store: RunStore) -> None:
    done = CliRunner().invoke(app, ["report", seed_run(store), seed_run(store)])
    assert done.exit_code == 2
    assert "--html" in done.output


def test_a_run_that_is_not_there_has_no_report(store: RunStore, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["report", "0" * 16, "--html", str(tmp_path / "x.html")])
    assert done.exit_code == 2
    assert "There is no run" in done.output
    assert not (tmp_path / "x.html").exists()


def test_a_bundle_goes_round(store: RunStore, tmp_path: Path) -> None:
    run_id, file = seed_run(store), tmp_path / "run.zip"
    assert CliRunner().invoke(app, ["report", run_id, "--out", str(file)]).exit_code == 0
    done = CliRunner().invoke(app, ["import", str(file)])
    assert done.exit_code == 0, done.output
    new_id = done.output.split()[0]
    assert new_id != run_id
    assert store.run(new_id).spec == store.run(run_id).spec


def test_a_bundle_that_is_none_is_refused_in_one_line(store: RunStore, tmp_path: Path) -> None:
    file = tmp_path / "run.zip"
    file.write_bytes(b"no zip")
    done = CliRunner().invoke(app, ["import", str(file)])
    assert done.exit_code == 2
    assert done.output.count("\n") == 1
    assert str(tmp_path) not in done.output
    assert CliRunner().invoke(app, ["import", str(tmp_path / "gone.zip")]).exit_code == 2
    assert store.count() == 0
