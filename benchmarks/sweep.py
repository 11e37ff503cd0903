"""What a sweep costs beside its attacks, and what a second worker brings: `python benchmarks/sweep.py`.

The same 24 short runs, one core each, are carried out by one worker, then by two: a paused run that holds the second
place makes one of two. The clock starts with the first run, since Ray is started once for all runs of an app.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from server import ENDLESS, LEAVE_WITHIN, ROOT, conditions, eventually, table, verdict

from gia_core.attacks import InvertingGradients
from gia_core.datasets import Digits
from gia_core.models import MLP
from gia_core.spec import AuditSpec
from gia_core.store import RunStore, Status
from gia_core.sweep import SweepSpec, key, plan, swept

SEEDS = 6
"""In each of four cells."""
WASTE, SPEEDUP = 0.10, 1.6
PATIENCE = 1200.0
"""Seconds in which a busy machine carries out the whole sweep."""


@dataclass(frozen=True)
class Measured:
    """Seconds of one sweep."""

    wall: float
    """From the start of its first run to the end of its last one."""
    attacks: tuple[float, ...]
    """Of each run, from the first word of its attack to the last."""
    workers: int

    @property
    def waste(self) -> float:
        """Share of the workers' time in which no attack made progress."""
        return 1 - sum(self.attacks) / (self.wall * self.workers)


def sweep(iterations: int) -> SweepSpec:
    setup = AuditSpec(dataset=Digits(size=16), model=MLP(), attack=InvertingGradients(iterations=iterations))
    axes = {"batch_size": (1, 2), "defenses": ("none", "pruning")}
    return swept(setup, axes, images=None, seeds=SEEDS)


@contextmanager
def runner() -> Iterator[RunStore]:
    """A runner that gives each run one core, with a store of its own."""
    others = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "GIA_"))}
    with TemporaryDirectory(prefix="gia-benchmark-") as folder:
        home = Path(folder)
        store = RunStore(f"sqlite:///{home / 'gia.db'}", home=home)
        with (home / "runner.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "gia_core", "runner"],
                cwd=ROOT,
                env={**others, "GIA_HOME": str(home), "GIA_CPUS_PER_RUN": "1"},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield store
        finally:
            store.close()
            process.send_signal(signal.SIGINT)
            process.wait(LEAVE_WITHIN)


def queue(store: RunStore, spec: SweepSpec) -> list[str]:
    sweep_id = store.sweeps.add(spec)
    return [
        store.sweeps.enter(sweep_id, key(planned.cell), job) for planned in plan(spec, ROOT) for job in planned.specs
    ]


def measure(spec: SweepSpec, *, workers: int) -> Measured:
    with runner() as store, occupied(store, places=(os.cpu_count() or 1) - workers):
        run_ids = queue(store, spec)
        eventually(lambda: all(run.status.is_over for run in store.sweeps.runs(run_ids)), within=PATIENCE, every=0.2)
        runs = store.sweeps.runs(run_ids)
        assert {run.status for run in runs} == {Status.FINISHED}, [run.error for run in runs]
        first, last = min(run.started_at or 0 for run in runs), max(run.finished_at or 0 for run in runs)
        return Measured(last - first, tuple(attacked(store, run_id) for run_id in run_ids), workers)


@contextmanager
def occupied(store: RunStore, *, places: int) -> Iterator[None]:
    """Let paused runs hold so many of the places; a worker is warm then, whatever their number."""
    holding = [store.submit(ENDLESS.model_copy(update={"seed": seed})) for seed in range(places)]
    eventually(lambda: all(store.run(run_id).status is Status.RUNNING for run_id in holding))
    for run_id in holding:
        store.pause(run_id)
    eventually(lambda: all(store.run(run_id).status is Status.PAUSED for run_id in holding))
    yield
    for run_id in holding:
        store.stop(run_id)
    eventually(lambda: all(store.run(run_id).status.is_over for run_id in holding))


def attacked(store: RunStore, run_id: str) -> float:
    """Seconds from the event that an attack began to the one that it ended."""
    told = {event.body["kind"]: event.at for event in store.events(run_id)}
    return told["finished"] - told["started"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--iterations", type=int, default=3000, help="of each run")
    spec = sweep(parser.parse_args().iterations)
    with conditions():
        one, two = measure(spec, workers=1), measure(spec, workers=2)
        rows = [
            [
                str(each.workers),
                str(len(each.attacks)),
                f"{statistics.median(each.attacks):.1f}",
                f"{each.wall:.1f}",
                f"{each.waste:.1%}",
                f"< {WASTE:.0%}",
                verdict(each.waste, WASTE),
            ]
            for each in (one, two)
        ]
        table(["workers", "runs", "one attack, s", "sweep, s", "outside attacks", "target", ""], rows)
        gain = one.wall / two.wall
        print(f"\nTwo workers are {gain:.2f} times as fast as one; target {SPEEDUP}: {verdict(SPEEDUP, gain)}.")


if __name__ == "__main__":
    main()
