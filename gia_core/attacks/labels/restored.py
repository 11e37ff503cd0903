"""What a label rule finds out, and how it is told."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...types import Table

ROWS = 20
"""Classes that the table shows at most."""


@dataclass(frozen=True)
class RestoredLabels:
    """The labels of a batch as an attacker believes them to be."""

    rule: str
    labels: Tensor
    """(B,) class indices."""
    confidence: Tensor
    """(B,) from 0, a coin toss, to 1, undisputed."""
    ordered: bool
    """Whether they are in the order of the private batch; else sorted, and only how often each occurs is known."""
    note: str = ""
    """How the rule works and what speaks against its answer, in plain sentences."""

    def to(self, device: str) -> RestoredLabels:
        """The same on another device."""
        return replace(self, labels=self.labels.to(device), confidence=self.confidence.to(device))

    def tables(self) -> tuple[Table, ...]:
        """What to show of it: nothing of labels that were granted."""
        if self.rule == "known":
            return ()
        counts = torch.bincount(self.labels.cpu())
        confidence = torch.zeros(len(counts)).scatter(0, self.labels.cpu(), self.confidence.cpu().float())
        found = sorted(counts.nonzero().flatten().tolist(), key=lambda label: (-int(counts[label]), label))
        rows = tuple((label, int(counts[label]), round(float(confidence[label]), 2)) for label in found[:ROWS])
        left_out = f" {len(found) - ROWS} more classes are not shown." if len(found) > ROWS else ""
        note = f"Rule {self.rule}: {self.note} Confidence goes from 0, a coin toss, to 1, undisputed.{left_out}"
        return (Table("Restored labels", ("Class index", "Restored", "Confidence"), rows, note),)


def from_counts(rule: str, counts: Tensor, confidence: Tensor, note: str) -> RestoredLabels:
    """``counts`` and ``confidence`` are (K,); the counts sum to B. One image needs no order."""
    labels = torch.arange(len(counts)).repeat_interleave(counts.long())
    return RestoredLabels(rule, labels, confidence[labels], len(labels) == 1, note)


def from_estimate(
    rule: str, estimate: Tensor, batch_size: int, note: str, *, at_least: Tensor | None = None
) -> RestoredLabels:
    """Round an estimated number of images per class, (K,), and trust what was near a whole number.

    ``at_least`` (K,) are images that the classes are known to have.
    """
    counts = whole(estimate, batch_size, at_least)
    estimate = estimate if at_least is None else estimate.maximum(at_least)
    return from_counts(rule, counts, (1 - 2 * (estimate - counts).abs()).clamp_min(0), note)


def from_lowest(rule: str, scores: Tensor, batch_size: int, note: str) -> RestoredLabels:
    """One image for each of the B classes with the lowest of the scores, (K,).

    Each is trusted by its distance to the lowest score that was left out, as a share of both together.
    """
    order = scores.argsort(stable=True)
    counts = torch.zeros(len(scores)).scatter(0, order[:batch_size], 1)
    out = scores[order[batch_size]] if batch_size < len(scores) else scores.new_zeros(())
    confidence = (out - scores) / (out.abs() + scores.abs()).clamp_min(1e-30)
    return from_counts(rule, counts, confidence.clamp(0, 1), note)


def whole(estimate: Tensor, total: int, at_least: Tensor | None = None) -> Tensor:
    """Round an estimate (K,) to whole numbers from 0 that sum to ``total``, (K,).

    One image after the other goes to the class that lacks most, beginning at ``at_least``: the method of largest
    remainders, for estimates of any sum. Where ``at_least`` alone is more than ``total``, the classes with the largest
    estimate keep what they have.
    """
    counts = torch.zeros_like(estimate) if at_least is None else at_least.clone()
    while counts.sum() > total:
        counts[torch.where(counts > 0, estimate - counts, torch.inf).argmin()] -= 1
    while counts.sum() < total:
        counts[(estimate - counts).argmax()] += 1
    return counts
