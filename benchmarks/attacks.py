"""How well the attacks recover real pictures: `python benchmarks/attacks.py [--folder DIR] [--attacks NAME …]`.

Every trial has its own seed for the pictures, the network, the labels and the attack's start; nothing is chosen by
hand. `--folder` names a folder of class folders (CIFAR-10 as pictures, say) that is measured beside the photographs.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # callable from anywhere, without installing

from promises import PROMISES, Promise, carried_out

from gia_core.datasets import Dataset, ImageFolder, Photos

ROW = "{:19} {:34} {:7} {:44} {:>6} {:>8}  {:36} {}"


def measure(promise: Promise, dataset: Dataset, title: str, seeds: range, home: Path) -> None:
    """Print one row; one that is missed says why, where that is known."""
    trials = [[carried_out(spec, home) for spec in promise.specs(dataset, seed)] for seed in seeds]
    text, met = promise.judge(trials)
    guess = statistics.mean(trial[0].guess for trial in trials)
    seconds = statistics.mean(trial[0].seconds for trial in trials)
    verdict = "met" if met else f"missed: {promise.limit}" if promise.limit else "missed"
    row = (promise.attack, promise.setting, title, text, f"{guess:.1f}", f"{seconds:.1f}", promise.promised, verdict)
    print(ROW.format(*row), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="a folder of class folders to measure beside the photographs")
    parser.add_argument("--seeds", type=int, help="how many; else as many as the promise is about")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--attacks", nargs="*", default=sorted({promise.attack for promise in PROMISES}))
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    datasets: dict[str, Dataset] = {"photos": Photos()}
    if options.folder:
        datasets["folder"] = ImageFolder(root=str(options.folder.resolve()))
    print(ROW.format("attack", "setting", "data", "measured", "guess", "s/trial", "promised", "").rstrip())
    with TemporaryDirectory(prefix="gia-benchmark-") as home:
        for promise in PROMISES:
            seeds = range(options.first_seed, options.first_seed + (options.seeds or promise.seeds))
            for title, dataset in datasets.items() if promise.attack in options.attacks else ():
                measure(promise, dataset, title, seeds, Path(home))


if __name__ == "__main__":
    main()
