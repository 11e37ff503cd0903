"""Recommendations as changes of a setup; pure. Whether the attack can handle the result is for the lab to say."""

from __future__ import annotations

import math
from typing import Any

from ..aggregation import SecureAggregation
from ..aggregation.fixed_point import FixedPointAggregation
from ..clients import FedAvg
from ..defenses import DPSGD, Defense, Pruning, Quantization, UserLevelDP
from ..models import ConvNet
from ..spec import AuditSpec, Victim
from ..verification import Verification
from .formal import population

LARGE_BATCH = 32
MANY_STEPS = 10
COHORT = 10


def with_model(spec: AuditSpec, **fields: Any) -> AuditSpec:
    return spec.model_copy(update={"model": spec.model.model_copy(update=fields)})


def relu(spec: AuditSpec) -> AuditSpec:
    return with_model(spec, activation="relu")


def convolutions_first(spec: AuditSpec) -> AuditSpec:
    return spec.model_copy(update={"model": ConvNet(width=16, normalization="group", training=spec.model.training)})


def group_norm(spec: AuditSpec) -> AuditSpec:
    return with_model(spec, normalization="group")


def train_mode(spec: AuditSpec) -> AuditSpec:
    return with_model(spec, mode="train")


def pretrained(spec: AuditSpec) -> AuditSpec:
    return with_model(spec, training=10)


def large_batch(spec: AuditSpec) -> AuditSpec:
    """With images by chance, since a choice of certain ones was made for another batch."""
    victim = Victim(label=spec.victim.label)
    return spec.model_copy(update={"batch_size": max(LARGE_BATCH, spec.batch_size), "victim": victim})


def many_steps(spec: AuditSpec) -> AuditSpec:
    """FedAvg with so many epochs that the client takes at least ``MANY_STEPS`` steps."""
    client = spec.client if isinstance(spec.client, FedAvg) else FedAvg()
    per_epoch = client.model_copy(update={"local_epochs": 1}).local_steps(spec.batch_size)
    longer = client.model_copy(update={"local_epochs": math.ceil(MANY_STEPS / per_epoch)})
    return spec.model_copy(update={"client": longer})


def secret_steps(spec: AuditSpec) -> AuditSpec:
    """The client shuffles, and the server is not told how it trains."""
    knowledge = spec.knowledge.model_copy(update={"local_training": "guessed"})
    client = spec.client.model_copy(update={"shuffle": True})
    return spec.model_copy(update={"client": client, "knowledge": knowledge})


def differential_privacy(spec: AuditSpec) -> AuditSpec:
    """Clipping and noise as one mechanism; of the other defenses only compression can stay, behind it.

    DP-SGD where the client sends one gradient, and GroupNorm with it; user-level DP where it trains locally.
    """
    compression = tuple(defense for defense in spec.defenses if isinstance(defense, Pruning | Quantization))
    mechanism = UserLevelDP() if isinstance(spec.client, FedAvg) else DPSGD()
    private = spec.model_copy(update={"defenses": (mechanism, *compression)})
    return group_norm(private) if getattr(spec.model, "normalization", None) == "batch" else private


def accountable(spec: AuditSpec) -> AuditSpec:
    """Without BatchNorm; how batches are drawn is not for a setup to say."""
    return group_norm(spec) if getattr(spec.model, "normalization", None) == "batch" else spec


def stronger_promise(spec: AuditSpec) -> AuditSpec:
    """Twice the noise, which at least halves epsilon, and a delta below a tenth of what it must stay below."""

    def stronger(defense: Defense) -> Defense:
        if not isinstance(defense, DPSGD | UserLevelDP):
            return defense
        delta = min(defense.delta, 0.1 / population(spec, defense))
        return defense.model_copy(update={"noise_multiplier": 2 * defense.noise_multiplier, "delta": delta})

    return spec.model_copy(update={"defenses": tuple(map(stronger, spec.defenses))})


def secure_aggregation(spec: AuditSpec) -> AuditSpec:
    """The protocol at its defaults, which bind the model and let two thirds open an update."""
    return spec.model_copy(update={"aggregation": SecureAggregation(), "clients": max(COHORT, spec.clients)})


def sums_that_fit(spec: AuditSpec) -> AuditSpec:
    """As many bits of precision as so many clients leave room for."""
    protocol = spec.aggregation
    if not isinstance(protocol, FixedPointAggregation):
        return spec
    room = ((protocol.modulus(spec.clients) - 1) // spec.clients).bit_length() - 1
    fitting = protocol.model_copy(update={"bits": min(protocol.bits, room)})
    return spec.model_copy(update={"aggregation": fitting})


def one_round(spec: AuditSpec) -> AuditSpec:
    return spec.model_copy(update={"rounds": 1})


def verified(spec: AuditSpec) -> AuditSpec:
    """Refuse what fails a check, the client's own attempt at its update included."""
    policy = "strict" if spec.verification.policy == "strict" else "refuse"
    return spec.model_copy(update={"verification": Verification(policy=policy)})


def strictly_verified(spec: AuditSpec) -> AuditSpec:
    return spec.model_copy(update={"verification": Verification(policy="strict")})
