"""How well the attacks recover real pictures from one gradient: `python benchmarks/attacks.py [--folder DIR]`.

Every picture has its own seed for the network, the labels and the attack's start; nothing is chosen by hand. `--folder`
names a folder of class folders (CIFAR-10 as pictures, say) that is measured beside the photographs.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # callable from anywhere, without installing

from gia_core.attacks import DLG, IDLG, Attack, InvertingGradients
from gia_core.audit import Finished, audit
from gia_core.datasets import Dataset, ImageFolder, Photos
from gia_core.spec import AuditSpec

RECOVERED = 28.0
"""dB from which a picture counts as recovered here."""


@dataclass(frozen=True)
class Promise:
    attack: Attack
    text: str
    least: float
    mean_psnr: bool
    """Whether the promise is about the mean PSNR, or else about the number of recovered pictures of ten."""


PROMISES = (
    Promise(IDLG(), f">= 9 of 10 at {RECOVERED:.0f} dB", 9, mean_psnr=False),
    Promise(DLG(), f">= 7 of 10 at {RECOVERED:.0f} dB, right label", 7, mean_psnr=False),
    Promise(InvertingGradients(iterations=1000), "mean PSNR >= 21 dB", 21, mean_psnr=True),
)


def carried_out(dataset: Dataset, attack: Attack, seed: int) -> tuple[float, bool, int]:
    """PSNR in dB, whether the label is right, and the iterations it took."""
    *_, finished = audit(AuditSpec(dataset=dataset, attack=attack, seed=seed))
    assert isinstance(finished, Finished)
    last = finished.last
    assert last.scores["psnr"] is not None
    return last.scores["psnr"][0], last.label_accuracy == 1.0, last.step.iteration


def measure(promise: Promise, dataset: Dataset, title: str, seeds: range) -> None:
    """Print one row."""
    begun = time.perf_counter()
    results = [carried_out(dataset, promise.attack, seed) for seed in seeds]
    seconds = (time.perf_counter() - begun) / len(seeds)
    values = sorted(psnr for psnr, _, _ in results)
    recovered = sum(psnr >= RECOVERED and right for psnr, right, _ in results)
    mean = statistics.mean(values)
    reached = mean if promise.mean_psnr else recovered * 10 / len(seeds)
    print(
        f"{promise.attack.name:19} {title:8} {recovered:3}/{len(seeds):<3} {mean:6.1f} {values[0]:6.1f} "
        f"{statistics.median(values):6.1f} {values[-1]:6.1f} {statistics.mean(i for *_, i in results):7.0f} "
        f"{seconds:7.1f}  {promise.text}: {'met' if reached >= promise.least else 'missed'}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="a folder of class folders to measure beside the photographs")
    parser.add_argument("--seeds", type=int, default=10, help="how many")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--attacks", nargs="*", default=[promise.attack.name for promise in PROMISES])
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    datasets: dict[str, Dataset] = {"photos": Photos()}
    if options.folder:
        datasets["folder"] = ImageFolder(root=str(options.folder.resolve()))
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    print(f"lenet as initialized, B = 1, 32 x 32, fedsgd, nothing granted; one picture a seed, {seeds[0]}-{seeds[-1]}")
    print("attack              data    recovered   mean    min median    max   its.  s/pict.  promise")
    for promise in PROMISES:
        for title, dataset in datasets.items() if promise.attack.name in options.attacks else ():
            measure(promise, dataset, title, seeds)


if __name__ == "__main__":
    main()
