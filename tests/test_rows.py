"""Runs are found again, also among ten thousand."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from runs import OVER, make_unreadable, progress, running
from sqlalchemy import insert

from gia_core.spec import Attack, AuditSpec, Dataset, Defense, Model, kinds
from gia_core.storage import rows, schema
from gia_core.storage.database import Database
from gia_core.store import RunStore, Status

ATTACKS = [kinds(Attack)[name]() for name in ("dlg", "idlg")]
DATASETS = [kinds(Dataset)[name]() for name in ("photos", "digits")]
MODELS = [kinds(Model)[name]() for name in ("lenet", "mlp")]
NOISE, PRUNING = (kinds(Defense)[name]() for name in ("gaussian-noise", "pruning"))
DEFENSES = [(), (NOISE,), (PRUNING, NOISE), (PRUNING, PRUNING)]


def seed(url: str, amount: int) -> list[dict]:
    """Fill the store with runs of all kinds; what was written, oldest first."""
    draw = random.Random(0)
    written = []
    for number in range(amount):
        choice = {
            "dataset": draw.choice(DATASETS),
            "model": draw.choice(MODELS),
            "attack": draw.choice(ATTACKS),
            "defenses": draw.choice(DEFENSES),
        }
        written.append(
            {
                "id": f"{number:016x}",
                "spec": AuditSpec().model_copy(update=choice),
                "status": draw.choice(list(Status)),
                "created_at": float(number),
                "psnr": draw.choice([None, draw.uniform(5, 40), math.inf]),
            }
        )
    insert_all(url, written)
    return written


def insert_all(url: str, written: list[dict]) -> None:
    as_rows = [
        {**rows.columns(run["spec"]), **{key: value for key, value in run.items() if key != "spec"}} for run in written
    ]
    specs = [{"run_id": run["id"], "body": run["spec"].model_dump_json()} for run in written]
    defenses = [
        {"run_id": run["id"], "name": name} for run in written for name in {each.name for each in run["spec"].defenses}
    ]
    database = Database(url, busy_timeout=5)
    with database.writing() as connection:
        connection.execute(insert(schema.run), as_rows)
        connection.execute(insert(schema.spec), specs)
        connection.execute(insert(schema.defense), defenses)
    database.close()


def test_ten_thousand_runs_are_filtered_sorted_and_paged_as_a_list_would_be(store: RunStore, store_url: str):
    newest = seed(store_url, 10_000)[::-1]
    by_place = [Status.RUNNING, Status.PAUSED, Status.STOPPING, Status.QUEUED, Status.FINISHED, Status.STOPPED]
    by_place.append(Status.FAILED)
    sorted_runs = {
        "newest": newest,
        "oldest": newest[::-1],
        "psnr": sorted(newest, key=lambda run: -math.inf if run["psnr"] is None else run["psnr"], reverse=True),
        "status": sorted(newest, key=lambda run: by_place.index(run["status"])),
    }
    tests: list[tuple[dict, Callable[[dict], bool]]] = [
        ({}, lambda run: True),
        ({"attack": "dlg"}, lambda run: run["spec"].attack.name == "dlg"),
        ({"statuses": OVER, "model": "mlp"}, lambda run: run["status"].is_over and run["spec"].model.name == "mlp"),
        ({"dataset": "digits"}, lambda run: run["spec"].dataset.name == "digits"),
        ({"defense": "pruning"}, lambda run: PRUNING in run["spec"].defenses),
        (
            {"defense": "none", "statuses": [Status.FAILED]},
            lambda run: run["status"] == "failed" and not run["spec"].defenses,
        ),
        ({"attack": "no-such-attack"}, lambda run: False),
    ]
    for filters, matches in tests:
        for sort, everything in sorted_runs.items():
            expected = [run["id"] for run in everything if matches(run)]
            assert store.count(**filters) == len(expected)
            assert [run.id for run in store.runs(sort=sort, **filters)] == expected[:50]
            assert [run.id for run in store.runs(sort=sort, limit=20, offset=300, **filters)] == expected[300:320]


def test_runs_come_with_their_specs(store: RunStore, store_url: str):
    written = seed(store_url, 30)
    assert [run.spec for run in store.runs(sort="oldest")] == [run["spec"] for run in written]


def test_the_best_run_so_far_is_listed_first_while_others_still_run(store: RunStore, spec: AuditSpec):
    worse, better, blank = (running(store, spec) for _ in range(3))
    store.record(worse, progress(1, psnr=9.0))
    store.record(better, progress(1, psnr=12.0))
    store.record(blank, progress(1, psnr=math.nan))
    assert [run.id for run in store.runs(sort="psnr")] == [better, worse, blank]
    store.record(worse, {"kind": "finished", "scores": {"psnr": [30.0, 10.0]}})
    assert [run.id for run in store.runs(sort="psnr")] == [worse, better, blank]


def test_a_spec_of_another_version_can_be_listed_stopped_and_deleted(store: RunStore, store_url: str, spec: AuditSpec):
    readable, unreadable = store.submit(spec), store.submit(spec)
    make_unreadable(store_url, unreadable)
    listed = {run.id: run for run in store.runs()}
    assert listed[readable].spec == spec
    assert listed[unreadable].spec is None
    assert "another version" in (listed[unreadable].error or "")
    store.stop(unreadable)
    store.delete(unreadable)
    assert [run.id for run in store.runs()] == [readable]


def test_a_spec_of_another_version_fails_when_claimed_and_holds_nobody_up(
    store: RunStore, store_url: str, spec: AuditSpec
):
    unreadable, readable = store.submit(spec), store.submit(spec)
    make_unreadable(store_url, unreadable)
    claimed = store.claim("runner")
    assert claimed is not None
    assert claimed.id == readable
    assert store.run(unreadable).status is Status.FAILED
    assert "another version" in (store.run(unreadable).error or "")
