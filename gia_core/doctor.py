"""What an installation has and lacks, in sentences to copy into a question: no host name, no path of the machine."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .datasets import Dataset
from .datasets.fetch import LPIPS
from .datasets.source import Source
from .settings import Settings
from .spec import kinds
from .store import RunStore, StoreError

OLDEST_PYTHON = (3, 11)
PACKAGES = ("streamlit", "plotly", "torch", "torchvision", "torchmetrics", "pydantic", "ray", "sqlalchemy", "psycopg")
GIB = 2**30
LEAST_DISK = 1.0
"""GiB free below which the store may fill the disk during a run."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool | None
    """False: something essential is broken. None: something is missing that not everybody needs."""
    finding: str
    advice: str | None = None
    """What to do about it."""


def checkup(settings: Settings, store: RunStore | StoreError) -> list[Check]:
    """Look at everything once; takes a second at most where there is a GPU.

    ``store`` may be the reason why it could not be opened.
    """
    return [
        check_python(),
        check_packages(),
        check_processor(),
        check_gpu(),
        check_disk(settings.home),
        check_store(settings, store),
        check_runner(store),
        check_ray(settings),
        *(check_dataset(name, settings.home) for name in ready_made()),
        check_lpips(settings.home),
    ]


def check_python() -> Check:
    finding = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info >= OLDEST_PYTHON:
        return Check("Python", True, finding)
    return Check("Python", False, finding, "Install Python 3.11 or newer, then run: make setup PYTHON=python3.12")


def check_packages() -> Check:
    versions = {name: installed(name) for name in PACKAGES}
    missing = [name for name, number in versions.items() if number is None]
    finding = ", ".join(f"{name} {number or 'missing'}" for name, number in versions.items())
    return Check("Packages", not missing, finding, "Run: make setup" if missing else None)


def installed(package: str) -> str | None:
    """Its version; None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def check_processor() -> Check:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    return Check("Processor", True, f"{os.cpu_count() or 1} cores, {memory:.1f} GiB of memory")


def check_gpu() -> Check:
    none = Check("GPU", None, "none found: runs use the CPU", "Attacks on large models or batches need an NVIDIA GPU.")
    query = ["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    program = shutil.which("nvidia-smi")
    if program is None:
        return none
    try:
        answer = subprocess.run([program, *query], capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return Check("GPU", None, "nvidia-smi does not answer", "Check the NVIDIA driver; until then runs use the CPU.")
    return Check("GPU", True, "; ".join(answer.strip().splitlines())) if answer.strip() else none


def check_disk(home: Path) -> Check:
    """Free space where ``home`` is, or will be made."""
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(existing).free / GIB
    finding = f"{free:.1f} GiB free for runs, data sets and weights"
    if free >= LEAST_DISK:
        return Check("Disk", True, finding)
    return Check("Disk", False, finding, "Free some space, or set GIA_HOME to a folder on another disk.")


def check_store(settings: Settings, store: RunStore | StoreError) -> Check:
    kind = "SQLite file" if settings.store_url.startswith("sqlite") else "PostgreSQL server"
    try:
        runs = opened(store).count()
    except StoreError as error:
        return Check("Store", False, f"{kind}, not usable", str(error))
    return Check("Store", True, f"{kind} with {runs} {'run' if runs == 1 else 'runs'}")


def check_runner(store: RunStore | StoreError) -> Check:
    try:
        alive = opened(store).runner_alive()
    except StoreError:
        return Check("Runner", None, "unknown, since the store cannot be read")
    if alive:
        return Check("Runner", True, "alive")
    advice = "The dashboard starts one when it needs it; to start one by hand: python -m gia_core runner"
    return Check("Runner", None, "none is running", advice)


def opened(store: RunStore | StoreError) -> RunStore:
    if isinstance(store, StoreError):
        raise store
    return store


def check_ray(settings: Settings) -> Check:
    where = "started on this machine" if settings.ray_address is None else "the cluster that RAY_ADDRESS names"
    number = installed("ray")
    return Check("Ray", number is not None, f"{number or 'missing'}, {where}", None if number else "Run: make setup")


def ready_made() -> list[str]:
    """Names of the data sets that are the same for everybody; the others are pictures that the user brings."""
    return [
        name for name, kind in kinds(Dataset).items() if not any(f.is_required() for f in kind.model_fields.values())
    ]


def check_dataset(name: str, home: Path) -> Check:
    """Whether the data set can be used as it comes, in the data folder."""
    source = kinds(Dataset)[name]()
    assert isinstance(source, Source)
    if lack := source.absent(home):
        return Check(f"Data set {name}", None, "absent", lack)
    return Check(f"Data set {name}", True, f"{source.victim_count(home):,} images to attack")


def check_lpips(home: Path) -> Check:
    if (home / "weights" / LPIPS).exists():
        return Check("LPIPS", True, "weights present")
    advice = "To measure perceptual distance as well, run `python -m gia_core fetch lpips` once."
    return Check("LPIPS", None, "weights absent: this score is left out", advice)
