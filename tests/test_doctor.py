"""The doctor: what it finds, what it calls broken, and what it must not tell."""

from __future__ import annotations

import dataclasses
import platform
from pathlib import Path

import pytest

from gia_core import doctor
from gia_core.datasets.fetch import LPIPS
from gia_core.settings import Settings
from gia_core.store import RunStore, StoreError


@pytest.fixture
def settings(home: Path) -> Settings:
    return Settings(home=home, store_url=f"sqlite:///{home / 'gia.db'}", ray_address=None, cpus_per_run=1)


def checked(settings: Settings, store: RunStore | StoreError | None = None) -> dict[str, doctor.Check]:
    opened = store or RunStore(settings.store_url, home=settings.home)
    return {check.name: check for check in doctor.checkup(settings, opened)}


def test_nothing_essential_is_broken_here(settings: Settings) -> None:
    checks = checked(settings)
    assert [check for check in checks.values() if check.ok is False] == []
    assert platform.python_version() in checks["Python"].finding
    assert "torch 2" in checks["Packages"].finding
    assert checks["Data set photos"].ok


def test_a_store_that_cannot_be_used_is_broken_and_says_why(settings: Settings) -> None:
    check = checked(settings, StoreError("The disk is full."))["Store"]
    assert (check.ok, check.advice) == (False, "The disk is full.")


def test_a_package_that_is_missing_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PACKAGES", ("torch", "no-such-package"))
    check = doctor.check_packages()
    assert check.ok is False
    assert "no-such-package missing" in check.finding


def test_an_old_python_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "OLDEST_PYTHON", (99, 0))
    assert doctor.check_python().ok is False


def test_a_full_disk_is_broken(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LEAST_DISK", 2.0**40)
    assert doctor.check_disk(home).ok is False


def test_a_home_that_is_not_made_yet_has_the_disk_of_its_parent(home: Path) -> None:
    assert doctor.check_disk(home / "not" / "yet").ok


def test_what_is_only_missing_is_not_broken_and_comes_with_advice(settings: Settings) -> None:
    checks = checked(settings)
    for name in ("Runner", "Data set cifar10", "LPIPS"):
        assert checks[name].ok is None
        assert checks[name].advice


def test_the_weights_of_lpips_are_found(home: Path) -> None:
    (home / "weights").mkdir()
    (home / "weights" / LPIPS).touch()
    assert doctor.check_lpips(home).ok


def test_a_live_runner_is_found(settings: Settings) -> None:
    store = RunStore(settings.store_url, home=settings.home)
    store.runner_beat("one")
    assert checked(settings, store)["Runner"].ok


@pytest.mark.parametrize(
    ("script", "ok", "finding"),
    [
        ("echo 'NVIDIA H200, 143771 MiB, 570.1'", True, "NVIDIA H200, 143771 MiB, 570.1"),
        ("exit 9", None, "nvidia-smi does not answer"),
        ("true", None, "none found: runs use the CPU"),
    ],
)
def test_a_gpu_is_what_nvidia_smi_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, ok: bool | None, finding: str
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    check = doctor.check_gpu()
    assert (check.ok, check.finding) == (ok, finding)


def test_no_machine_and_no_folder_is_named(settings: Settings) -> None:
    at_home = dataclasses.replace(settings, ray_address="ray://10.1.2.3:10001")
    told = "\n".join(f"{check.finding}\n{check.advice}" for check in checked(at_home).values())
    for secret in (platform.node(), str(settings.home), str(Path.home()), "10.1.2.3"):
        assert secret not in told
