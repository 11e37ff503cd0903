"""What a rule of the advisor is: data, and a condition over a setup; pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from ..defenses.stacking import promise
from ..spec import AuditSpec
from .deployment import Deployment


class Stage(StrEnum):
    """Where in a system something can be done about a leak: the stages of the survey's defense pipeline."""

    NETWORK = "network design"
    TRAINING = "training protocol"
    VERIFICATION = "client verification"


class Severity(StrEnum):
    """How much a finding matters; listed from the worst on, which is also how advice is sorted."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return list(Severity).index(self)


@dataclass(frozen=True)
class Setup:
    """Everything that advice depends on."""

    spec: AuditSpec
    deployment: Deployment = field(default_factory=Deployment)
    epsilon: float | None = None
    """What the accountant counts for the setup's mechanism; None where it was not asked, or there is none."""

    @property
    def images(self) -> int:
        """Images behind what the server can read: one client's batch or those of a sum; 0 where it can read nothing."""
        return self.spec.batch_size * len(self.spec.left)

    def moved_to(self, spec: AuditSpec) -> Setup:
        """The same deployment with another setup; its epsilon is known only where the mechanism is the same."""
        same = promise(spec.defenses) == promise(self.spec.defenses)
        return replace(self, spec=spec, epsilon=self.epsilon if same else None)


@dataclass(frozen=True)
class Rule:
    """One line of the rubric."""

    id: str
    """The rubric's number; several lines may share it where the severity depends on the setup."""
    stage: Stage
    severity: Severity
    applies: Callable[[Setup], bool]
    finding: str
    """One sentence in plain words: what is there, and what it does for an attacker."""
    recommendation: str
    """What to do about it."""
    source: str
    """Where this is from: authors, venue and year, or that it is this project's own judgment."""
    change: Callable[[AuditSpec], AuditSpec] | None = None
    """The recommendation as a change of the setup; None where the lab cannot carry it out."""
    costs: str = ""
    """What else the recommendation brings with it, where it is in conflict with something."""


@dataclass(frozen=True)
class Advice:
    """A rule that applies to a setup."""

    rule: Rule
    changed: AuditSpec | None
    """The setup as recommended; None where the lab cannot carry it out."""
