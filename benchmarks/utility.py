"""What defenses cost the model, and how long it takes to find out: benchmarks/utility.py [--folder PATH].

For each data set and defense the paired experiment of ``gia_core/utility``: accuracy on held-out images without and
with the defense at the same budget, the learning rate chosen for each on its own, mean and standard deviation over the
seeds, and the paired difference. The undefended trainings are done once for all defenses that draw batches alike.

Three promises: without a defense the network learns (more than twice the accuracy of guessing), a defense without
strength gives the undefended accuracies to the last digit, and each experiment ends within ten minutes on two cores.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # callable from anywhere, without installing

from gia_core.clients import FedAvg
from gia_core.datasets import Dataset, Digits, ImageFolder, Photos
from gia_core.defenses import ATS, Clipping, Defense, GaussianNoise, InstaHide, MixUp, Precode, Pruning, Soteria
from gia_core.defenses.dp_sgd import DPSGD
from gia_core.defenses.quantization import Quantization
from gia_core.defenses.user_level_dp import UserLevelDP
from gia_core.models import MLP, LeNet
from gia_core.utility import UtilitySpec
from gia_core.utility.experiment import followed, promised
from gia_core.utility.outcome import Arm, ArmResult, Outcome, Trained, result, seeds, spread
from gia_core.utility.training import Material, chance, gather

HOME = Path("var")
SECONDS = 600.0
NOTHING: tuple[Defense, ...] = (GaussianNoise(std=0),)
STACKS: dict[str, tuple[Defense, ...]] = {
    "without strength": NOTHING,
    "gaussian-noise 0.1": (GaussianNoise(std=0.1),),
    "clipping 1": (Clipping(bound=1.0),),
    "pruning 0.9": (Pruning(ratio=0.9),),
    "pruning 0.99": (Pruning(ratio=0.99),),
    "pruning 0.99, error feedback": (Pruning(ratio=0.99, error_feedback=True),),
    "quantization sign": (Quantization(scheme="sign"),),
    "soteria 0.7": (Soteria(),),
    "precode": (Precode(),),
    "mixup 4": (MixUp(),),
    "instahide 4": (InstaHide(),),
    "ats": (ATS(),),
    "dp-sgd 1, clip 1": (DPSGD(),),
    "user-level-dp 1 of 10": (UserLevelDP(clients=10),),
}


class Timed(NamedTuple):
    arm: ArmResult
    seconds: float


def trained(spec: UtilitySpec, material: Material, arm: Arm) -> Timed:
    """Every learning rate with the first seed, then the best one with the others."""
    begun, done = time.perf_counter(), list[Trained]()
    for rate in spec.learning_rates:
        *_, last = followed(spec, material, arm, rate, spec.seed)
        done.append(last)
    while (found := result(spec, arm, done)).rate is not None and len(found.accuracies) < spec.seeds:
        *_, last = followed(spec, material, arm, found.rate, seeds(spec)[len(found.accuracies)])
        done.append(last)
    return Timed(found, time.perf_counter() - begun)


def percent(arm: ArmResult) -> str:
    if arm.mean is None:
        return "diverged"
    return f"{100 * arm.mean:5.1f}" + ("" if arm.spread is None else f" ±{100 * arm.spread:4.1f}")


def specs(
    dataset: Dataset, stacks: dict[str, tuple[Defense, ...]], options: argparse.Namespace
) -> Iterator[tuple[str, UtilitySpec]]:
    model = MLP() if options.model == "mlp" else LeNet()
    client = FedAvg(local_batch_size=options.batch_size // 4) if options.local_steps else UtilitySpec().client
    for title, defenses in stacks.items():
        spec = UtilitySpec(
            dataset=dataset,
            model=model,
            client=client,
            defenses=defenses,
            rounds=options.rounds,
            batch_size=options.batch_size,
            seeds=options.seeds,
        )
        if spec.objections(HOME):
            print(f"{title:30} {spec.objections(HOME)[0].reason}")
        else:
            yield title, spec


def compare(dataset: Dataset, stacks: dict[str, tuple[Defense, ...]], options: argparse.Namespace) -> bool:
    """Print a table; whether the promises were kept."""
    kept, baselines = True, dict[tuple[object, ...], Timed]()
    print(f"\n{dataset.name}: accuracy in percent, cost in points")
    print(f"{'':30} rate  undefended    rate  defended      cost          s")
    for title, spec in specs(dataset, stacks, options):
        material = gather(spec, home=HOME, device="cpu")
        alike = (spec.samples_by_coin_toss, material.public is None)
        if alike not in baselines:
            baselines[alike] = trained(spec, material, "undefended")
        without, defended = baselines[alike], trained(spec, material, "defended")
        print(f"{title:30}", row(without, defended), promised(spec, material) or "", flush=True)
        learned = (without.arm.mean or 0) > 2 * chance(material.reporting)
        same = spec.defenses != NOTHING or without.arm.accuracies == defended.arm.accuracies
        kept &= learned and same and without.seconds + defended.seconds < SECONDS
        if not learned:
            print("  BROKEN: the undefended network does not learn")
        if not same:
            print("  BROKEN: a defense without strength is not the same as none")
    return kept


def row(without: Timed, defended: Timed) -> str:
    costs = Outcome({"undefended": without.arm, "defended": defended.arm}, 0.0, None).costs
    cost = f"{100 * sum(costs) / len(costs):5.1f} ±{100 * (spread(costs) or 0):4.1f}" if costs else ""
    cells = [
        f"{'-' if one.arm.rate is None else f'{one.arm.rate:g}':>4}  {percent(one.arm):12}"
        for one in (without, defended)
    ]
    return f"{'  '.join(cells)}  {cost:12} {without.seconds + defended.seconds:4.0f}"


def main() -> int:
    options = arguments()
    torch.set_num_threads(options.threads)
    chosen: list[Dataset] = [ImageFolder(root=str(options.folder))] if options.folder else [Photos(), Digits()]
    stacks = {title: stack for title, stack in STACKS.items() if not options.only or title in options.only}
    kept = [compare(dataset, stacks, options) for dataset in chosen]
    return 0 if all(kept) else 1


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="a folder of class folders instead, as of CIFAR-10")
    parser.add_argument("--only", nargs="*", help="titles of the defenses to measure")
    parser.add_argument("--model", choices=("lenet", "mlp"), default="lenet")
    parser.add_argument("--local-steps", action="store_true", help="clients of kind fedavg that take four local steps")
    parser.add_argument("--rounds", type=int, default=UtilitySpec().rounds)
    parser.add_argument("--batch-size", type=int, default=UtilitySpec().batch_size)
    parser.add_argument("--seeds", type=int, default=UtilitySpec().seeds)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
