"""Unmixing a batch from the gradient of one layer: Cocktail Party."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from gia_core.attacks import CocktailParty
from gia_core.datasets import Dataset
from gia_core.models import MLP
from gia_core.spec import AuditSpec

from .promise import Outcome, Promise

LEAST = 15.0
"""dB, mean over batch and seeds, with the attacker's own sign and scale."""
ABOVE = 5.0
"""dB above the best blind guess."""


def specs(dataset: Dataset, seed: int) -> list[AuditSpec]:
    return [AuditSpec(dataset=dataset, model=MLP(), batch_size=8, attack=CocktailParty(), seed=seed)]


def above_the_guess(trials: Sequence[Sequence[Outcome]]) -> tuple[str, bool]:
    values = [trial[0].mean for trial in trials]
    margin = statistics.mean(trial[0].mean - trial[0].guess for trial in trials)
    worst = min(value for trial in trials for value in trial[0].psnr)
    text = f"mean {statistics.mean(values):.1f}, {margin:.1f} above, worst image {worst:.1f}"
    return text, statistics.mean(values) >= LEAST and margin >= ABOVE


PROMISES = (
    Promise("cocktail-party", "mlp, B=8", f"mean {LEAST:.0f} dB, {ABOVE:.0f} above the guess", specs, above_the_guess),
)
