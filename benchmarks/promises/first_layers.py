"""The attacks that read images off a linear layer: linear leak, Robbing the Fed, trap weights."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gia_core.attacks import Attack, LinearLeak, RobbingTheFed, TrapWeights
from gia_core.clients import Client, FedAvg, FedSGD
from gia_core.datasets import Dataset
from gia_core.models import MLP, ConvNet, LeNet, Model
from gia_core.spec import AuditSpec, Knowledge

from .promise import Judge, Outcome, Promise

SERVER = Knowledge(malicious_server=True, public_data=True)
IMAGES, BINS = 64, 256
READ_OFF = 50.0
"""dB from which an image counts as read off its bin."""


def specs_with(attack: Attack, model: Model, batch_size: int, *clients: Client, knowledge: Knowledge = SERVER):
    """One audit per client on the same images."""

    def specs(dataset: Dataset, seed: int) -> list[AuditSpec]:
        setup = {"dataset": dataset, "model": model, "attack": attack, "knowledge": knowledge, "seed": seed}
        return [AuditSpec(**setup, batch_size=batch_size, client=client) for client in clients]

    return specs


def every_image(decibels: float) -> Judge:
    def judge(trials: Sequence[Sequence[Outcome]]) -> tuple[str, bool]:
        least = min(min(outcome.psnr) for trial in trials for outcome in trial)
        return f"min {least:.1f}", least > decibels

    return judge


def found(decibels: float, *, least: float, most: float = math.inf) -> Judge:
    """At least so many images in every trial, and not more than can be by chance."""

    def judge(trials: Sequence[Sequence[Outcome]]) -> tuple[str, bool]:
        counts = [outcome.recovered(decibels) for trial in trials for outcome in trial]
        return f"{counts} of {len(trials[0][0].psnr)}", all(least <= count <= most for count in counts)

    return judge


def kept(share: float) -> Judge:
    """The last client of a trial gives away at least this share of what the first does."""

    def judge(trials: Sequence[Sequence[Outcome]]) -> tuple[str, bool]:
        counts = [[outcome.recovered(READ_OFF) for outcome in trial] for trial in trials]
        return " ".join(f"{one}->{many}" for one, *_, many in counts), all(c[-1] >= share * c[0] for c in counts)

    return judge


def alone_in_a_bin(images: int, bins: int) -> tuple[float, float]:
    """Mean and standard deviation of the number of images alone in one of equally full bins."""
    mean = images * (1 - 1 / bins) ** (images - 1)
    pairs = images * (images - 1) * (1 - 1 / bins) * (1 - 2 / bins) ** (images - 2)
    return mean, math.sqrt(mean + pairs - mean**2)


MEAN, DEVIATION = alone_in_a_bin(IMAGES, BINS)
BY_CHANCE = found(READ_OFF, least=MEAN - 3 * DEVIATION, most=MEAN + 3 * DEVIATION)
EXPECTED = f"{MEAN:.0f} within 3 x {DEVIATION:.1f} at {READ_OFF:.0f} dB"
LOCAL_STEPS = FedAvg(local_batch_size=IMAGES // 4)

PROMISES = (
    Promise(
        "linear-leak",
        "mlp, B=1",
        "every image above 60 dB",
        specs_with(LinearLeak(), MLP(), 1, FedSGD(), FedAvg(local_epochs=4), knowledge=Knowledge()),
        every_image(60),
    ),
    *(
        Promise(
            "robbing-the-fed",
            f"{model.name}, {variant}, B={IMAGES}",
            EXPECTED,
            specs_with(RobbingTheFed(bins=BINS, variant=variant), model, IMAGES, FedSGD()),
            BY_CHANCE,
        )
        for model in (LeNet(), ConvNet())
        for variant in ("sparse", "dense")
    ),
    Promise(
        "robbing-the-fed",
        f"lenet, sparse, B={IMAGES}, 4 local steps",
        "at most 10 % lost to local steps",
        specs_with(RobbingTheFed(bins=BINS), LeNet(), IMAGES, FedSGD(), LOCAL_STEPS),
        kept(0.9),
    ),
    Promise(
        "trap-weights",
        "mlp, 256 rows, B=32",
        "12 images above 30 dB",
        specs_with(TrapWeights(), MLP(), 32, FedSGD(), knowledge=Knowledge(malicious_server=True)),
        found(30, least=12),
    ),
)
