"""The survey's Theorem 1 and Proposition 1 put to the test: `python benchmarks/theory.py --quick`.

T1 batch size, T2 resolution (T2b: width), T3 rounds and κ, P1 similarity of gradients along training (P1b: shared
labels, P1c: batches that differ in one image), and the activation beside them. Each table ends with a verdict. Without
``--quick`` the full protocol runs, a night or more; with it, some ten minutes on an idle core. A run that is done is
kept in ``--home`` and not repeated, so both can be interrupted. ``--record`` renews what the lesson shows
(assets/theory), from the quick size.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # callable from anywhere, without installing

from gia_core.audit import Finished, Started, audit
from gia_core.models.training import load
from gia_core.provenance import provenance
from gia_core.spec import AuditSpec, Victim
from gia_core.sweep import Cell, Planned, SweepSpec, drawn_images, plan
from gia_core.theory import bound, gradients, neighbors, rounds
from gia_core.theory.experiments import BY_NAME, EXPERIMENTS, LESSON, ROUNDS, TRAINING, Experiment
from gia_core.theory.fits import band, power_law, ratio, root_line
from gia_core.theory.levels import CONTROLS, Level, measured, same_unknowns
from gia_core.theory.networks import network_of
from gia_core.theory.recorded import (
    GRADIENTS,
    SHIPPED,
    Checkpoint,
    Consecutive,
    RecordedGradients,
    RecordedSweep,
    SharedLabel,
    as_recorded,
    write,
)
from gia_core.theory.verdicts import between, change, growth, growth_in_words
from gia_core.types import Batch, Data

SHARING = (0, 2, 3, 4)
"""Images of a batch of four that share a label (P1b)."""
SWAPS = 50
"""Pairs of batches that differ in one image (P1c)."""


@dataclass(frozen=True)
class Carried:
    """What one run came to."""

    scores: dict[str, Any]
    baselines: dict[str, Any]
    distance: float | None
    """Between the updates, at the end."""
    seconds: float
    """Of processor time: others may be at work on the machine."""


@dataclass(frozen=True)
class Setting:
    """How much, and where to keep it."""

    quick: bool
    record: bool
    home: Path

    def sweep(self, experiment: Experiment) -> SweepSpec:
        return experiment.sweep if self.quick else experiment.protocol


def carried(spec: AuditSpec, home: Path) -> Carried:
    """Carry out a run, or read what it came to the last time."""
    digest = hashlib.sha256(spec.model_dump_json().encode()).hexdigest()
    file = home / "theory" / f"{digest}.json"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(asdict(carry_out(spec, home))))
    return Carried(**json.loads(file.read_text()))


def carry_out(spec: AuditSpec, home: Path) -> Carried:
    begun, guesses = time.process_time(), dict[str, Any]()
    for event in audit(spec, home=home):
        if isinstance(event, Started):
            guesses = dict(event.baselines)
        if isinstance(event, Finished):
            distance = event.last.step.losses.get("matching")
            return Carried(dict(event.last.scores), guesses, distance, time.process_time() - begun)
    raise AssertionError("an audit of this kind ends with a reconstruction")


def level(cell: Cell, specs: Sequence[AuditSpec], home: Path) -> tuple[Level, list[Carried]]:
    done = [carried(spec, home) for spec in specs]
    runs = [(spec, one.scores["mse"], one.baselines) for spec, one in zip(specs, done, strict=True)]
    found = measured(cell, runs)
    assert found is not None
    return found, done


def swept(experiment: Experiment, setting: Setting) -> None:
    """One sweep: its table, its fits, its verdict."""
    spec = setting.sweep(experiment)
    print(f"\n## {experiment.question}  ({experiment.name})\n")
    print(f"{'cell':22}{'RMSE':>7}{'95 %':>18}{'E':>8}{'final D':>10}", *(f"{name:>24}" for name in CONTROLS.values()))
    levels, seconds, kappas = list[Level](), 0.0, list[float]()
    for planned in plan(spec, setting.home):
        found, done = level(planned.cell, planned.specs, setting.home)
        levels, seconds = [*levels, found], seconds + sum(one.seconds for one in done)
        distances = [one.distance for one in done if one.distance is not None]
        print(row(found, distances), flush=True)
        if experiment is ROUNDS:
            kappas.append(fmean(kappa(one, setting.home) for one in planned.specs))
    judge(experiment, levels)
    if kappas:
        judge_rounds(levels, kappas)
    if setting.record and experiment in LESSON:
        keep(experiment, spec, levels, seconds, kappas)


def row(found: Level, distances: Sequence[float]) -> str:
    guesses = [f"{found.control(name).rmse:>24.4f}" if name in found.controls else f"{'—':>24}" for name in CONTROLS]
    saturated = "  saturated" if found.is_saturated else ""
    last = f"{fmean(distances):>10.2g}" if distances else f"{'—':>10}"
    name = ", ".join(map(str, found.cell))
    numbers = f"{found.rmse:>7.4f}{between(band(found), 4):>18}{found.error:>8.2f}{last}"
    return f"{name:22}{numbers} {' '.join(guesses)}{saturated}"


def judge(experiment: Experiment, levels: Sequence[Level]) -> None:
    print()
    if not experiment.grows:
        for one in levels[1:]:
            step = change(levels[0], one)
            against = f"{one.cell[0]} against {levels[0].cell[0]}"
            print(f"{against}: {step.ratio.value:.2f} times, {between(step.ratio.interval)}, {step.effect}")
        return
    for rest in dict.fromkeys(one.cell[1:] for one in levels):
        judge_growth([one for one in levels if one.cell[1:] == rest], rest)
    for first, second in same_unknowns(levels):
        found = ratio(first, second)
        print(
            f"{first.unknowns} unknowns: E of {second.cell} is {found.value:.2f} times that of {first.cell}, "
            f"{between(found.interval)}; the theorem says 1"
        )


def judge_growth(levels: Sequence[Level], rest: Cell) -> None:
    if rest:
        print(f"Second axis at {', '.join(map(str, rest))}:")
    found = growth(levels)
    if found.slope is not None and found.line is not None:
        print(
            f"slope {found.slope.value:.2f} ({between(found.slope.interval)}), R² over √N {found.line.r_squared:.3f}, "
            f"largest over smallest RMSE {found.unevenness:.2f}"
        )
    print("  " + growth_in_words(found, "more", str))
    for name, title in CONTROLS.items():
        guesses = [one.control(name) for one in levels]
        print(f"  {title}: slope {power_law(guesses).value:.3f}, R² {root_line(guesses).r_squared:.4f}")


def kappa(spec: AuditSpec, home: Path) -> float:
    return rounds.largest_difference(spec, home=home)


def judge_rounds(levels: Sequence[Level], kappas: Sequence[float]) -> None:
    for one, value in zip(levels, kappas, strict=True):
        print(f"  {one.cell[0]} rounds: κ̂ {value:.3g}, RMSE {one.rmse:.4f}")
    found = neighbors.spearman(kappas, [one.rmse for one in levels])
    print(f"  Spearman's ρ of κ̂ and RMSE over the levels: {number(found)}; the theorem says it rises")


def keep(
    experiment: Experiment, spec: SweepSpec, levels: Sequence[Level], seconds: float, kappas: Sequence[float]
) -> None:
    samples, recorded = as_recorded(levels)
    outcome = RecordedSweep(
        spec=spec,
        provenance=provenance("cpu"),
        seconds=round(seconds, 1),
        samples=samples,
        recorded=recorded,
        kappas=tuple(float(f"{value:.3g}") for value in kappas),
    )
    write(outcome, SHIPPED / f"{experiment.name}.json")


@dataclass(frozen=True)
class Compared:
    """The gradients at one checkpoint."""

    checkpoint: Checkpoint
    distances: Any
    """(M, M) between the images' gradients."""
    attacked: list[tuple[float, float, float]]
    """Of each image that is attacked there: its median distance, its PSNR, the length of its gradient."""


