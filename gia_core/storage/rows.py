"""Between runs and their rows: what can be searched for, and how one becomes the other."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection
from typing import Any, Literal, TypeAlias, TypedDict

from sqlalchemy import ColumnElement, Connection, Row, Select, case, insert, select, update

from ..jobs import Job, kind_of
from ..jobs import read as read_job
from . import schema
from .records import Control, Json, Run, Status

RUN_ID = re.compile("[0-9a-f]{16}")
UNREADABLE = "This run was made by another version of GIA Lab, and this one cannot read its setup."

UNDER_WAY = (Status.RUNNING, Status.PAUSED, Status.STOPPING)
BY_INTEREST = (*UNDER_WAY, Status.QUEUED, Status.FINISHED, Status.STOPPED, Status.FAILED)

Sort: TypeAlias = Literal["newest", "oldest", "psnr", "status"]
"""``psnr``: highest mean over the batch first; ``status``: under way, then queued, then over."""
Order: TypeAlias = tuple[ColumnElement[Any], ...]

_run = schema.run.c
_WITH_SPEC = select(schema.run, schema.spec.c.body).join_from(schema.run, schema.spec, _run.id == schema.spec.c.run_id)
_NEWEST = (_run.created_at.desc(), _run.id)
_PLACE = case({status: place for place, status in enumerate(BY_INTEREST)}, value=_run.status)
ORDERS: dict[Sort, Order] = {
    "newest": _NEWEST,
    "oldest": (_run.created_at, _run.id),
    "psnr": (_run.psnr.desc().nulls_last(), *_NEWEST),
    "status": (_PLACE, *_NEWEST),
}


class Filters(TypedDict, total=False):
    """What a run must match to be listed; what is absent or empty lets everything through."""

    statuses: Collection[Status]
    kind: str
    """As in ``jobs.KINDS``."""
    attack: str
    """Name of the attack, as in its catalog; so the next ones."""
    dataset: str
    model: str
    defense: str
    """Name of one of its defenses, or ``none`` for a run without any."""


PARTS = ("attack", "dataset", "model")
"""What a run can be searched for by the name of its choice; empty where its kind has no such part."""
SEARCHED = ("kind", *PARTS)


def conditions(filters: Filters) -> list[ColumnElement[bool]]:
    found = [_run[name] == value for name, value in filters.items() if name in SEARCHED and value]
    if statuses := filters.get("statuses"):
        found.append(_run.status.in_(statuses))
    if defense := filters.get("defense"):
        found.append(_defended_by(defense))
    return found


def _defended_by(name: str) -> ColumnElement[bool]:
    defended = select(schema.defense.c.run_id)
    if name == "none":
        return _run.id.not_in(defended)
    return _run.id.in_(defended.where(schema.defense.c.name == name))


def columns(job: Job) -> Json:
    """What of a job can be searched for, and how a run begins."""
    return {
        "kind": kind_of(job),
        **{part: getattr(getattr(job, part, None), "name", "") for part in PARTS},
        "status": Status.QUEUED,
        "control": Control.RUN,
        "steps_granted": 0,
    }


def add(connection: Connection, job: Job, *, at: float, run_id: str | None = None) -> str:
    """Queue a run and return its id, a new one where none is given."""
    run_id = run_id or secrets.token_hex(8)
    connection.execute(insert(schema.run).values(id=run_id, created_at=at, **columns(job)))
    connection.execute(insert(schema.spec).values(run_id=run_id, body=job.model_dump_json()))
    for name in {defense.name for defense in getattr(job, "defenses", ())}:
        connection.execute(insert(schema.defense).values(run_id=run_id, name=name))
    return run_id


def find(connection: Connection, query: Select[Any], run_id: str) -> Row[Any]:
    """The one row of ``query`` that is about this run. Raises KeyError where there is none."""
    if not RUN_ID.fullmatch(run_id):
        raise KeyError(run_id)  # some strings PostgreSQL would not even look for
    row = connection.execute(query.where(_run.id == run_id)).one_or_none()
    if row is None:
        raise KeyError(run_id)
    return row


def read(connection: Connection, run_id: str) -> Run:
    return _to_run(find(connection, _WITH_SPEC, run_id))


def read_all(connection: Connection, which: ColumnElement[bool], order: Order) -> list[Run]:
    return [_to_run(row) for row in connection.execute(_WITH_SPEC.where(which).order_by(*order))]


def change(connection: Connection, run_id: str, values: Json) -> None:
    connection.execute(update(schema.run).where(_run.id == run_id).values(values))


def _to_run(row: Row[Any]) -> Run:
    """A row that this version cannot read is still a run, to be listed and deleted."""
    try:
        job, error = read_job(row.body), row.error
    except ValueError:
        job, error = None, row.error or UNREADABLE
    return Run(
        id=row.id,
        job=job,
        status=row.status,
        control=row.control,
        steps_granted=row.steps_granted,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        beat_at=row.beat_at,
        progress=row.progress,
        scores=row.scores,
        error=error,
        provenance=row.provenance,
    )
