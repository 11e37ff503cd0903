"""The defense advisor: a published rubric, as data, applied to a setup. Pure and without torch."""

from __future__ import annotations

from ..spec import AuditSpec
from .deployment import Deployment
from .network import NETWORK
from .rules import Advice, Rule, Setup, Severity, Stage
from .training import TRAINING
from .verification import VERIFICATION

__all__ = ["RULES", "Advice", "Deployment", "Rule", "Setup", "Severity", "Stage", "advise"]

RULES: tuple[Rule, ...] = (*NETWORK, *TRAINING, *VERIFICATION)


def advise(setup: Setup) -> list[Advice]:
    """What the rubric says about a setup, the most severe first and in the rubric's order where equally severe."""
    found = [Advice(rule, recommended(rule, setup.spec)) for rule in RULES if rule.applies(setup)]
    return sorted(found, key=lambda advice: advice.rule.severity.rank)


def recommended(rule: Rule, spec: AuditSpec) -> AuditSpec | None:
    """The setup after the rule's change; None where there is none to make."""
    changed = rule.change(spec) if rule.change else spec
    return None if changed == spec else changed
