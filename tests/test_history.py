"""What a run told can be read again, and stays bounded however long it runs."""

from __future__ import annotations

import math
import secrets
from itertools import pairwise
from pathlib import Path

import pytest
from runs import PNG, progress, running
from sqlalchemy import text

from gia_core.spec import AuditSpec, Defense, kinds
from gia_core.storage import history, schema
from gia_core.storage.database import Database
from gia_core.store import Event, Frame, RunStore, Status


def test_a_reader_asks_for_what_came_after_the_last_event_it_saw(store: RunStore, spec: AuditSpec):
    run_id = running(store, spec)
    bodies = [{"kind": "started", "labels": [1]}, progress(1), progress(2)]
    for body in bodies:
        assert store.record(run_id, body)
    told = store.events(run_id)
    assert [event.seq for event in told] == [1, 2, 3]
    assert [event.body for event in told] == bodies
    assert [event.at for event in told] == sorted(event.at for event in told)
    assert store.events(run_id, after=1) == told[1:]
    assert store.events(run_id, after=3) == []


def test_events_of_one_run_are_not_those_of_another(store: RunStore, spec: AuditSpec):
    one, other = running(store, spec), running(store, spec)
    store.record(one, progress(1), frame=(1, PNG), truth=PNG)
    assert store.events(other) == []
    assert store.frames(other) == []
    assert (store.latest_frame(other), store.truth(other)) == (None, None)


def test_what_is_not_a_number_comes_back_as_it_was(store: RunStore, spec: AuditSpec):
    run_id = running(store, spec)
    store.record(run_id, {"kind": "progress", "iteration": 1, "losses": {"total": math.nan, "matching": math.inf}})
    losses = store.events(run_id)[0].body["losses"]
    assert math.isnan(losses["total"])
    assert losses["matching"] == math.inf


def test_progress_and_scores_are_shown_on_the_run(store: RunStore, spec: AuditSpec):
    run_id = running(store, spec)
    store.record(run_id, progress(7))
    assert store.run(run_id).progress == progress(7)
    store.record(run_id, {"kind": "finished", "scores": {"psnr": [20.0]}})
    assert store.run(run_id).progress == progress(7)
    assert store.run(run_id).scores == {"psnr": [20.0]}


def test_frames_are_found_by_their_event_and_the_truth_is_none_of_them(store: RunStore, spec: AuditSpec):
    run_id = running(store, spec)
    store.record(run_id, {"kind": "started"}, truth=b"truth")
    assert (store.frames(run_id), store.latest_frame(run_id)) == ([], None)
    assert store.frame(run_id, 0) is None
    store.record(run_id, progress(10), frame=(10, b"ten"))
    store.record(run_id, progress(20))
    store.record(run_id, progress(30), frame=(30, b"thirty"))
    assert store.truth(run_id) == b"truth"
    assert store.frames(run_id) == [(2, 10), (4, 30)]
    assert store.frame(run_id, 2) == Frame(2, 10, b"ten")
    assert store.frame(run_id, 3) is None
    assert store.latest_frame(run_id) == Frame(4, 30, b"thirty")


def test_thumbnails_are_the_truth_and_the_latest_frame(store: RunStore, spec: AuditSpec):
    seen, begun, waiting = running(store, spec), running(store, spec), store.submit(spec)
    store.record(seen, {"kind": "started"}, truth=b"truth")
    store.record(seen, progress(1), frame=(1, b"early"))
    store.record(seen, progress(2), frame=(2, b"late"))
    store.record(begun, {"kind": "started"}, truth=b"other truth")
    expected = {seen: (b"truth", b"late"), begun: (b"other truth", None), waiting: (None, None)}
    assert store.thumbnails([seen, begun, waiting]) == expected
    assert store.thumbnails([]) == {}


def is_even_but_for_the_last(numbers: list[int]) -> bool:
    gaps = {later - earlier for earlier, later in pairwise(numbers[:-1])}
    return len(gaps) <= 1


