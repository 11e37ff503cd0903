"""How long the list of all runs takes when there are 10,000: `python benchmarks/listing.py`.

Every sort and filter is asked of the store, on SQLite and, where GIA_TEST_POSTGRES_URL names a server, on PostgreSQL.
Then the page of runs is opened in a browser, beside one that has a single page of runs to show.
"""

from __future__ import annotations

import argparse
import os
import random
import secrets
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

from PIL import Image
from server import chromium, conditions, dashboard, new_page, seconds_until, table, verdict
from sqlalchemy import create_engine, insert, make_url, text

from gia_core.attacks import Attack
from gia_core.datasets import Digits, Faces, Photos
from gia_core.defenses import Defense
from gia_core.models import MLP, ConvNet, LeNet
from gia_core.spec import AuditSpec, kinds
from gia_core.storage import schema
from gia_core.storage.database import Database
from gia_core.storage.rows import Filters, columns
from gia_core.store import RunStore, Sort, Status

TARGET_MS = 300.0
FEW = 12
"""Runs that the page shows at once."""
SORTS: tuple[Sort, ...] = get_args(Sort)
FILTERS: dict[str, Filters] = {
    "all": {},
    "finished": {"statuses": (Status.FINISHED,)},
    "failed or stopped": {"statuses": (Status.FAILED, Status.STOPPED)},
    "under way": {"statuses": (Status.QUEUED, Status.RUNNING, Status.PAUSED, Status.STOPPING)},
    "one attack": {"attack": "idlg"},
    "one dataset": {"dataset": "digits"},
    "one model": {"model": "convnet"},
    "one defense": {"defense": "pruning"},
    "no defense": {"defense": "none"},
    "all of these": {
        "statuses": (Status.FINISHED,),
        "attack": "idlg",
        "dataset": "photos",
        "model": "lenet",
        "defense": "pruning",
    },
}
ROW = "[class*='st-key-run-']"


def fill(url: str, home: Path, *, count: int) -> None:
    """Write runs that are over, with their first and last picture, as they would have been recorded."""
    RunStore(url, home=home).close()  # makes the tables
    rng = random.Random(0)
    runs = [a_run(rng, age=count - i) for i in range(count)]
    database = Database(url, busy_timeout=60)
    with database.writing() as connection:
        for place in (schema.run, schema.spec, schema.defense, schema.event, schema.frame):
            connection.execute(insert(place), [row for run in runs for row in run[place.name]])
    database.close()


def a_run(rng: random.Random, *, age: int) -> dict[str, list[dict[str, Any]]]:
    """The rows of one run, by table."""
    spec, run_id = a_spec(rng), f"{rng.getrandbits(64):016x}"
    created = time.time() - 60.0 * age
    status = rng.choices([Status.FINISHED, Status.STOPPED, Status.FAILED], [7, 2, 1])[0]
    events = the_events(rng, spec) if status is not Status.FAILED else []
    psnr = statistics.fmean(events[-1]["scores"]["psnr"]) if events else None
    run = {
        **columns(spec),
        **{"id": run_id, "status": status, "created_at": created, "started_at": created + 1, "psnr": psnr},
        **{"finished_at": created + 50, "beat_at": created + 50, "runner_id": "0" * 16},
        **{"progress": events[1] if events else None, "scores": events[-1]["scores"] if events else None},
        **{"error": None if events else "The attack found no image.", "provenance": {"torch": "2", "commit": "0" * 40}},
    }
    numbered = [
        {"run_id": run_id, "seq": i, "kind": body["kind"], "number": 0, "at": created + i, "body": body}
        for i, body in enumerate(events, start=1)
    ]
    frames = [
        {"run_id": run_id, "seq": seq, "number": number, "iteration": 300 * seq, "png": PICTURE}
        for seq, number in ((0, None), (len(events), 0))
        if events
    ]
    defenses = [{"run_id": run_id, "name": defense.name} for defense in spec.defenses]
    body = {"run_id": run_id, "body": spec.model_dump_json()}
    return {"run": [run], "spec": [body], "defense": defenses, "event": numbered, "frame": frames}


def a_spec(rng: random.Random) -> AuditSpec:
    defense = rng.choice([None, None, *kinds(Defense).values()])
    return AuditSpec(
        dataset=rng.choice([Photos(), Digits(), Faces()]),
        model=rng.choice([LeNet(), ConvNet(), MLP()]),
        attack=rng.choice(list(kinds(Attack).values()))(),
        defenses=() if defense is None else (defense(),),
        batch_size=rng.choice([1, 4, 16]),
        seed=rng.randrange(1000),
    )


