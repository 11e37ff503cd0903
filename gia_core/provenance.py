"""What a run was carried out with: versions and device, but nothing that names the machine or its user."""

from __future__ import annotations

import functools
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

VERSION = "1.0.0"
"""Of GIA Lab."""

PACKAGES = ("torch", "torchvision", "numpy")
SOURCE = Path(__file__).parent


def provenance(device: str) -> dict[str, str | int | None]:
    """Everything beside the spec that may move a result by a little. ``device``: where torch computes."""
    import torch

    return {
        "gia_core": VERSION,
        "commit": commit(),
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
        "device": device,
        "processor": torch.cuda.get_device_name(device) if device.startswith("cuda") else processor(),
        "threads": torch.get_num_threads(),
    }


@functools.cache
def commit() -> str | None:
    """The git commit that this code is at, with "-dirty" where it was changed since; None where git does not know."""
    try:
        git("ls-files", "--error-unmatch", Path(__file__).name)  # else it lies in somebody else's repository
        return git("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    except (OSError, subprocess.SubprocessError):
        return None


def git(*arguments: str) -> str:
    done = subprocess.run(("git", *arguments), cwd=SOURCE, capture_output=True, text=True, timeout=5, check=True)
    return done.stdout.strip()


@functools.cache
def processor() -> str:
    """Its model where the system tells it, else its kind."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
