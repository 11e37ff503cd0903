"""What a generator adds to a gradient: `python benchmarks/generative.py [--seeds N] [--settings WORD …]`.

Every row compares an attack that lets a network draw the pictures with Inverting Gradients: same pictures, same
network, same number of model evaluations. Means over all pictures of all seeds; nothing is chosen by hand.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # callable from anywhere, without installing

from promises.promise import Outcome, carried_out

from gia_core.attacks import GIAS, Attack, CINet, DeepImagePrior, InvertingGradients
from gia_core.datasets import Dataset, Digits, Faces, Photos
from gia_core.defenses import Defense, Pruning
from gia_core.models import ConvNet, LeNet, Model
from gia_core.spec import AuditSpec, Knowledge

HEADER = ("setting", "PSNR, IG", "PSNR", "SSIM, IG", "SSIM", "guess", "s/trial, IG", "s/trial", "promised", "")
ROW = "{:58} {:>8} {:>7} {:>8} {:>6} {:>6} {:>11} {:>8}  {:10} {}"


PLAIN, MASKED = InvertingGradients(), InvertingGradients(distance="masked-cosine")


@dataclass(frozen=True)
class Setting:
    """One row of the table."""

    title: str
    dataset: Dataset
    model: Model
    attack: Attack
    against: InvertingGradients = PLAIN
    batch_size: int = 4
    defenses: tuple[Defense, ...] = ()
    gain: float | None = None
    """dB of mean PSNR by which the attack is to be better, with a better SSIM; None where the row only shows."""

    def spec(self, attack: Attack, seed: int) -> AuditSpec:
        return AuditSpec(
            dataset=self.dataset,
            model=self.model,
            attack=attack,
            batch_size=self.batch_size,
            defenses=self.defenses,
            knowledge=Knowledge(labels=True),
            seed=seed,
        )


PRUNED = (Pruning(ratio=0.99),)
NATURAL = (Photos(), Faces(), Digits())
SETTINGS = (
    *(Setting(f"gias in domain, {d.name}, lenet", d, LeNet(), GIAS(), gain=2) for d in NATURAL),
    *(Setting(f"gias in domain, {d.name}, convnet", d, ConvNet(), GIAS(), gain=2) for d in NATURAL),
    Setting("gias, codes only, photos, lenet", Photos(), LeNet(), GIAS(latent_iterations=1000, weight_iterations=0)),
    Setting("gias, weights only, photos, lenet", Photos(), LeNet(), GIAS(latent_iterations=0, weight_iterations=1000)),
    Setting("gias out of domain, faces by digits, lenet", Faces(), LeNet(), GIAS(prior="digits-32")),
    Setting("gias out of domain, digits by faces, lenet", Digits(), LeNet(), GIAS(prior="faces-32")),
    Setting(
        "gias, pruning 0.99, photos, lenet",
        Photos(),
        LeNet(),
        GIAS(distance="masked-cosine"),
        MASKED,
        defenses=PRUNED,
        gain=2,
    ),
    Setting("ci-net, B=16, photos, lenet", Photos(), LeNet(), CINet(), batch_size=16, gain=0),
    Setting("ci-net, B=16, photos, lenet with ReLU", Photos(), LeNet(activation="relu"), CINet(), batch_size=16),
    Setting("deep-image-prior, photos, lenet", Photos(), LeNet(), DeepImagePrior()),
)


def measure(setting: Setting, seeds: range, home: Path) -> None:
    """Print one row."""
    theirs = [carried_out(setting.spec(setting.against, seed), home) for seed in seeds]
    ours = [carried_out(setting.spec(setting.attack, seed), home) for seed in seeds]
    psnr, ssim = (mean(theirs, "psnr"), mean(ours, "psnr")), (mean(theirs, "ssim"), mean(ours, "ssim"))
    met = setting.gain is not None and psnr[1] >= psnr[0] + setting.gain and ssim[1] > ssim[0]
    cells = (
        setting.title,
        *(f"{value:.1f}" for value in psnr),
        *(f"{value:.3f}" for value in ssim),
        f"{statistics.mean(outcome.guess for outcome in theirs):.1f}",
        *(f"{statistics.mean(outcome.seconds for outcome in trials):.0f}" for trials in (theirs, ours)),
        "" if setting.gain is None else f"+{setting.gain:g} dB",
        "" if setting.gain is None else "met" if met else "missed",
    )
    print(ROW.format(*cells).rstrip(), flush=True)


def mean(outcomes: Sequence[Outcome], metric: str) -> float:
    return statistics.mean(value for outcome in outcomes for value in getattr(outcome, metric))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--settings", nargs="*", default=[""], help="only those whose title has one of these in it")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(ROW.format(*HEADER).rstrip())
    with TemporaryDirectory(prefix="gia-benchmark-") as home:
        for setting in SETTINGS:
            if any(word in setting.title for word in options.settings):
                measure(setting, range(options.first_seed, options.first_seed + options.seeds), Path(home))


if __name__ == "__main__":
    main()
