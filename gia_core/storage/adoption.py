"""A run that another store kept, written as it was left there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, insert

from ..jobs import Job
from . import history, schema
from .records import Event, Frame, Json, Status
from .rows import add, change


@dataclass(frozen=True)
class Left:
    """What a run that is over left behind, beside its job. Times are seconds since the epoch."""

    status: Status
    started_at: float | None
    finished_at: float | None
    error: str | None
    provenance: Json
    events: Sequence[Event]
    """With rising ``seq``."""
    frames: Sequence[Frame]
    """Each with the ``seq`` of one of the events."""
    truth: bytes | None


def adopt(connection: Connection, job: Job, left: Left, *, at: float, run_id: str | None = None) -> str:
    """Write a run and return its new id; in one transaction, so that no runner ever sees it queued."""
    run_id = add(connection, job, at=at, run_id=run_id)
    seen: Counter[str] = Counter()
    for event in left.events:
        kind = event.body["kind"]
        row = {"run_id": run_id, "seq": event.seq, "kind": kind, "number": seen[kind], "at": event.at}
        connection.execute(insert(schema.event).values(**row, body=event.body))
        seen[kind] += 1
    for frame in left.frames:
        history.append_frame(connection, run_id, frame)
    if left.truth is not None:
        history.write_truth(connection, run_id, left.truth)
    told = {name: value for event in left.events for name, value in history.summary(event.body).items()}
    ended = {"status": left.status, "started_at": left.started_at, "finished_at": left.finished_at}
    change(connection, run_id, {**told, **ended, "error": left.error, "provenance": left.provenance})
    return run_id
