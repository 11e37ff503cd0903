"""What each defense is worth: `python benchmarks/defenses.py [--defenses NAME …] [--models NAME …] [--images N]`.

Every defense on two networks, against an attacker who does not know of it and one who does, beside no defense; then
what is known of them from the literature, met or missed. `--folder` names a folder of class folders to take instead of
the photographs. The whole table takes about half an hour on two cores that do nothing else.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import statistics
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # callable from anywhere, without installing

from promises import summed
from promises.defended import ARMS, CASES, NETWORKS, OTHER_SEARCHES, Case, Cost, cost, scores, spec, truths
from promises.promise import Outcome, carried_out

from gia_core.accounting import epsilon
from gia_core.datasets import Dataset, ImageFolder, Photos
from gia_core.defenses.stacking import promise
from gia_core.protection import verdict

ROW = "{:18} {:8} " + "{:>16} " * len(ARMS) + "{:>11} {:>9} {:>7} {:>6}  {}"
HEAD = ("defense", "model", *ARMS, "epsilon", "bytes", "ms", "s", "")
TRUTH = "{:64} {:8} {:66} {}"


class Table:
    """The audits of a table, carried out by several processes."""

    def __init__(self, pool: ProcessPoolExecutor, dataset: Dataset, images: int, iterations: int | None, home: Path):
        self.pool, self.dataset, self.images, self.iterations, self.home = pool, dataset, images, iterations, home
        self.asked: dict[object, Future[Outcome]] = {}
        self.outcomes: dict[tuple[str, str, str], list[Future[Outcome]]] = {}
        self.costs: dict[tuple[str, str], Future[Cost]] = {}

    def ask(self, case: Case, model: str) -> None:
        """All audits of a row; the undefended ones of several rows are the same."""
        network = NETWORKS[model]
        network = network._replace(iterations=self.iterations or network.iterations)
        seeds = range(math.ceil(self.images / case.batch_size))
        for arm in ARMS:
            trials = [spec(case, arm, network, self.dataset, seed) for seed in seeds]
            self.outcomes[case.name, model, arm] = [self.carry_out(one) for one in trials]
        self.costs[case.name, model] = self.pool.submit(cost, trials[0], self.home)
        if case.name == "dp-sgd" and model == "lenet":
            for name, attack in OTHER_SEARCHES.items():
                others = [one.model_copy(update={"attack": attack}) for one in trials]
                self.outcomes[case.name, model, name] = [self.carry_out(one) for one in others]

    def carry_out(self, one: object) -> Future[Outcome]:
        if one not in self.asked:
            self.asked[one] = self.pool.submit(carried_out, one, self.home)
        return self.asked[one]

    def row(self, case: Case, model: str) -> str:
        arms = {arm: [trial.result() for trial in self.outcomes[case.name, model, arm]] for arm in ARMS}
        paid = self.costs[case.name, model].result()
        seconds = statistics.mean(trial.seconds for trial in arms["adaptive"])
        found = verdict(*(scores(arms[arm]) for arm in ARMS)).partition(":")[0]
        counted = promised(case)
        cells = [summary(arms[arm]) for arm in ARMS]
        ms = f"{1000 * paid.seconds:.1f}"
        return ROW.format(case.name, model, *cells, counted, f"{paid.bytes_sent:,}", ms, f"{seconds:.1f}", found)


def summary(trials: Sequence[Outcome]) -> str:
    """Mean PSNR and SSIM of all images, and the share of the labels that were found."""
    ssim = statistics.mean(value for trial in trials for value in trial.ssim)
    labels = [trial.labels for trial in trials if trial.labels is not None]
    known = f"{statistics.mean(labels):.1f}" if labels else "-"
    return f"{statistics.mean(scores(trials)):.1f} {ssim:.2f} {known:>4}"


def promised(case: Case) -> str:
    """Epsilon by RDP and PRV, with the defense's own sample rate, steps and delta; a dash where it has none."""
    release = promise(case.defenses)
    if release is None:
        return "-"
    counted = epsilon(release)
    return f"{counted.rdp:.2f}/{counted.prv:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [*(case.name for case in CASES), summed.NAME]
    parser.add_argument("--defenses", nargs="*", choices=names, default=names, metavar="NAME")
    parser.add_argument("--models", nargs="*", choices=NETWORKS, default=list(NETWORKS), metavar="NAME")
    parser.add_argument("--images", type=int, default=10)
    parser.add_argument("--iterations", type=int, help="of each search; else as many as the network is given")
    parser.add_argument("--folder", type=Path, help="a folder of class folders to take instead of the photographs")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    options = parser.parse_args()
    dataset = ImageFolder(root=str(options.folder.resolve())) if options.folder else Photos()
    os.environ["OMP_NUM_THREADS"] = "1"  # one process for each core, not one core for each thread of each process
    rows = [(case, model) for model in options.models for case in CASES if case.name in options.defenses]
    with (
        TemporaryDirectory(prefix="gia-benchmark-") as home,
        ProcessPoolExecutor(options.processes, multiprocessing.get_context("spawn")) as pool,
    ):
        table = Table(pool, dataset, options.images, options.iterations, Path(home))
        for row in rows:
            table.ask(*row)
        sums = None
        if summed.NAME in options.defenses and "lenet" in options.models:
            sums = pool.submit(summed.truths, dataset, options.images, options.iterations, Path(home))
        print(
            "In each cell: PSNR in dB and SSIM (means), share of the labels found. ms: client. s: attack.\n", flush=True
        )
        print(ROW.format(*HEAD).rstrip())
        for row in rows:
            print(table.row(*row), flush=True)
        measured = {key: [trial.result() for trial in trials] for key, trials in table.outcomes.items()}
        known = [*truths(measured), *(sums.result() if sums else ())]
    print("\n" + TRUTH.format("known", "model", "measured", ""))
    for truth in known:
        print(TRUTH.format(truth.promised, truth.network, truth.measured, "met" if truth.met else "missed"))


if __name__ == "__main__":
    main()
