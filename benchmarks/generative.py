"""What a generator adds to a gradient: `python benchmarks/generative.py [--seeds N] [--settings WORD …]`.

Every row compares an attack that lets a network draw the pictures with Inverting Gradients: same pictures, same
network, same number of model evaluations; or, where its title says so, with one of its own controls. Means over all
pictures of all seeds; nothing is chosen by hand. On a core of its own a trial on lenet takes half a minute, one on
convnet a minute, ci-net two, ggl half a minute. A second
table compares Learning to Invert with the mean image, on many victims of each network; `--folder` names a folder of
class folders (CIFAR-10 as pictures, say) that is measured there, too. A third one compares priors that GIML learned
from gradients with untrained ones, both searched by GIAS on images that nobody learned from.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # callable from anywhere, without installing

from promises import learned, meta_learned
from promises.promise import Outcome, carried_out

from gia_core.attacks import GGL, GIAS, Attack, CINet, DeepImagePrior, InvertingGradients
from gia_core.control import control_of, out_of_domain
from gia_core.datasets import Dataset, Digits, Faces, Photos
from gia_core.defenses import Clipping, Defense, GaussianNoise, Pruning, Soteria
from gia_core.models import ConvNet, LeNet, Model
from gia_core.spec import AuditSpec, Knowledge

HEADER = ("setting", "PSNR, other", "PSNR", "SSIM, other", "SSIM", "guess", "s/trial, other", "s/trial", "promised", "")
"""The other is Inverting Gradients, or the control that the setting names."""
ROW = "{:58} {:>11} {:>7} {:>11} {:>6} {:>6} {:>14} {:>8}  {:10} {}"

PLAIN, MASKED = InvertingGradients(), InvertingGradients(distance="masked-cosine")
SHORT, LONG = InvertingGradients(iterations=500), InvertingGradients(iterations=2000)
CONTROLS = {"random update": control_of, "negatives": out_of_domain}


@dataclass(frozen=True)
class Setting:
    """One row of the table."""

    title: str
    dataset: Dataset
    model: Model
    attack: Attack
    against: InvertingGradients | Literal["random update", "negatives"] = PLAIN
    """What it is compared with: an attack, or one of its own controls."""
    batch_size: int = 4
    defenses: tuple[Defense, ...] = ()
    knows_defense: bool = False
    """Whether the attacker adapts to the defenses."""
    gain: float | None = None
    """dB of mean PSNR by which the attack is to be better, with a better SSIM; None where the row only shows."""

    def spec(self, attack: Attack, seed: int) -> AuditSpec:
        return AuditSpec(
            dataset=self.dataset,
            model=self.model,
            attack=attack,
            batch_size=self.batch_size,
            defenses=self.defenses,
            knowledge=Knowledge(labels=True, defense=self.knows_defense),
            seed=seed,
        )

    def other(self, seed: int) -> AuditSpec:
        if isinstance(self.against, str):
            return CONTROLS[self.against](self.spec(self.attack, seed))
        return self.spec(self.against, seed)


PRUNED = (Pruning(ratio=0.99),)
NATURAL = (Photos(), Faces(), Digits())
BRIEF = GIAS(latent_iterations=150, weight_iterations=350)
"""As many iterations as ``SHORT``: a network of eight convolutions takes its time."""
PATIENT = CINet(iterations=2000)
"""As many iterations as its paper takes for 16 images, and as ``LONG``."""
GRNN = CINet(recipe="grnn", labels="joint")
"""It restores the labels itself, which its rival is told."""
EVOLVED = GGL(iterations=100)
CONTROL: Literal["random update"] = "random update"
SETTINGS = (
    *(Setting(f"gias in domain, {d.name}, lenet", d, LeNet(), GIAS(), gain=2) for d in NATURAL),
    *(Setting(f"gias in domain, {d.name}, convnet", d, ConvNet(width=16), BRIEF, SHORT, gain=2) for d in NATURAL),
    Setting("gias, codes only, photos, lenet", Photos(), LeNet(), GIAS(latent_iterations=1000, weight_iterations=0)),
    Setting("gias, weights only, photos, lenet", Photos(), LeNet(), GIAS(latent_iterations=0, weight_iterations=1000)),
    Setting("gias out of domain, faces by digits, lenet", Faces(), LeNet(), GIAS(prior="digits-32")),
    Setting("gias out of domain, digits by faces, lenet", Digits(), LeNet(), GIAS(prior="faces-32")),
    *(Setting(f"gias against negatives, {d.name}, lenet", d, LeNet(), GIAS(), "negatives") for d in NATURAL),
    Setting(
        "gias, pruning 0.99, photos, lenet",
        Photos(),
        LeNet(),
        GIAS(distance="masked-cosine"),
        MASKED,
        defenses=PRUNED,
        gain=2,
    ),
    Setting("ci-net, B=16, photos, lenet", Photos(), LeNet(), PATIENT, LONG, batch_size=16, gain=0),
    Setting("ci-net, B=16, photos, lenet with ReLU", Photos(), LeNet(activation="relu"), CINet(), batch_size=16),
    Setting("ci-net by GRNN's recipe, photos, lenet", Photos(), LeNet(), GRNN),
    Setting("ci-net by GRNN's recipe, B=16, photos, lenet", Photos(), LeNet(), GRNN, batch_size=16, gain=0),
    Setting("deep-image-prior, photos, lenet", Photos(), LeNet(), DeepImagePrior()),
    *(
        Setting(f"ggl against a {CONTROL}, {d.name}, lenet", d, LeNet(), EVOLVED, CONTROL, batch_size=1)
        for d in NATURAL
    ),
    *(
        Setting(
            f"ggl against a {CONTROL}, {defense.name}, digits, lenet",
            Digits(),
            LeNet(),
            EVOLVED,
            CONTROL,
            batch_size=1,
            defenses=(defense,),
            knows_defense=True,
        )
        for defense in (GaussianNoise(std=0.1), Clipping(bound=1), Pruning(ratio=0.9), Soteria())
    ),
)


def measure(setting: Setting, seeds: range, home: Path) -> None:
    """Print one row."""
    theirs = [carried_out(setting.other(seed), home) for seed in seeds]
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
    parser.add_argument("--folder", type=Path, help="a folder of class folders, for learning-to-invert")
    parser.add_argument("--images", type=int, default=20, help="that learning-to-invert inverts with each seed")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    searched = [setting for setting in SETTINGS if asked(setting.title, options.settings)]
    learning = [setting for setting in learned.settings(options.folder) if asked(setting.title, options.settings)]
    schools = [setting for setting in meta_learned.SETTINGS if asked(setting.title, options.settings)]
    with TemporaryDirectory(prefix="gia-benchmark-") as home:
        if searched:
            print(ROW.format(*HEADER).rstrip())
        for setting in searched:
            measure(setting, seeds, Path(home))
        if learning:
            print(learned.ROW.format(*learned.HEADER).rstrip())
        for lesson in learning:
            learned.measure(lesson, seeds, Path(home), images=options.images)
        if schools:
            print(meta_learned.ROW.format(*meta_learned.HEADER).rstrip())
        for school in schools:
            meta_learned.measure(school, seeds, Path(home))


def asked(title: str, words: Sequence[str]) -> bool:
    return any(word in title for word in words)


if __name__ == "__main__":
    main()
