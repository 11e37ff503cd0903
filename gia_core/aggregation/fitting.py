"""What several clients and a protocol ask of the rest of the setup; pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..component import Objection
from .coalition import Coalition

if TYPE_CHECKING:
    from . import Aggregation


def objections(
    kind: Aggregation, *, clients: int, dropouts: int, rule: str, coalition: Coalition, malicious: bool
) -> Iterator[Objection]:
    """Every reason why these do not fit; ``rule`` is the name of the clients' rule, ``malicious`` is the server."""
    if rule == "vertical" and (clients > 1 or kind.sees != "updates"):
        yield Objection("client", "Vertical clients hold parts of the same images: take one client and no aggregation.")
    if reason := kind.objection(clients):
        yield Objection("clients", reason)
    if dropouts >= clients and dropouts:
        yield Objection("dropouts", f"Of {clients} clients at most {clients - 1} can drop out: one has to send.")
    yield from of_attackers(kind, clients, coalition, malicious=malicious)


def of_attackers(kind: Aggregation, clients: int, coalition: Coalition, *, malicious: bool) -> Iterator[Objection]:
    """What is granted, but makes no sense here."""
    colluding, dead = "knowledge.colluding_clients", "knowledge.dead_models"
    if coalition.colluding >= clients and coalition.colluding:
        yield Objection(colluding, f"Of {clients} clients at most {clients - 1} can collude: one is audited.")
    elif coalition.colluding and kind.sees == "updates":
        yield Objection(colluding, "Nobody has to collude where the server sees every update: set it to 0.")
    if not coalition.dead_models:
        return
    if not malicious:
        reason = "Only a malicious server sends dead models: grant that it is one, too."
        yield Objection("knowledge.malicious_server", reason)
    if coalition.colluding:
        yield Objection(colluding, "Dead models or colluding clients: grant one of the two at a time.")
    if kind.sees == "updates":
        yield Objection(dead, "Dead models single out an update that the server sees anyway: withhold them.")
    elif kind.sees == "ciphertexts":
        yield Objection(dead, "Dead models single an update out of a sum, which the server cannot read: withhold them.")
