"""From the name of a strategy to labels. Imports torch."""

from __future__ import annotations

from collections.abc import Callable

import torch

from ...types import Observation
from . import bias_corrected, bias_sign, counts, idlg, ilrg, llg, yin
from .choices import LabelStrategy, objection
from .evidence import Evidence, answers, classifier_gradient, evidence
from .restored import RestoredLabels

RULES: dict[LabelStrategy, Callable[[Evidence, torch.Generator], RestoredLabels]] = {
    "idlg": idlg.restore,
    "bias-sign": bias_sign.restore,
    "yin": yin.restore,
    "llg": llg.restore,
    "llg-star": llg.restore_star,
    "bias-corrected": bias_corrected.restore,
    "counts": counts.restore,
    "ilrg": ilrg.restore,
}

SPREAD = 0.5
"""How much the model's answers to dummy images may differ for their mean to be that of the private batch, too."""


def restore_labels(strategy: LabelStrategy, seen: Observation, rng: torch.Generator) -> RestoredLabels | None:
    """The labels on the model's device, or None where they are to be searched together with the images.

    Raises ValueError where a strategy needs what the observation lacks.
    """
    if strategy == "auto":
        strategy = best(seen, rng)
    if strategy == "joint":
        return None
    if strategy == "known" and seen.labels is not None:
        return RestoredLabels("known", seen.labels, torch.ones(seen.batch_size, device=seen.device), ordered=True)
    if reason := unsuited(strategy, seen):
        raise ValueError(reason)
    return RULES[strategy](evidence(seen), rng).to(seen.device)


def unsuited(strategy: LabelStrategy, seen: Observation) -> str | None:
    """Why ``strategy`` does not work on this observation, or None."""
    first = seen.rounds[0]
    return objection(
        strategy,
        batch_size=seen.batch_size,
        granted=seen.labels is not None,
        classes=seen.num_classes,
        bias=classifier_gradient(seen)[1] is not None,
        local_steps=seen.rule.local_steps(seen.batch_size),
        all_take_part=first.indices is None or len(first.indices) == seen.batch_size,
    )


def best(seen: Observation, rng: torch.Generator) -> LabelStrategy:
    """The labels where they are granted, else the rule that found most (measured in benchmarks/attacks.py).

    For one image iDLG is exact. For more, counts is best, for several local steps too, unless the model gives different
    images so different probabilities that dummy images do not tell those of the private batch: iLRG does without them.
    """
    if seen.labels is not None:
        return "known"
    order: tuple[LabelStrategy, ...] = ("idlg", "counts")
    if seen.batch_size > 1 and unsuited("ilrg", seen) is None and answers(seen, rng).spread() > SPREAD:
        order = ("ilrg",)
    return next((strategy for strategy in order if unsuited(strategy, seen) is None), "joint")
