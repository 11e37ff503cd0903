"""What a setup promises by a proof rather than by failed attacks; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..aggregation.coalition import is_bound
from ..defenses import DPSGD, UserLevelDP
from ..spec import AuditSpec

if TYPE_CHECKING:
    from .rules import Setup

MODERATE_EPSILON = 8.0
"""Largest epsilon that counts as a formal mechanism."""


def private_defense(spec: AuditSpec) -> DPSGD | UserLevelDP | None:
    """The one that clips and adds noise; None where there is none, or its noise is zero."""
    found = (defense for defense in spec.defenses if isinstance(defense, DPSGD | UserLevelDP))
    return next((defense for defense in found if defense.noise_multiplier > 0), None)


def population(spec: AuditSpec, defense: DPSGD | UserLevelDP) -> float:
    """Among how many images, or clients, one is hidden: those of one step divided by the chance to be in it."""
    if isinstance(defense, UserLevelDP):
        return defense.clients / defense.sample_rate
    return (defense.expected_batch_size or spec.batch_size) / defense.sample_rate


def delta_is_small(spec: AuditSpec) -> bool:
    """Whether delta is below one divided by the population; true where nothing depends on it."""
    defense = private_defense(spec)
    return defense is None or defense.delta < 1 / population(spec, defense)


def mechanism(setup: Setup) -> str | None:
    """The proof that a grade may rest on, in a sentence; None where there is none, or where epsilon is not known."""
    return differential_privacy(setup) or secure_aggregation(setup)


def differential_privacy(setup: Setup) -> str | None:
    """Only where epsilon is moderate, delta small, and the mechanism is the one that epsilon is counted for."""
    spec, defense = setup.spec, private_defense(setup.spec)
    if defense is None or setup.epsilon is None or setup.epsilon > MODERATE_EPSILON or not delta_is_small(spec):
        return None
    if setup.deployment.fixed_batches or getattr(spec.model, "normalization", None) == "batch":
        return None
    if isinstance(defense, UserLevelDP) and defense.clients > max(1, len(spec.left)):
        return None  # it counts the noise of more clients than there are in what can be read
    return f"differential privacy with epsilon {setup.epsilon:.3g} at delta {defense.delta:g}, by Poisson sampling."


def secure_aggregation(setup: Setup) -> str | None:
    """Only where two thirds of the clients have to collude to open an update, and masks are bound to the model."""
    spec, ticked = setup.spec, setup.deployment
    needed = spec.aggregation.opened_by(spec.clients)
    is_strong = spec.aggregation.sees == "aggregate" and is_bound(spec.aggregation) and 3 * needed >= 2 * spec.clients
    if not is_strong or len(spec.left) < 2 or ticked.predictable_masks or ticked.same_cohort:
        return None
    return f"secure aggregation over {spec.clients} clients, {needed} of whom have to collude to open an update."
