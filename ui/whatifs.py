"""What can still be tried against a sum of several clients' updates: setups that a button starts from; pure."""

from __future__ import annotations

from collections.abc import Iterator

from gia_core.attacks.analytic.label_counts import LabelCounts
from gia_core.spec import AuditSpec, Knowledge

from .remedies import Remedy

HONEST = {"malicious_server": False, "dead_models": False, "colluding_clients": 0}


def what_ifs(spec: AuditSpec) -> Iterator[Remedy]:
    """One setup per attack on the aggregation that is not this one; none where every update is in the open."""
    kind = spec.aggregation
    if kind.sees == "updates" or spec.clients < 2:
        return
    if kind.sees == "aggregate":
        if spec.attack.name != "label-counts":
            honest = but(spec, labels=False, **HONEST)
            yield Remedy("Count the labels", spec.model_copy(update={"attack": LabelCounts(), "knowledge": honest}))
        if not spec.knowledge.dead_models:
            lured = but(spec, **HONEST | {"malicious_server": True, "dead_models": True})
            yield Remedy("Send a dead model to all others", spec.model_copy(update={"knowledge": lured}))
        elif getattr(kind, "bind_model", False):
            loose = type(kind).model_validate(dict(kind) | {"bind_model": False})
            yield Remedy("The same without binding to the model", spec.model_copy(update={"aggregation": loose}))
    enough = min(kind.opened_by(spec.clients), spec.clients - 1)
    if spec.knowledge.colluding_clients < enough:
        who = "one client" if enough == 1 else f"{enough} clients"
        helped = but(spec, **HONEST | {"colluding_clients": enough})
        yield Remedy(f"Win over {who}", spec.model_copy(update={"knowledge": helped}))


def but(spec: AuditSpec, **changes: bool | int) -> Knowledge:
    """What the attacker is granted, with some facts changed."""
    return Knowledge.model_validate(dict(spec.knowledge) | changes)
