"""What an attacker can still try against a protocol, told beside every run that adds updates up; without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..types import Table
from .coalition import is_bound

if TYPE_CHECKING:
    from . import Aggregation

TITLE = "What remains"

SUM, CIPHERTEXTS = "aggregate", "ciphertexts"


def remains(kind: Aggregation, clients: int) -> Table | None:
    """None where every update is in the open anyway."""
    if kind.sees == "updates" or clients < 2:
        return None
    rows = (label_counts(kind), dead_model(kind), collusion(kind, clients), next_model(kind))
    return Table(TITLE, ("what the server can try", "works", "why"), rows)


def label_counts(kind: Aggregation) -> tuple[str, str, str]:
    what = "count the labels"
    if kind.sees == CIPHERTEXTS:
        return what, "no", "the counts are read off the sum, and the server cannot read it"
    return what, "partly", "the sum tells how often each class occurs among all clients, not with whom"


def dead_model(kind: Aggregation) -> tuple[str, str, str]:
    what = "send a dead model to all but one client"
    if kind.sees == CIPHERTEXTS:
        return what, "no", "it singles one update out of a sum that the server cannot read"
    if is_bound(kind):
        return what, "no", "clients bind what they exchange to the model that they received, so there is no sum"
    return what, "yes", "all others add zeros, so the sum is that client's update"


def collusion(kind: Aggregation, clients: int) -> tuple[str, str, str]:
    if kind.sees == CIPHERTEXTS:
        return "win over one client", "yes", "all clients hold the same key, which opens every update"
    enough = kind.opened_by(clients)
    if enough < clients - 1:
        return f"win over {enough} clients", "yes", "together they hold enough shares to open every update"
    return f"win over {clients - 1} clients", "yes", "the sum less their own updates is that of the one who is left"


def next_model(kind: Aggregation) -> tuple[str, str, str]:
    what = "look at the next model"
    if kind.sees == CIPHERTEXTS:
        return what, "partly", "whoever receives it learns the sum, as the change since the last one"
    return what, "no", "it is made from the sum, which the server has already"
