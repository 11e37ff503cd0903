"""What a run told on its way, kept to a bounded size: early and late moments alike, evenly spread."""

from __future__ import annotations

from collections.abc import Collection
from math import isnan, nan
from statistics import fmean
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, TableClause, delete, func, insert, select

from . import schema
from .records import Event, Frame, Json

EVENTS_KEPT = 4000
"""Most events of one kind that one run keeps."""
FRAMES_KEPT = 200
"""Most reconstructions that one run keeps, beside the truth."""

TRUTH = 0
"""Where a real frame has its event's ``seq``."""


def append_event(connection: Connection, run_id: str, body: Json, *, at: float) -> int:
    """Write an event behind all others of its run, and return its seq. The caller holds the run's row."""
    events = schema.event.c
    this_kind = (events.run_id == run_id) & (events.kind == body["kind"])
    seq = _next(connection, events.seq, events.run_id == run_id, first=1)
    number = _next(connection, events.number, this_kind, first=0)
    connection.execute(
        insert(schema.event).values(run_id=run_id, seq=seq, kind=body["kind"], number=number, at=at, body=body)
    )
    _thin(connection, schema.event, this_kind, count=number + 1, keep=EVENTS_KEPT)
    return seq


def append_frame(connection: Connection, run_id: str, frame: Frame) -> None:
    frames = schema.frame.c
    number = _next(connection, frames.number, frames.run_id == run_id, first=0)
    connection.execute(
        insert(schema.frame).values(
            run_id=run_id, seq=frame.seq, number=number, iteration=frame.iteration, png=frame.png
        )
    )
    _thin(connection, schema.frame, frames.run_id == run_id, count=number + 1, keep=FRAMES_KEPT)


def write_truth(connection: Connection, run_id: str, png: bytes) -> None:
    frames = schema.frame.c
    connection.execute(delete(schema.frame).where(frames.run_id == run_id, frames.seq == TRUTH))
    connection.execute(insert(schema.frame).values(run_id=run_id, seq=TRUTH, iteration=0, png=png))


def _next(connection: Connection, column: ColumnElement[int], where: ColumnElement[bool], *, first: int) -> int:
    """The last entry is never thinned out, so the highest number in use is the highest ever used."""
    return connection.execute(select(func.coalesce(func.max(column), first - 1) + 1).where(where)).scalar_one()


def _thin(connection: Connection, entries: TableClause, where: ColumnElement[bool], *, count: int, keep: int) -> None:
    """Of ``count`` entries so far, leave the first, the last, and evenly spread ones between: at most ``keep``."""
    step = 1
    while count > step * (keep - 1):
        step *= 2  # what one step leaves out, no later one wants
    if step > 1:
        last = count - 1
        connection.execute(delete(entries).where(where, entries.c.number < last, entries.c.number % step != 0))


def read_events(connection: Connection, run_id: str, *, after: int) -> list[Event]:
    events = schema.event.c
    query = select(events.seq, events.at, events.body).where(events.run_id == run_id, events.seq > after)
    return [Event(row.seq, row.at, row.body) for row in connection.execute(query.order_by(events.seq))]


def read_frames(connection: Connection, run_id: str) -> list[tuple[int, int]]:
    frames = schema.frame.c
    query = select(frames.seq, frames.iteration).where(frames.run_id == run_id, frames.seq > TRUTH)
    return [(row.seq, row.iteration) for row in connection.execute(query.order_by(frames.seq))]


def read_frame(connection: Connection, run_id: str, seq: int) -> Frame | None:
    frames = schema.frame.c
    query = select(schema.frame).where(frames.run_id == run_id, frames.seq == seq, frames.seq > TRUTH)
    return _frame(connection.execute(query).one_or_none())


def read_latest_frame(connection: Connection, run_id: str) -> Frame | None:
    frames = schema.frame.c
    query = select(schema.frame).where(frames.run_id == run_id, frames.seq > TRUTH)
    return _frame(connection.execute(query.order_by(frames.seq.desc()).limit(1)).one_or_none())


def read_truth(connection: Connection, run_id: str) -> bytes | None:
    frames = schema.frame.c
    return connection.scalar(select(frames.png).where(frames.run_id == run_id, frames.seq == TRUTH))


def read_thumbnails(connection: Connection, run_ids: Collection[str]) -> dict[str, tuple[bytes | None, bytes | None]]:
    """Of every run, the truth and the latest frame, where there are any."""
    frames = schema.frame.c
    latest = (
        select(frames.run_id, func.max(frames.seq).label("seq"))
        .where(frames.run_id.in_(run_ids))
        .group_by(frames.run_id)
        .subquery()
    )
    query = (
        select(frames.run_id, frames.seq, frames.png)
        .join_from(schema.frame, latest, frames.run_id == latest.c.run_id)
        .where(frames.seq.in_([TRUTH, latest.c.seq]))
    )
    found = {(row.run_id, row.seq == TRUTH): row.png for row in connection.execute(query)}
    return {run_id: (found.get((run_id, True)), found.get((run_id, False))) for run_id in run_ids}


def summary(body: Json) -> Json:
    """What the run shows of itself once it has told this."""
    match body["kind"]:
        case "progress":
            # The row is written at every beat, and samples are large.
            told = {name: value for name, value in body.items() if name != "samples"}
            return {"progress": told, "psnr": _mean_psnr(body.get("scores"))}
        case "finished":
            return {"scores": body.get("scores"), "psnr": _mean_psnr(body.get("scores"))}
        case _:
            return {}


def _mean_psnr(scores: Json | None) -> float | None:
    """Over the batch, in dB; None where that is no number, as databases disagree on where to sort it."""
    values = (scores or {}).get("psnr") or [None]
    mean = fmean(nan if value is None else value for value in values)
    return None if isnan(mean) else mean


def _frame(row: Row[Any] | None) -> Frame | None:
    return None if row is None else Frame(row.seq, row.iteration, row.png)
