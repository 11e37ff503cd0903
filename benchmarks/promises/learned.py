"""Learning to Invert against the mean image of what it learned from: one network per seed, then many victims."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from gia_core.attacks import LearningToInvert
from gia_core.audit import Finished, Started, audit
from gia_core.datasets import Dataset, Digits, Faces, ImageFolder, Photos
from gia_core.defenses import Defense, GaussianNoise, Pruning
from gia_core.models import ConvNet, LeNet, Model
from gia_core.spec import AuditSpec, Knowledge, Victim

GAIN = 6.0
"""dB of mean PSNR over the mean image that are promised for single images on lenet."""
HEADER = ("setting", "PSNR", "mean image", "gain", "each seed", "SSIM", "s to learn", "s/victim", "promised", "")
ROW = "{:58} {:>6} {:>11} {:>6} {:>17} {:>6} {:>11} {:>9}  {:9} {}"

DEFAULT, LENET = LearningToInvert(), LeNet()


@dataclass(frozen=True)
class Learned:
    """One row of the table."""

    title: str
    dataset: Dataset
    attack: LearningToInvert = DEFAULT
    model: Model = LENET
    batch_size: int = 1
    defenses: tuple[Defense, ...] = ()
    promised: bool = False

    def victims(self, seed: int, home: Path, *, images: int) -> Iterator[AuditSpec]:
        """Audits of one model, of so many images together."""
        rng = torch.Generator().manual_seed(seed)
        drawn = torch.randperm(sum(self.dataset.class_sizes(home)), generator=rng)[:images]
        for indices in drawn.split(self.batch_size):
            yield AuditSpec(
                dataset=self.dataset,
                model=self.model,
                attack=self.attack,
                batch_size=self.batch_size,
                victim=Victim(indices=tuple(indices.tolist())),
                defenses=self.defenses,
                knowledge=Knowledge(public_data=True, defense=True),
                seed=seed,
            )


@dataclass(frozen=True)
class Victimized:
    """One victim's images."""

    psnr: list[float]
    ssim: list[float]
    mean_image: list[float]
    seconds: float
    """From the update to the images; for the first victim of a model, with all of the learning."""


def settings(folder: Path | None) -> tuple[Learned, ...]:
    """All rows; ``folder`` of class folders is measured beside the data sets that come with GIA Lab."""
    natural: tuple[Dataset, ...] = (Photos(), Faces(), Digits())
    if folder is not None:
        natural = (*natural, ImageFolder(root=str(folder.resolve())))
    title = "learning-to-invert, {}, {}".format
    update_only = LearningToInvert(classifier_input=False)
    as_published = LearningToInvert(regressor="mlp", classifier_input=False, hashing="plain")
    defenses: tuple[tuple[str, Defense], ...] = (
        ("pruning 0.9", Pruning(ratio=0.9)),
        ("pruning 0.99", Pruning(ratio=0.99)),
        ("noise 0.3 relative", GaussianNoise(std=0.3, scale="relative")),
        ("noise 3 relative", GaussianNoise(std=3, scale="relative")),
    )
    return (
        *(Learned(title(data.name, "lenet"), data, promised=True) for data in natural),
        *(Learned(title(data.name, "lenet, B=4"), data, batch_size=4) for data in natural),
        *(Learned(title(data.name, "lenet, update only"), data, update_only) for data in natural),
        Learned(title("photos", "lenet, as published, 1,000 wide, 40 epochs"), Photos(), as_published),
        *(Learned(title("photos", f"lenet, {name}"), Photos(), defenses=(defense,)) for name, defense in defenses),
        Learned(title("photos", "convnet"), Photos(), model=ConvNet(width=16)),
    )


def measure(setting: Learned, seeds: range, home: Path, *, images: int) -> None:
    """Print one row."""
    by_seed = [[inverted(spec, home) for spec in setting.victims(seed, home, images=images)] for seed in seeds]
    found = [victim for victims in by_seed for victim in victims]
    gains = [mean("psnr", victims) - mean("mean_image", victims) for victims in by_seed]
    gain = statistics.mean(gains)
    cells = (
        setting.title,
        f"{mean('psnr', found):.1f}",
        f"{mean('mean_image', found):.1f}",
        f"{gain:+.1f}",
        " ".join(f"{one:+.1f}" for one in gains),
        f"{mean('ssim', found):.3f}",
        f"{statistics.mean(victims[0].seconds for victims in by_seed):.0f}",
        f"{statistics.median(victim.seconds for victims in by_seed for victim in victims[1:]):.3f}",
        f"+{GAIN:g} dB" if setting.promised else "",
        ("met" if gain >= GAIN else "missed") if setting.promised else "",
    )
    print(ROW.format(*cells).rstrip(), flush=True)


def inverted(spec: AuditSpec, home: Path) -> Victimized:
    """One audit."""
    begun, mean_image = time.perf_counter(), list[float]()
    for event in audit(spec, home=home):
        match event:
            case Started(baselines=guesses):
                begun, mean_image = time.perf_counter(), guesses["dataset-mean"]["psnr"] or []
            case Finished(last=last):
                seconds = time.perf_counter() - begun
                return Victimized(last.scores["psnr"] or [], last.scores["ssim"] or [], mean_image, seconds)
    raise AssertionError("an audit ends with Finished")


def mean(metric: str, victims: list[Victimized]) -> float:
    values: list[float] = [value for victim in victims for value in getattr(victim, metric)]
    return statistics.mean(values)
