"""The attack on vertical federated learning: CAFE."""

from __future__ import annotations

from collections.abc import Sequence

from gia_core.attacks import CAFE
from gia_core.clients import Vertical
from gia_core.datasets import Dataset
from gia_core.models import Quadrants
from gia_core.spec import AuditSpec

from .promise import Outcome, Promise

ENOUGH = 20.0
"""dB, mean over the private images of one trial."""


def specs(dataset: Dataset, seed: int) -> list[AuditSpec]:
    spec = AuditSpec(
        dataset=dataset,
        model=Quadrants(),
        batch_size=40,
        client=Vertical(round_batch_size=8),
        rounds=80,
        server_lr=0,
        attack=CAFE(),
        seed=seed,
    )
    return [spec]


def judge(trials: Sequence[Sequence[Outcome]]) -> tuple[str, bool]:
    """Every trial counts by itself."""
    outcomes = [trial[0] for trial in trials]
    means, least = [outcome.mean for outcome in outcomes], min(min(outcome.psnr) for outcome in outcomes)
    labels = min(outcome.labels or 0.0 for outcome in outcomes)
    text = f"means {', '.join(f'{mean:.1f}' for mean in means)}, worst image {least:.1f}, labels {labels:.0%}"
    return text, min(means) >= ENOUGH


PROMISES = (Promise("cafe", "quadrants, N=40, K=8, 80 rounds", f"mean {ENOUGH:.0f} dB over the 40", specs, judge),)