def similarity(setting: Setting) -> None:
    """P1: gradients of single images at the checkpoints of the sweep over training, and its attacks beside them."""
    print("\n## Are gradients more alike after training?  (gradients)\n")
    print(f"{'epochs':8}{'1 − cos':>9}{'one class':>11}{'two classes':>13}{'length':>10}{'one swapped':>13}")
    begun, spec = time.process_time(), setting.sweep(TRAINING)
    data = spec.setup.dataset.open(setting.home)
    drawn = drawn_images(len(data.victims))[: 64 if setting.quick else 200]
    batch = Batch(*load(data.victims, torch.tensor(drawn)))
    compared = [compare(planned, data, drawn, batch, setting.home) for planned in plan(spec, setting.home)]
    seconds = time.process_time() - begun
    steps = [consecutive(*pair) for pair in itertools.pairwise(compared)]
    followed = [list(column) for column in zip(*(row for one in compared for row in one.attacked), strict=True)]
    plain, partial = neighbors.spearman(*followed[:2]), neighbors.partial_spearman(*followed)
    print(f"\nSpearman's ρ of an image's median distance and its PSNR, {len(followed[0])} attacks: {number(plain)}")
    print(f"The same with the length of the gradient held fixed: {number(partial)}\n")
    shared = tuple(shared_labels(spec, data, setting))
    if setting.record:
        outcome = RecordedGradients(
            spec=spec,
            provenance=provenance("cpu"),
            seconds=round(seconds, 1),
            images=len(drawn),
            checkpoints=tuple(one.checkpoint for one in compared),
            steps=tuple(steps),
            correlation=None if plain is None else round(plain, 3),
            partial=None if partial is None else round(partial, 3),
            shared_labels=shared,
        )
        write(outcome, SHIPPED / f"{GRADIENTS}.json")