def test_frames_stay_bounded_and_evenly_spread(store: RunStore, spec: AuditSpec, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(history, "FRAMES_KEPT", 20)
    run_id = running(store, spec)
    store.record(run_id, {"kind": "started"}, truth=b"truth")
    for iteration in range(200):
        store.record(run_id, progress(iteration), frame=(iteration, PNG))
    kept = [iteration for _, iteration in store.frames(run_id)]
    assert 10 <= len(kept) <= 20
    assert (kept[0], kept[-1]) == (0, 199)
    assert is_even_but_for_the_last(kept)
    assert store.truth(run_id) == b"truth"
    assert {seq for seq, _ in store.frames(run_id)} <= {event.seq for event in store.events(run_id)}


def test_events_stay_bounded_at_every_moment(store: RunStore, spec: AuditSpec, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(history, "EVENTS_KEPT", 20)
    run_id = running(store, spec)
    store.record(run_id, {"kind": "started"})
    for iteration in range(150):
        store.record(run_id, progress(iteration))
        told = store.events(run_id)
        kept = [event.body["iteration"] for event in told[1:]]
        assert len(kept) <= 20
        assert len(kept) >= min(iteration + 1, 10)
        assert (kept[0], kept[-1]) == (0, iteration)
        assert is_even_but_for_the_last(kept)
    store.record(run_id, {"kind": "finished"})
    told = store.events(run_id)
    assert (told[0].body["kind"], told[-2].body["iteration"], told[-1].body["kind"]) == ("started", 149, "finished")


def test_each_kind_of_event_has_its_own_bound(store: RunStore, spec: AuditSpec, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(history, "EVENTS_KEPT", 4)
    run_id = running(store, spec)
    for epoch in range(30):
        store.record(run_id, {"kind": "training", "epoch": epoch})
    for iteration in range(30):
        store.record(run_id, progress(iteration))
    told = store.events(run_id)
    assert [event.body["epoch"] for event in told if event.body["kind"] == "training"] == [0, 16, 29]
    assert [event.body["iteration"] for event in told if event.body["kind"] == "progress"] == [0, 16, 29]
    assert told[-1].seq == 60


def test_a_reader_who_follows_misses_nothing_that_is_kept(
    store: RunStore, spec: AuditSpec, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(history, "EVENTS_KEPT", 10)
    run_id = running(store, spec)
    seen: list[Event] = []
    for iteration in range(100):
        store.record(run_id, progress(iteration))
        if iteration % 7 == 0:
            seen += store.events(run_id, after=seen[-1].seq if seen else 0)
    seen += store.events(run_id, after=seen[-1].seq)
    numbers = [event.seq for event in seen]
    assert numbers == sorted(set(numbers))
    assert set(numbers) >= {event.seq for event in store.events(run_id)}


def test_deleting_a_run_leaves_nothing_of_it(store: RunStore, store_url: str, spec: AuditSpec):
    kept, gone = (
        running(store, spec),
        running(store, spec.model_copy(update={"defenses": (kinds(Defense)["pruning"](),)})),
    )
    for run_id in (kept, gone):
        store.record(run_id, {"kind": "started"}, truth=PNG)
        store.record(run_id, progress(1), frame=(1, PNG))
        store.finish(run_id, Status.FINISHED)
    store.delete(gone)
    database = Database(store_url, busy_timeout=5)
    with database.reading() as connection:
        owners = {
            table.name: set(connection.scalars(text(f"SELECT run_id FROM {table.name}")))
            for table in (schema.spec, schema.defense, schema.event, schema.frame)
        }
    database.close()
    assert owners == {"spec": {kept}, "defense": set(), "event": {kept}, "frame": {kept}}
    assert [run.id for run in store.runs()] == [kept]


def test_a_deleted_picture_does_not_linger_in_the_file(tmp_path: Path, home: Path, spec: AuditSpec):
    store = RunStore(f"sqlite:///{tmp_path / 'gia.db'}", home=home)
    run_id = running(store, spec)
    picture = secrets.token_bytes(20_000)
    store.record(run_id, {"kind": "started"}, truth=picture)
    store.finish(run_id, Status.STOPPED)
    store.delete(run_id)
    store.close()
    assert picture[5000:5100] not in (tmp_path / "gia.db").read_bytes()
