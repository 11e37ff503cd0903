"""What a run says about itself: whether the capture can be trusted, and why a recovery failed."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from .aggregation.fixed_point import FixedPointAggregation
from .metrics import psnr
from .recovery import RECOVERED
from .spec import AuditSpec
from .types import UNKNOWN, Batch, Observation, Step, Update

EXACT = 1e-3
"""Relative distance up to which two updates count as the same: rounding in float32, many local steps included."""


@dataclass(frozen=True)
class Capture:
    """The update at the true batch under the attacker's own rule, compared with the one observed."""

    distance: float
    """Norm of the difference over the norm of the expected update."""
    passed: bool
    """Whether the two agree, or a choice of the setup explains that they do not."""
    message: str


def capture(seen: Observation, truth: Batch, spec: AuditSpec) -> Capture:
    """Self-test before the attack: an attacker who looked for the wrong gradient would fail and look like privacy."""
    first = seen.rounds[0]
    distance = relative_distance(first.compared(first.update), seen.simulated(first, truth))
    if distance <= EXACT:
        return Capture(distance, True, "The update is what the attacker's simulation gives for the true images.")
    if spec.control == "random-update":
        return Capture(distance, True, "This run is a control: the attack gets random numbers in place of the update.")
    if spec.defenses:
        names = ", ".join(defense.name for defense in spec.defenses)
        return Capture(distance, True, f"The defense ({names}) changed the update by {distance:.0%} of its norm.")
    if isinstance(spec.aggregation, FixedPointAggregation):
        reason = f"Cutting and rounding to numbers that {spec.aggregation.name} can add"
        return Capture(distance, True, f"{reason} changed the sum by {distance:.1%} of its norm.")
    if spec.knowledge.local_training == "none":
        reason = "The attacker does not know the local training, so its simulation differs from the update"
        return Capture(distance, True, f"{reason} by {distance:.0%} of its norm.")
    reason = "Self-test failed: the update is not what the true images give under the attacker's rule"
    return Capture(distance, False, f"{reason} (off by {distance:.0%}); a poor result here says nothing about privacy.")


def relative_distance(update: Update, expected: Update) -> float:
    """‖update − expected‖ / ‖expected‖ over all tensors; infinite where only the latter is zero."""
    difference = norm(tuple(u - e for u, e in zip(update, expected, strict=True)))
    size = norm(expected)
    return difference / size if size else math.inf if difference else 0.0


def norm(update: Update) -> float:
    return math.sqrt(sum(float(u.detach().double().square().sum()) for u in update))


def diagnose(seen: Observation, truth: Batch, step: Step, at_truth: float | None, check: Capture) -> tuple[str, ...]:
    """Likely causes where images were not recovered, one sentence each; empty where they were.

    ``step`` holds the images in the order of the private batch; ``at_truth`` is the matching distance of the true
    images, None for attacks that match nothing.
    """
    if float(psnr(step.images, truth.images).min()) >= RECOVERED:
        return ()
    causes = []
    if not check.passed:
        causes.append(check.message)
    told = Counter(step.labels[step.labels != UNKNOWN].tolist())
    if told - Counter(truth.labels.tolist()):
        causes.append("Wrong labels: the attack took the images for other classes than the true ones.")
    if norm(seen.rounds[0].update) < 1e-6:
        causes.append("Vanished gradient: the update is close to zero, so it says little about the images.")
    if step.dropped:
        causes.append(f"The optimizer diverged in {step.dropped} of its trials; another start or step size may help.")
    if check.distance > 1:
        causes.append("Noise above the signal: the defense changed the update by more than the update's own size.")
    causes += match_causes(step.best.get("matching"), at_truth)
    if causes:
        return tuple(causes)
    if at_truth is None:
        return ("No single cause stands out; what the attack found out beside the images may tell more.",)
    return ("No single cause stands out; more iterations or restarts may recover more.",)


def match_causes(reached: float | None, at_truth: float | None) -> list[str]:
    """What the distance at the reconstruction says beside the distance at the true images."""
    if reached is None or at_truth is None or not math.isfinite(reached):
        return []
    if reached <= at_truth:
        return ["Other images match the update as well as the true ones: the update alone does not decide."]
    return ["The search ended before its update matched: more iterations, restarts or another step size may help."]