def compare(planned: Planned, data: Data, drawn: Sequence[int], batch: Batch, home: Path) -> Compared:
    """The checkpoint of one cell, with the weights of its first seed."""
    (epochs,), seed = planned.cell, planned.specs[0].seed
    found = gradients.per_sample(network_of(planned.specs[0], data, home), batch)
    distances = gradients.cosine_distances(found).numpy()
    typical, lengths, attacked = neighbors.typical(distances), found.norm(dim=1), []
    for spec in planned.specs:
        if spec.seed == seed:
            place = drawn.index(spec.victim.indices[0])
            attacked.append((float(typical[place]), carried(spec, home).scores["psnr"][0], float(lengths[place])))
    made = checkpoint(int(epochs), distances, found, batch)
    medians = f"{made.median:>9.3f}{made.same_class:>11.3f}{made.other_class:>13.3f}"
    print(f"{made.epochs:<8}{medians}{made.norm:>10.3g}{made.swapped:>13.3g}", flush=True)
    return Compared(made, distances, attacked)


def checkpoint(epochs: int, distances: Any, found: torch.Tensor, batch: Batch) -> Checkpoint:
    alike = (batch.labels[:, None] == batch.labels[None]).numpy()
    middles = (median(neighbors.pairs(distances, mask).tolist()) for mask in (None, alike, ~alike))
    whole, same, other = (float(f"{value:.4g}") for value in middles)
    return Checkpoint(
        epochs=epochs,
        median=whole,
        same_class=same,
        other_class=other,
        norm=float(f"{found.norm(dim=1).median():.4g}"),
        swapped=float(f"{median(swaps(found)):.4g}"),
    )


