"""Who is there: apps and runners that beat, and the queued runs that runners hold."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from sqlalchemy import ColumnElement, Connection, Row, Select, delete, func, select, text, update

from . import schema
from .records import Status
from .rows import ORDERS, UNDER_WAY

SILENCE = 10.0
"""Seconds after which an app or a runner that has not beaten is taken for gone."""

Role: TypeAlias = Literal["app", "runner"]

_BEAT = text(
    "INSERT INTO presence (role, id, beat_at) VALUES (:role, :id, :now) "
    "ON CONFLICT (role, id) DO UPDATE SET beat_at = excluded.beat_at"
)


def beat(connection: Connection, role: Role, name: str, *, now: float) -> None:
    connection.execute(_BEAT, {"role": role, "id": name, "now": now})


def forget(connection: Connection, role: Role, name: str) -> None:
    there = schema.presence.c
    connection.execute(delete(schema.presence).where(there.role == role, there.id == name))


def anyone(connection: Connection, role: Role, *, now: float) -> bool:
    return connection.execute(_seen(role, since=now - SILENCE).limit(1)).first() is not None


def holds(connection: Connection, run: Row[Any], *, now: float) -> bool:
    """Whether a live runner has claimed this run."""
    alive = _seen("runner", since=now - SILENCE)
    return connection.execute(alive.where(schema.presence.c.id == run.runner_id)).first() is not None


def take_oldest(connection: Connection, runner_id: str, *, now: float) -> str | None:
    """Put the oldest queued run that no live runner holds into this one's hands; None if there is none."""
    run = schema.run.c
    free = (run.status == Status.QUEUED) & _without_runner(since=now - SILENCE)
    waiting = select(run.id, run.runner_id).where(free).order_by(*ORDERS["oldest"]).limit(1)
    while oldest := connection.execute(waiting).one_or_none():
        # Somebody may have been quicker since: then the row is no longer as it was read.
        unchanged = (run.status == Status.QUEUED) & run.runner_id.is_not_distinct_from(oldest.runner_id)
        taken = update(schema.run).where(run.id == oldest.id, unchanged).values(runner_id=runner_id)
        if connection.execute(taken).rowcount:
            return str(oldest.id)
    return None


def orphaned(*, since: float) -> ColumnElement[bool]:
    """Runs that should be alive, but neither worker nor runner has beaten after ``since``."""
    run = schema.run.c
    claimed = (run.status == Status.QUEUED) & run.runner_id.is_not(None)
    return (
        (run.status.in_(UNDER_WAY) | claimed) & (func.coalesce(run.beat_at, 0) < since) & _without_runner(since=since)
    )


def _without_runner(*, since: float) -> ColumnElement[bool]:
    runner = schema.run.c.runner_id
    return runner.is_(None) | runner.not_in(_seen("runner", since=since))


def _seen(role: Role, *, since: float) -> Select[Any]:
    there = schema.presence.c
    return select(there.id).where(there.role == role, there.beat_at >= since)
