"""Each defense against an attacker who does not know of it and one who does, and what has to come of it.

All three arms of a case have the same images, seeds and budget; the undefended one is the ceiling.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from gia_core.attacks import DLG, IDLG, Attack, InvertingGradients
from gia_core.audit import generator
from gia_core.datasets import Dataset
from gia_core.datasets.sampling import sample
from gia_core.defenses import (
    ATS,
    DPSGD,
    Clipping,
    Defense,
    GaussianNoise,
    InstaHide,
    LaplaceNoise,
    MixUp,
    Precode,
    Pruning,
    Quantization,
    Soteria,
    UserLevelDP,
    defend,
    needs_public,
    remodeled,
)
from gia_core.exchange import public_images
from gia_core.models import ConvNet, LeNet, Model
from gia_core.protection import Loss, loss, tenths
from gia_core.spec import AuditSpec, Knowledge
from gia_core.types import Update

from .promise import Outcome

Arm = Literal["undefended", "naive", "adaptive"]
ARMS: tuple[Arm, ...] = ("undefended", "naive", "adaptive")


@dataclass(frozen=True)
class Case:
    """A row of the table, for every network."""

    name: str
    defenses: tuple[Defense, ...]
    batch_size: int = 1
    """Images in one trial: as few as the defense can work on."""
    rounds: int = 1
    """Updates that the attacker sees: as many as it takes to undo the defense."""
    labels: bool = False
    """Whether labels are granted: which mixed image has which is part of what the attacker is told of a mixing."""
    adapted: Mapping[str, float] = field(default_factory=dict)
    """How the attacker who knows of the defense sets its search, beside what the defense itself tells it."""


SMOOTH = {"tv_weight": 10 * InvertingGradients().tv_weight}
"""Where the update is noisy, a picture's smoothness has to tell more."""

CASES = (
    Case("clipping", (Clipping(bound=1.0),)),
    Case("gaussian-noise", (GaussianNoise(std=0.3, scale="relative"),), adapted=SMOOTH),
    Case("laplace-noise", (LaplaceNoise(std=0.3, scale="relative"),), adapted=SMOOTH),
    Case("pruning", (Pruning(ratio=0.9),)),
    Case("quantization-int8", (Quantization(scheme="int8"),)),
    Case("quantization-sign", (Quantization(scheme="sign"),)),
    Case("dp-sgd", (DPSGD(clip=1.0, noise_multiplier=1.0),), adapted=SMOOTH),
    Case("user-level-dp", (UserLevelDP(clip=1.0, noise_multiplier=1.0),), adapted=SMOOTH),
    Case("mixup", (MixUp(k=2),), batch_size=2, rounds=4, labels=True),
    Case("instahide", (InstaHide(k=4, partners="cross"),), rounds=4),
    Case("ats", (ATS(),), rounds=2),
    Case("soteria", (Soteria(ratio=0.7),)),
    Case("precode", (Precode(size=256),)),
)
"""Every defense of the catalog."""


class Network(NamedTuple):
    model: Model
    iterations: int
    """Gradients that the attacker may compute in one search."""


NETWORKS = {
    "lenet": Network(LeNet(), 500),
    # BatchNorm allows no epsilon, and one network for all rows keeps them comparable.
    "convnet": Network(ConvNet(width=32, normalization="none"), 80),
}

OTHER_SEARCHES: dict[str, Attack] = {
    "dlg": DLG(iterations=60, restarts=1),
    "idlg": IDLG(iterations=60, restarts=1),
}
"""What else is tried against differential privacy; on the smooth network, as they were published."""

Trials: TypeAlias = Sequence[Outcome]
Measured: TypeAlias = Mapping[tuple[str, str, str], Trials]
"""By case, network and arm, or attack."""


def spec(case: Case, arm: Arm, network: Network, dataset: Dataset, seed: int) -> AuditSpec:
    """One trial."""
    adapted = case.adapted if arm == "adaptive" else {}
    return AuditSpec(
        dataset=dataset,
        model=network.model,
        batch_size=case.batch_size,
        rounds=case.rounds,
        server_lr=0,  # the server asks again without moving its model, which a sigmoid network would not survive
        defenses=() if arm == "undefended" else case.defenses,
        attack=InvertingGradients(iterations=network.iterations, **adapted),
        knowledge=Knowledge(labels=case.labels, defense=arm == "adaptive"),
        seed=seed,
    )


