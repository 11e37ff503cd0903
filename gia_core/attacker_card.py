"""The attacker of a setup in words: what it is granted, what it has to do without, and how long it may search; pure."""

from __future__ import annotations

from typing import get_args

from . import titles
from .attacks.inversion import InStages
from .clients import LocalTraining
from .component import Component
from .spec import AuditSpec

IN_WORDS = {
    "labels": "the label of every image",
    "local_training": "how the client trains locally",
    "defense": "which defense the client uses",
    "batch_norm": "the statistics in the BatchNorm layers",
    "public_data": "other images of the same kind",
    "single_updates": "updates of single images with known labels, which other clients send round after round",
    "malicious_server": "the power to change the model that it sends",
    "dead_models": "the power to send all other clients a dead model",
    "colluding_clients": "what other clients know",
}
"""Fields of ``Knowledge`` as noun phrases."""


def granted(spec: AuditSpec) -> list[str]:
    """What the attacker knows, one phrase each."""
    batch = titles.plural(spec.images_attacked, "private image")
    known = [
        f"the model with all its weights{' in every round' if spec.rounds > 1 else ''}",
        sent(spec),
        f"that {'each comes' if not spec.left else 'it comes' if spec.rounds == 1 else 'they come'} from {batch}",
        "how many classes there are",
    ]
    for name, value in spec.knowledge:
        if value is True:
            known.append(in_words(name))
        elif isinstance(value, int) and value:
            known.append(f"{in_words(name)} ({value} of {spec.clients - 1})")
        elif isinstance(value, str) and value != "none" and matters(name, spec):
            known.append(f"{in_words(name)} ({value})")
    if hasattr(spec.attack, "prior"):
        known.append("a prior: a generator that has learned what pictures of some kind look like")
    return known


def sent(spec: AuditSpec) -> str:
    """What comes from the clients, once or again and again, as far as the server can read it."""
    if spec.control == "random-update":
        return "random numbers in place of the update: this run is a control"
    kind = titles.title(type(spec.client))
    often = "" if spec.rounds == 1 else f" in {spec.rounds:,} rounds"
    if spec.clients == 1 and spec.left:
        what = "update that the client sends" if spec.rounds == 1 else "updates that the client sends"
        return f"the {what}{often} ({kind})"
    by = f"{kind}, {titles.title(type(spec.aggregation))}"
    if not spec.left:
        return f"encrypted or masked updates of {spec.clients} clients{often}, and no key to them ({by})"
    if len(spec.left) > 1:
        return f"the sum of the updates of {len(spec.left)} clients{often} ({by})"
    if spec.aggregation.sees == "updates":
        return f"the update of one of {spec.clients} clients{often}: each is sent in the open ({kind})"
    return f"the update of one of {spec.clients} clients{often}, singled out ({by})"


def withheld(spec: AuditSpec) -> list[str]:
    """What the attacker has to do without."""
    missing = ["the images"]
    for name, value in spec.knowledge:
        if value in (False, "none") and matters(name, spec):
            missing.append(in_words(name))
    return missing


def in_words(name: str) -> str:
    """A field of ``Knowledge`` as a noun phrase."""
    return IN_WORDS.get(name, titles.label(name).lower())


def matters(name: str, spec: AuditSpec) -> bool:
    """Whether there is anything in this setup that the attacker could know of."""
    match name:
        case "local_training":
            return any(spec.client.believed(known) != spec.client for known in get_args(LocalTraining))
        case "defense":
            return bool(spec.defenses)
        case "dead_models" | "colluding_clients":
            return spec.clients > 1 and spec.aggregation.sees != "updates"
        case "single_updates":
            return name in spec.attack.needs.knowledge
        case "batch_norm":
            return getattr(spec.model, "normalization", None) == "batch"
    return True


def planned_iterations(attack: Component) -> int:
    """If no trial ends early; closed forms take one, an attack that leaves the search to another as many as that."""
    if isinstance(attack, InStages):
        return attack.planned
    own = int(getattr(attack, "iterations", 1) * getattr(attack, "restarts", 1))
    return max([own, *(planned_iterations(part) for _, part in attack if isinstance(part, Component))])
