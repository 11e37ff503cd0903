"""What recording an attack and looking on cost it: `python benchmarks/cost.py`.

The same attack goes on in three ways in turn: by itself, as in a notebook; recorded by a worker; and recorded while a
browser shows it. It has one core for itself, and the app, its runner, Ray and the browser have the others: the browser
of somebody who looks on is usually on another machine. Where other programs take time on that core, iterations per
second of processor time tell more than those per second.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from playwright.sync_api import Page
from server import (
    ENDLESS,
    RECONSTRUCTION,
    Dashboard,
    chromium,
    conditions,
    dashboard,
    eventually,
    new_page,
    processor_seconds,
    seconds_until,
    table,
    verdict,
)

from gia_core.store import Json, Status

LOSS = 0.03
SETTLED_S = 2.0
"""Until a page that was just opened or left, or a run that was resumed, goes its steady way."""


@dataclass(frozen=True)
class Rate:
    """Iterations…"""

    per_second: float
    per_processor_second: float


def attack_alone(orders: Connection, home: Path, *, core: int, nice: int) -> None:
    """A process that attacks for as many seconds as it is told, each time, and answers with its Rate."""
    os.sched_setaffinity(0, {core})
    os.nice(nice)
    import torch

    from gia_core.audit import Progress, audit

    torch.set_num_threads(1)
    steps = (event for event in audit(ENDLESS, home=home) if isinstance(event, Progress))
    while seconds := orders.recv():
        begun, used, count = time.monotonic(), time.process_time(), 0
        while time.monotonic() < begun + seconds:
            next(steps)
            count += 1
        orders.send(Rate(count / (time.monotonic() - begun), count / (time.process_time() - used)))


@contextmanager
def alone(home: Path, *, core: int, nice: int) -> Iterator[Connection]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=attack_alone, args=(theirs, home), kwargs={"core": core, "nice": nice}, daemon=True
    )
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        process.kill()
        process.join()


@contextmanager
def confined(cores: set[int]) -> Iterator[None]:
    """This process, and all that it starts meanwhile, stay on ``cores``."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def confine(pid: int, cores: set[int]) -> None:
    """Put every thread of another process on ``cores``."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), cores)


@dataclass(frozen=True, kw_only=True)
class Ways:
    """One recorded run, and the same attack by itself: only one of them runs at a time, on the same core."""

    app: Dashboard
    page: Page
    run_id: str
    worker: int
    """Process that carries out the run."""
    orders: Connection
    """To the attack by itself."""
    seconds: float
    """To measure."""

    def by_itself(self) -> Rate:
        self.app.store.pause(self.run_id)
        self._await(Status.PAUSED)
        self.orders.send(self.seconds)
        rate: Rate = self.orders.recv()
        self.app.store.resume(self.run_id)
        self._await(Status.RUNNING)
        return rate

    def recorded(self) -> Rate:
        self.page.goto("about:blank")
        return self._rate()

    def watched(self) -> Rate:
        seconds_until(self.page, f"{self.app.url}/?run={self.run_id}", RECONSTRUCTION)
        rate = self._rate()
        self.page.goto("about:blank")
        return rate

    def _rate(self) -> Rate:
        """Between two events, by the worker's own clock."""
        self.page.wait_for_timeout(SETTLED_S * 1000)
        seq = self.app.store.events(self.run_id)[-1].seq
        begun, used = time.monotonic(), processor_seconds(self.worker)
        eventually(lambda: span(self._bodies(seq), "elapsed") >= self.seconds, every=0.2)
        busy = (processor_seconds(self.worker) - used) / (time.monotonic() - begun)
        bodies = self._bodies(seq)
        rate = span(bodies, "iteration") / span(bodies, "elapsed")
        return Rate(rate, rate / busy)

    def _bodies(self, seq: int) -> list[Json]:
        return [event.body for event in self.app.store.events(self.run_id, after=seq)]

    def _await(self, status: Status) -> None:
        eventually(lambda: self.app.store.run(self.run_id).status is status)


def span(bodies: Sequence[Json], field: str) -> float:
    """From the first to the last of these events."""
    return bodies[-1][field] - bodies[0][field] if bodies else 0.0


def measure_cost(rounds: int, seconds: float) -> None:
    *others, core = sorted(os.sched_getaffinity(0))
    with (
        confined(set(others)),
        chromium() as browser,
        dashboard(GIA_CPUS_PER_RUN="1", CUDA_VISIBLE_DEVICES="") as app,
        new_page(browser) as page,
    ):
        app.await_health()
        run_id = app.store.submit(ENDLESS)
        seconds_until(page, f"{app.url}/?run={run_id}", RECONSTRUCTION)
        worker = eventually(app.worker)
        confine(worker, {core})
        with alone(app.home, core=core, nice=os.getpriority(os.PRIO_PROCESS, worker)) as orders:
            ways = Ways(app=app, page=page, run_id=run_id, worker=worker, orders=orders, seconds=seconds)
            ways.by_itself()  # warms up
            rates = take_turns(ways, rounds)
    print(f"Inverting Gradients on one photo, LeNet, one thread on core {core}; all else on {sorted(others)}")
    print(f"Medians of {rounds} rounds of {seconds:.0f} s each\n")
    show_cost(rates)


def take_turns(ways: Ways, rounds: int) -> dict[str, list[Rate]]:
    """Every other round in reverse order, so that a machine that gets slower or faster favors none."""
    turns = [("by itself", ways.by_itself), ("recorded", ways.recorded), ("recorded and watched", ways.watched)]
    rates: dict[str, list[Rate]] = {name: [] for name, _ in turns}
    for i in range(rounds):
        for name, measure in turns if i % 2 == 0 else reversed(turns):
            rates[name].append(measure())
    return rates


def show_cost(rates: dict[str, list[Rate]]) -> None:
    plain, recorded, watched = rates.values()
    table(["", "iterations/s", "of processor time"], [rate_row(name, values) for name, values in rates.items()])
    print()
    pairs = {"recording": (plain, recorded), "watching": (recorded, watched), "both": (plain, watched)}
    header = ["loss by", "iterations/s", "spread", "of processor time", "spread", "target", ""]
    table(header, [loss_row(name, *pair) for name, pair in pairs.items()])


def rate_row(name: str, rates: Sequence[Rate]) -> list[str]:
    seconds = statistics.median(rate.per_second for rate in rates)
    return [name, f"{seconds:.1f}", f"{statistics.median(rate.per_processor_second for rate in rates):.1f}"]


def loss_row(name: str, before: Sequence[Rate], after: Sequence[Rate]) -> list[str]:
    """Judged by the clock on the wall."""
    pairs = list(zip(before, after, strict=True))
    wall = [1 - b.per_second / a.per_second for a, b in pairs]
    processor = [1 - b.per_processor_second / a.per_processor_second for a, b in pairs]
    cells = [
        cell
        for losses in (wall, processor)
        for cell in (f"{statistics.median(losses):.1%}", f"{min(losses):.1%} – {max(losses):.1%}")
    ]
    return [name, *cells, f"{LOSS:.0%}", verdict(statistics.median(wall), LOSS)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="each has all three in turn")
    parser.add_argument("--seconds", type=float, default=8, help="length of one turn")
    options = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        parser.error("This needs a machine with two cores.")
    with conditions():
        measure_cost(options.rounds, options.seconds)


if __name__ == "__main__":
    main()