def scores(trials: Trials) -> list[float]:
    """PSNR of every image of all trials."""
    return [value for trial in trials for value in trial.psnr]


# What the client pays.


@dataclass(frozen=True)
class Cost:
    bytes_sent: int
    """Of one update; entries that are zero cost a bit where that is less than to send them."""
    seconds: float
    """To compute it."""


def cost(one: AuditSpec, home: Path) -> Cost:
    """Of the client in one round."""
    data = one.dataset.open(home)
    rng = generator(one.seed, 1)
    batch = sample(data.victims, one.batch_size, one.victim, generator(one.seed, 0))
    model = remodeled(one.defenses, one.model.build(data, generator(one.seed, 2)), rng)
    public = public_images(data) if needs_public(one.defenses) else None
    client, times = defend(one.client, one.defenses, rng, public), []
    for _ in range(5):
        begun = time.perf_counter()
        update = client(model, batch)
        times.append(time.perf_counter() - begun)
    return Cost(size(update, one.defenses), statistics.median(times))


def size(update: Update, defenses: tuple[Defense, ...]) -> int:
    """Bytes of an update, dense or sparse, whichever is shorter; rounding takes a scale for each tensor."""
    schemes = [defense.scheme for defense in defenses if isinstance(defense, Quantization)]
    bits = min(({"fp32": 32, "fp16": 16, "int8": 8, "sign": 1}[scheme] for scheme in schemes), default=32)
    entries = sum(tensor.numel() for tensor in update)
    kept = sum(int((tensor != 0).sum()) for tensor in update)
    scales = 32 * len(update) if schemes else 0
    return math.ceil(min(entries * bits, entries + kept * bits) / 8 + scales / 8)


# What has to come of it.


class Truth(NamedTuple):
    """A statement that the table has to show."""

    promised: str
    network: str
    measured: str
    met: bool


FALLEN = 3.0
"""dB that an adaptive attack may lose where the literature calls the defense broken."""


def truths(measured: Measured) -> Iterator[Truth]:
    """Those about which enough was measured."""
    for network in NETWORKS:
        rows = {case.name: {arm: measured.get((case.name, network, arm)) for arm in ARMS} for case in CASES}
        for name, arms in rows.items():
            if all(arms.values()):
                yield from about(name, network, {arm: trials or () for arm, trials in arms.items()})
    for name in OTHER_SEARCHES:
        if trials := measured.get(("dp-sgd", "lenet", name)):
            yield stopped(f"noise 1 at clip 1 stops {name}", "lenet", trials)


def about(name: str, network: str, arms: Mapping[str, Trials]) -> Iterator[Truth]:
    """What is known of this defense."""
    ceiling, naive, adaptive = (scores(arms[arm]) for arm in ARMS)
    match name:
        case "clipping":
            for arm, found in (("naive", naive), ("adaptive", adaptive)):
                lost = loss(ceiling, found)
                yield Truth(f"clipping alone: no protection ({arm})", network, told(lost), not lost.is_measurable)
        case "soteria" | "precode" | "ats" | "mixup" | "instahide":
            gained, lost = loss(adaptive, naive), loss(ceiling, adaptive)
            met = gained.is_measurable and lost.middle <= FALLEN
            text = f"naive {statistics.median(naive):.1f} dB, adaptive {statistics.median(adaptive):.1f} dB"
            yield Truth(f"{name} falls to its adaptive attack", network, f"{text}; {told(lost)}", met)
        case "pruning":
            gained = loss(adaptive, naive)
            text = f"the masked attack gains {tenths(gained.middle)} dB"
            yield Truth("pruning at 0.9 falls further to the masked attack", network, text, gained.is_measurable)
        case "dp-sgd" | "user-level-dp":
            for arm in ("naive", "adaptive"):
                yield stopped(f"{name}: noise 1 at clip 1 stops inverting-gradients ({arm})", network, arms[arm])


def told(lost: Loss) -> str:
    return f"a median of {tenths(lost.middle)} dB lost"


def stopped(promised: str, network: str, trials: Trials) -> Truth:
    """Whether no image came closer than the best of the guesses that look at no update."""
    closer = sum(trial.mean > trial.guess for trial in trials)
    best = max(trial.mean - trial.guess for trial in trials)
    text = f"{closer} of {len(trials)} closer than a blind guess, the best by {best:.1f} dB"
    return Truth(promised, network, text, closer == 0)
