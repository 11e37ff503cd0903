"""Limits on what an audit may find, so that a pipeline stops when a configuration leaks more than before; pure."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from .report import recovered
from .store import Json

METRICS = ("psnr", "ssim", "label_accuracy", "recovered")
"""What can be limited: the highest PSNR in dB and SSIM of the batch, since privacy is about the image that came
closest, the share of labels found, and the number of images recovered."""

GRAMMAR = re.compile(r"\s*(\w+)\s*(>=?)\s*([-+.\deE]+)\s*")


@dataclass(frozen=True)
class Limit:
    """What must not be."""

    metric: str
    or_equal: bool
    value: float

    def __str__(self) -> str:
        return f"{self.metric} {'>=' if self.or_equal else '>'} {self.value:g}"

    def exceeded(self, found: Json) -> bool:
        """Whether a summary, as ``report.summary`` makes it, is beyond the limit.

        Raises ValueError where the audit did not measure it: what is unknown must not pass for good.
        """
        value = measured(self.metric, found)
        if value is None:
            raise ValueError(f"{self.metric}: this audit did not measure it, so it cannot be held against a limit.")
        return value >= self.value if self.or_equal else value > self.value


def read(text: str) -> Limit:
    """ "psnr > 20" as a limit. Raises ValueError with a line for the user."""
    parts = GRAMMAR.fullmatch(text)
    if parts is None or parts[1] not in METRICS:
        raise ValueError(f'"{text}" is no limit: write one like "psnr > 20", of {", ".join(METRICS)}.')
    try:
        value = float(parts[3])
    except ValueError:
        raise ValueError(f'"{text}": {parts[3]} is no number.') from None
    return Limit(parts[1], parts[2] == ">=", value)


def measured(metric: str, found: Json) -> float | None:
    """What a summary says of a metric; None where it was not measured."""
    scores = found["scores"] or {}
    if metric == "label_accuracy":
        return scores.get(metric)
    if metric == "recovered":
        return float(sum(recovered(found))) if scores.get("psnr") else None
    values = [value for value in scores.get(metric) or () if value is not None and not math.isnan(value)]
    return max(values, default=None)
