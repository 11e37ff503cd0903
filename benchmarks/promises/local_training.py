"""What a client's local steps cost Inverting Gradients that unrolls them, beside a single step."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from gia_core.attacks import InvertingGradients
from gia_core.clients import FedAvg, FedSGD
from gia_core.datasets import Dataset
from gia_core.spec import AuditSpec

from .promise import Outcome, Promise

LOSS = 4.0
"""dB."""


def specs(dataset: Dataset, seed: int) -> list[AuditSpec]:
    clients = (FedAvg(local_epochs=4), FedSGD())
    attack = InvertingGradients(iterations=1000)
    return [AuditSpec(dataset=dataset, client=client, attack=attack, seed=seed) for client in clients]


def judge(trials: Sequence[Sequence[Outcome]]) -> tuple[str, bool]:
    local, single = (statistics.mean(outcome.mean for outcome in kind) for kind in zip(*trials, strict=True))
    return f"mean {local:.1f}, single step {single:.1f}", local >= single - LOSS


PROMISES = (
    Promise("inverting-gradients", "lenet, 4 local steps known, B=1", f"{LOSS:.0f} dB at most lost", specs, judge),
)