def the_events(rng: random.Random, spec: AuditSpec) -> list[dict[str, Any]]:
    each = range(spec.batch_size)
    scores = {
        "psnr": [rng.gauss(15, 6) for _ in each],
        "ssim": [rng.random() for _ in each],
        "mse": [rng.random() for _ in each],
        "lpips": None,
        "label_accuracy": 1.0,
    }
    at = {"iteration": 300, "iterations": 300, "labels": [0 for _ in each], "scores": scores}
    losses = {"losses": {"total": 0.1, "matching": 0.1}, "best": {"total": 0.1, "matching": 0.1}}
    return [
        {"kind": "started", "label_names": ["cat" for _ in each], "labels": [0 for _ in each], "baselines": {}},
        {"kind": "progress", **at, **losses, "elapsed": 48.0, "rate": 6.0, "dropped": 0},
        {"kind": "finished", **at, "status": "finished", "baselines": {}, "diagnosis": [], "seconds": 48.0},
    ]


def noise() -> bytes:
    """A PNG that does not shrink, of 32 × 32 pixels."""
    png = BytesIO()
    Image.frombytes("RGB", (32, 32), random.Random(0).randbytes(32 * 32 * 3)).save(png, "PNG")
    return png.getvalue()


PICTURE = noise()


@contextmanager
def postgres(server: str) -> Iterator[str]:
    """The address of a schema of its own on ``server``, gone afterwards."""
    name = f"benchmark_{secrets.token_hex(8)}"
    engine = create_engine(server)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {name}"))
    try:
        url = make_url(server).update_query_dict({"options": f"-csearch_path={name}"})
        yield url.render_as_string(hide_password=False)
    finally:
        with engine.begin() as connection:
            connection.execute(text(f"DROP SCHEMA {name} CASCADE"))
        engine.dispose()


def milliseconds(ask: Callable[[], object], repetitions: int) -> float:
    """Median, the first one included: nobody warms up a store before looking into it."""
    times = []
    for _ in range(repetitions):
        begun = time.perf_counter()
        ask()
        times.append(time.perf_counter() - begun)
    return statistics.median(times) * 1000


def ask_store(kind: str, url: str, *, home: Path, repetitions: int) -> None:
    """Print what the first page of every list takes."""
    store = RunStore(url, home=home)
    rows, worst = [], 0.0
    for name, filters in FILTERS.items():
        times = [milliseconds(lambda s=s, f=filters: store.runs(sort=s, **f), repetitions) for s in SORTS]
        counting = milliseconds(lambda f=filters: store.count(**f), repetitions)
        worst = max(worst, *times)
        rows.append([name, f"{store.count(**filters):,}", *(f"{t:.1f}" for t in times), f"{counting:.1f}"])
    total = store.count()
    last = milliseconds(lambda: store.runs(offset=total - 50), repetitions)
    shown = [run.id for run in store.runs(limit=FEW)]
    pictures = milliseconds(lambda: store.thumbnails(shown), repetitions)
    store.close()
    print(f"\n{kind}, {total:,} runs: milliseconds for the first 50 by filter and order, median of {repetitions}\n")
    table(["filter", "matches", *SORTS, "count"], rows)
    print(f"\nlast page {last:.1f} ms, pictures of {FEW} runs {pictures:.1f} ms")
    print(f"slowest first page {worst:.0f} ms, target {TARGET_MS:.0f} ms: {verdict(worst, TARGET_MS)}", flush=True)


def open_page(home: Path, repetitions: int) -> tuple[float, float]:
    """Seconds from navigation to the first row: the first time ever, and the median of later visits."""
    with dashboard(home) as app, chromium() as browser:
        app.await_health()
        times = []
        for _ in range(repetitions + 1):
            with new_page(browser) as page:
                times.append(seconds_until(page, f"{app.url}/runs", ROW))
    return times[0], statistics.median(times[1:])


def look(homes: dict[int, Path], repetitions: int) -> None:
    """Print what the page takes in a browser, with few and with many runs."""
    seen = {count: open_page(home, repetitions) for count, home in homes.items()}
    least = seen[min(seen)][1]
    rows = [[f"{n:,}", f"{first:.2f}", f"{later:.2f}", f"{later / least:.2f}"] for n, (first, later) in seen.items()]
    print(f"\nThe page of runs in a browser: seconds from navigation to the first row, median of {repetitions}\n")
    table(["runs", "first visit to the server", "later visit", "ratio"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--no-browser", action="store_true")
    options = parser.parse_args()
    with conditions(), TemporaryDirectory(prefix="gia-benchmark-") as folder:
        homes = {count: Path(folder) / str(count) for count in (FEW, options.runs)}
        for count, home in homes.items():
            fill(f"sqlite:///{home / 'gia.db'}", home, count=count)
        many = homes[options.runs]
        ask_store("SQLite", f"sqlite:///{many / 'gia.db'}", home=many, repetitions=options.repetitions)
        if server := os.environ.get("GIA_TEST_POSTGRES_URL"):
            with postgres(server) as url:
                fill(url, many, count=options.runs)
                ask_store("PostgreSQL", url, home=many, repetitions=options.repetitions)
        if not options.no_browser:
            look(homes, options.repetitions)


if __name__ == "__main__":
    main()