def swaps(found: torch.Tensor) -> Iterator[float]:
    """P1c: batches of four, of which one image is exchanged."""
    rng = torch.Generator().manual_seed(0)
    for _ in range(SWAPS):
        *batch, into = torch.randperm(len(found), generator=rng)[:5].tolist()
        yield gradients.swapped_distance(found, batch, batch[0], into)


def consecutive(earlier: Compared, later: Compared) -> Consecutive:
    """Whether the later checkpoint is the more crowded one."""
    found = neighbors.dominance(later.distances, earlier.distances)
    between = f"{earlier.checkpoint.epochs} → {later.checkpoint.epochs} epochs"
    counts = f"more neighbors {found.more:.0%}, as many {found.as_many:.0%}, fewer {found.fewer:.0%}"
    print(f"{between}: {counts}; Kolmogorov–Smirnov ahead {found.ahead:.2f}, behind {found.behind:.2f}")
    rounded = {name: round(value, 4) for name, value in asdict(found).items()}
    return Consecutive(earlier=earlier.checkpoint.epochs, later=later.checkpoint.epochs, **rounded)


def shared_labels(spec: SweepSpec, data: Data, setting: Setting) -> Iterator[SharedLabel]:
    """P1b: the same images, each in a batch of four, with none to three companions of its class."""
    targets = drawn_images(len(data.victims))[: 4 if setting.quick else 16]
    for sharing in SHARING:
        jobs = [shared_batch(spec.setup, data, target, max(0, sharing - 1)) for target in targets]
        psnr = fmean(carried(job, setting.home).scores["psnr"][0] for job in jobs)
        print(f"  {sharing} of 4 images share a label: {psnr:.2f} dB, mean of {len(targets)} images", flush=True)
        yield SharedLabel(sharing=sharing, psnr=round(psnr, 2), images=len(targets))


def shared_batch(setup: AuditSpec, data: Data, target: int, alike: int) -> AuditSpec:
    """The image number ``target``, ``alike`` others of its class, and others of classes that are all different."""
    labels, companions, classes = data.victims.labels, list[int](), {int(data.victims.labels[target])}
    pool = [index for index in drawn_images(len(labels)) if index != target]
    companions += [index for index in pool if labels[index] == labels[target]][:alike]
    for index in pool:
        if len(companions) < 3 and int(labels[index]) not in classes:
            companions.append(index)
            classes.add(int(labels[index]))
    return setup.model_copy(update={"batch_size": 4, "victim": Victim(indices=(target, *companions))})


def number(value: float | None) -> str:
    return "—" if value is None else f"{value:.2f}"


def counterexample() -> None:
    """Theorem 1 as printed, at a step so small that it is false."""
    problem = bound.Problem(convexity=1.0, smoothness=1.0, unknowns=1, largest_error=0.0, start=1.0)
    step, steps = 1e-3, 20
    left, promised = (1 - step) ** steps, bound.printed(problem, steps)
    print(
        f"Counterexample to the theorem as printed: ½x², {steps} steps of {step:g}: "
        f"the distance is {left:.3f}, the bound says at most {promised:.2g}, what can be derived "
        f"{bound.derived(problem, step, steps):.3f}."
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the size for a class room instead of the full protocol")
    parser.add_argument("--only", nargs="*", choices=[*BY_NAME, GRADIENTS], help="some of the experiments")
    parser.add_argument("--record", action="store_true", help="renew what the lesson shows; with --quick")
    parser.add_argument("--home", type=Path, default=Path("var"), help="where data, networks and runs are kept")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    if options.record and not options.quick:
        parser.error("The lesson shows the quick size; add --quick.")
    return options


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    setting = Setting(options.quick, options.record, options.home)
    chosen = options.only or [*BY_NAME, GRADIENTS]
    counterexample()
    for experiment in EXPERIMENTS:
        if experiment.name in chosen:
            swept(experiment, setting)
    if GRADIENTS in chosen:
        similarity(setting)


if __name__ == "__main__":
    main()
