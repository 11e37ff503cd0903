"""What the store hands out: values as they were when read; read again to see them move."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from ..jobs import Job
from ..spec import AuditSpec

Json: TypeAlias = dict[str, Any]
"""A JSON object whose keys depend on its kind; the worker writes them and the live view reads them."""


class Status(StrEnum):
    """Where a run is between being submitted and being over; the words that the screen shows."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FINISHED = "finished"
    FAILED = "failed"

    @property
    def is_over(self) -> bool:
        """Whether the run will never change again."""
        return self in (Status.STOPPED, Status.FINISHED, Status.FAILED)


class Control(StrEnum):
    """What the user wants of a live run; the worker reads it between iterations."""

    RUN = "run"
    PAUSE = "pause"
    STOP = "stop"


@dataclass(frozen=True)
class Run:
    """One submitted job and what became of it. Times are seconds since the epoch."""

    id: str
    """16 hexadecimal digits, made by the store."""
    job: Job | None
    """None where another version of GIA Lab wrote it and this one cannot read it; ``error`` then says so."""
    status: Status
    control: Control
    steps_granted: int
    """Single iterations asked for while paused and not yet taken."""
    created_at: float
    started_at: float | None
    finished_at: float | None
    beat_at: float | None
    """When the worker last gave a sign of life."""
    progress: Json | None
    """Body of the last progress event."""
    scores: Json | None
    """Of the result, at the end: per-image lists, as ``run --json`` prints them."""
    error: str | None
    """One sentence."""
    provenance: Json | None
    """Versions and device that the run was carried out with."""

    @property
    def is_imported(self) -> bool:
        """Whether it was carried out elsewhere, so that nobody here can vouch for it."""
        return "imported" in (self.provenance or {})

    @property
    def spec(self) -> AuditSpec | None:
        """The job, where it is an audit."""
        return self.job if isinstance(self.job, AuditSpec) else None


@dataclass(frozen=True)
class Event:
    """Something a run told on its way."""

    seq: int
    """Rises along a run, from 1; where events were thinned out, numbers are missing."""
    at: float
    """When it was written, in seconds since the epoch."""
    body: Json
    """``kind`` is training, started, progress or finished."""


@dataclass(frozen=True)
class Frame:
    """The reconstruction as it looked at one event."""

    seq: int
    """Of the event that it belongs to."""
    iteration: int
    png: bytes
    """A sprite: the batch as one grid, laid out like the truth."""
