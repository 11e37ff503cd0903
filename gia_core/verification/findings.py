"""What a check says of a model, and what a client says that sends nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..types import Table

if TYPE_CHECKING:
    from .received import Received

Verdict = Literal["ok", "warn", "fail", "unknown"]
"""Nothing stands out; something that training alone brings about, too; something that it does not; not measured."""

SEVERITY: dict[Verdict, int] = {"unknown": 0, "ok": 1, "warn": 2, "fail": 3}


@dataclass(frozen=True)
class Finding:
    """What one check measured."""

    value: float | None
    """None where it could not be measured."""
    threshold: float | None
    """What the value may be at most, or at least where ``low``."""
    verdict: Verdict
    sentence: str
    """What was found, and where."""
    low: bool = False
    """Whether small values are the suspicious ones."""

    @property
    def limit(self) -> str | None:
        """The threshold in words; None where there is none."""
        return None if self.threshold is None else f"at {'least' if self.low else 'most'} {self.threshold:.4g}"


def unknown(sentence: str) -> Finding:
    """Could not be measured; the sentence says why."""
    return Finding(None, None, "unknown", sentence)


def worst(findings: Iterable[Finding], otherwise: str) -> Finding:
    """The most severe one, and of equally severe ones that furthest beyond its threshold.

    ``otherwise`` says why there is none.
    """

    def severity(finding: Finding) -> tuple[int, float]:
        share = (finding.value or 0.0) / (finding.threshold or 1.0)
        return SEVERITY[finding.verdict], -share if finding.low else share

    return max(findings, key=severity, default=unknown(otherwise))


@dataclass(frozen=True)
class Detector:
    """One check, a pure function of what a client has."""

    id: str
    """V1 to V13."""
    name: str
    """In plain words."""
    check: Callable[[Received], Finding]
    before_training: bool = True
    """Otherwise it looks at the update, before that is sent."""


@dataclass(frozen=True)
class Inspection:
    """What all checks say of one model, or of the update it led to."""

    findings: tuple[tuple[Detector, Finding], ...]

    def fired(self, *verdicts: Verdict) -> tuple[tuple[Detector, Finding], ...]:
        """Those with one of these verdicts, the most severe first."""
        found = [(detector, finding) for detector, finding in self.findings if finding.verdict in verdicts]
        return tuple(sorted(found, key=lambda pair: -SEVERITY[pair[1].verdict]))

    def table(self, title: str, note: str = "") -> Table:
        """One row per check."""
        rows = tuple(
            (f"{d.id} {d.name}", rounded(f.value), f.limit, WORDS[f.verdict], f.sentence) for d, f in self.findings
        )
        return Table(title, ("Check", "Value", "Threshold", "Verdict", "What it says"), rows, note)


WORDS: dict[Verdict, str] = {
    "ok": "✓ nothing found",
    "warn": "! unusual",
    "fail": "✗ failed",
    "unknown": "not checked",
}


class RefusedError(ValueError):
    """A client does not train the model that it received, or does not send what it computed; the message says why."""

    def __init__(self, inspection: Inspection, fired: tuple[tuple[Detector, Finding], ...]) -> None:
        detector, finding = fired[0]
        others = [other.id for other, _ in fired[1:]]
        rest = f" {', '.join(others)} fired too." if others else ""
        super().__init__(f"The client refused: {told(detector, finding)}{rest}")
        self.inspection, self.fired = inspection, fired


def told(detector: Detector, finding: Finding) -> str:
    """One check that fired, with statistic and threshold."""
    numbers = f"{finding.value:.4g}, threshold: {finding.limit}"
    return f"check {detector.id} ({detector.name}: {numbers}) fired. {finding.sentence}"


def rounded(value: float | None) -> float | None:
    """Four digits."""
    return None if value is None else float(f"{value:.4g}")
