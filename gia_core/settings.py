"""Where this installation keeps things: the only module that reads the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    home: Path
    """Folder for the store, data sets and weights (``GIA_HOME``, default ``var`` in the working directory)."""
    store_url: str
    """SQLAlchemy address of the store (``GIA_STORE_URL``, default a SQLite file in ``home``)."""
    ray_address: str | None
    """A Ray cluster to run on (``RAY_ADDRESS``); None starts a local one."""
    cpus_per_run: int
    """CPU cores one run takes where there is no GPU (``GIA_CPUS_PER_RUN``, default 2, at most what there is)."""

    @classmethod
    def from_environment(cls) -> Settings:
        """Read the variables named above. Raises ValueError where one is not what it should be."""
        home = Path(os.environ.get("GIA_HOME", "var")).resolve()
        cpus = os.environ.get("GIA_CPUS_PER_RUN", "2")
        if not cpus.isdecimal() or int(cpus) < 1:
            raise ValueError(f"GIA_CPUS_PER_RUN is {cpus!r}; it must be a whole number of at least 1.")
        return cls(
            home=home,
            store_url=os.environ.get("GIA_STORE_URL") or f"sqlite:///{home / 'gia.db'}",
            ray_address=os.environ.get("RAY_ADDRESS") or None,
            cpus_per_run=min(int(cpus), os.cpu_count() or 1),
        )
