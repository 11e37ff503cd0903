"""When the rules of the training protocol apply; pure."""

from __future__ import annotations

import math

from ..aggregation.coalition import is_bound
from ..aggregation.fixed_point import FixedPointAggregation
from ..clients import FedAvg, FedSGD
from ..defenses import (
    ATS,
    Clipping,
    GaussianNoise,
    InstaHide,
    LaplaceNoise,
    MixUp,
    Precode,
    Pruning,
    Quantization,
    Soteria,
)
from ..defenses.stacking import promise
from .formal import delta_is_small, private_defense
from .rules import Setup

UNROLLED = 16
"""Images up to which an attack can follow several local steps."""
WEAK_EPSILON = 10.0
SMALL_COHORT = 5


def takes_one_step(setup: Setup) -> bool:
    return setup.spec.client.local_steps(setup.spec.batch_size) == 1


def is_gradient_of(setup: Setup, images: range) -> bool:
    """Whether the server can read the gradient of so many images; a sum over clients counts as one large batch."""
    return isinstance(setup.spec.client, FedSGD) and setup.images in images


def can_be_unrolled(setup: Setup) -> bool:
    spec = setup.spec
    known = isinstance(spec.client, FedAvg) and spec.knowledge.local_training == "exact"
    return known and not takes_one_step(setup) and 0 < setup.images <= UNROLLED


def has_distinct_labels(setup: Setup) -> bool:
    of_one_client = setup.images == setup.spec.batch_size
    return of_one_client and (setup.images == 1 or setup.spec.victim.labels == "different")


def promises_nothing(setup: Setup) -> bool:
    return private_defense(setup.spec) is None


def has_half_a_mechanism(setup: Setup) -> bool:
    """Whether there is clipping or noise, but not both as one mechanism."""
    halves = any(isinstance(d, Clipping | GaussianNoise | LaplaceNoise) for d in setup.spec.defenses)
    return promises_nothing(setup) and (halves or promise(setup.spec.defenses) is not None)


def counts_epsilon_wrongly(setup: Setup) -> bool:
    mixes_images = getattr(setup.spec.model, "normalization", None) == "batch"
    return not promises_nothing(setup) and (mixes_images or setup.deployment.fixed_batches)


def promises_little(setup: Setup) -> bool:
    if promises_nothing(setup):
        return False
    return (setup.epsilon is not None and setup.epsilon > WEAK_EPSILON) or not delta_is_small(setup.spec)


def only_disguises(setup: Setup) -> bool:
    """Whether one of the defenses that published adaptive attacks broke stands there without any formal one."""
    broken = any(isinstance(d, Soteria | Precode | ATS | MixUp | InstaHide) for d in setup.spec.defenses)
    return broken and promises_nothing(setup)


def averages_noise_away(setup: Setup) -> bool:
    """Whether one batch is sent again and again."""
    return setup.spec.rounds > 1


def only_compresses(setup: Setup) -> bool:
    """Whether all that protects is sending fewer entries, or fewer bits of each, while enough is left to attack."""
    defenses = [d for d in setup.spec.defenses if not (isinstance(d, Quantization) and d.scheme == "fp32")]
    return bool(defenses) and all(
        (isinstance(d, Pruning) and d.ratio < 0.99) or (isinstance(d, Quantization) and bits(d) >= 4) or is_sign(d)
        for d in defenses
    )


def is_sign(defense: object) -> bool:
    return isinstance(defense, Quantization) and defense.scheme == "sign"


def bits(defense: Quantization) -> float:
    """Of one entry."""
    by_scheme = {"fp32": 32.0, "fp16": 16.0, "int8": 8.0, "sign": 1.0}
    return by_scheme.get(defense.scheme, math.log2(2 * defense.levels + 1))


def shows_single_updates(setup: Setup) -> bool:
    return setup.spec.aggregation.sees == "updates"


def hides_in_too_little(setup: Setup) -> bool:
    """Whether a sum is all that the server sees, but can be undone, by few colluding clients or by a second model.

    Every protocol here takes more than half of the clients; against a malicious server it has to be two thirds.
    """
    spec, protocol = setup.spec, setup.spec.aggregation
    if protocol.sees != "aggregate":
        return False
    few = spec.knowledge.malicious_server and 3 * protocol.opened_by(spec.clients) < 2 * spec.clients
    return few or spec.clients < SMALL_COHORT or not is_bound(protocol) or setup.deployment.same_cohort


def adds_up_wrongly(setup: Setup) -> bool:
    """Whether sums do not fit into the numbers of the protocol, or entries are cut before they are added."""
    protocol = setup.spec.aggregation
    if not isinstance(protocol, FixedPointAggregation):
        return False
    overflows = setup.spec.clients << protocol.bits >= protocol.modulus(setup.spec.clients)
    return overflows or setup.deployment.entries_cut_off


def hides_behind_one_key(setup: Setup) -> bool:
    return setup.spec.aggregation.sees == "ciphertexts"
