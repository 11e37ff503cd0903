from __future__ import annotations

import getpass
import json
import platform
import re
import subprocess
from pathlib import Path

import pytest

from gia_core import provenance


def committed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str | None:
    """What the code would say of its commit if it lay in ``folder``."""
    monkeypatch.setattr(provenance, "SOURCE", folder)
    return provenance.commit.__wrapped__()


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run(("git", *identity, *arguments), cwd=folder, check=True, capture_output=True)


def test_neither_the_machine_nor_its_user_is_named():
    told = json.dumps(provenance.provenance("cpu"))
    assert platform.node() not in told
    assert getpass.getuser() not in told.split()
    assert str(Path.cwd()) not in told
    assert str(Path.home()) not in told


def test_code_outside_of_a_repository_has_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert committed(tmp_path, monkeypatch) is None


def test_code_that_lies_in_a_repository_of_something_else_has_no_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    git(tmp_path, "init")
    git(tmp_path, "commit", "--allow-empty", "-m", "something else")
    assert committed(tmp_path, monkeypatch) is None


def test_the_commit_is_told_with_whether_the_code_was_changed_since(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "provenance.py").write_text("as committed")
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    clean = committed(tmp_path, monkeypatch)
    assert re.fullmatch("[0-9a-f]{40}", clean)
    (tmp_path / "provenance.py").write_text("changed")
    assert committed(tmp_path, monkeypatch) == f"{clean}-dirty"
