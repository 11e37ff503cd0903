"""What an exchange took, beside a plain sum of the same updates, as a table."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import mean
from typing import TypeAlias

from ..types import Table
from .exchange import Cost, Exchange

TITLE = "What the aggregation cost"
PLAIN = "none"

Row: TypeAlias = tuple[str, str, int, int, int, float]


def costs(name: str, seen: Exchange, plain: Exchange) -> Table:
    """``name`` is that of the protocol, ``plain`` what came of the same updates in a plain sum."""
    lines = list(rows(name, seen)) + ([] if name == PLAIN else list(rows("plain sum", plain)))
    clients, numbers = len(seen.clients), len(seen.total)
    note = (
        f"Measured in the first round, in one process: {clients} clients with {numbers:,} numbers each. For a client "
        "it is the mean over those who stayed; time is what was computed, without waiting for a network."
    )
    if gone := clients - len(seen.included):
        note += f" {gone} fell silent before sending an update."
    if seen.clipped:
        note += f" {seen.clipped:.2%} of the entries were cut to the range that the protocol can add."
    if seen.sees == "ciphertexts":
        note += " Keys are made beforehand and not counted."
    columns = ("aggregation", "who", "rounds", "bytes sent", "bytes received", "milliseconds")
    return Table(TITLE, columns, tuple(lines), note)


def rows(name: str, seen: Exchange) -> Iterator[Row]:
    """One for a client, one for the server."""
    stayed = [seen.clients[client] for client in seen.included]
    client = Cost(
        round(mean(cost.bytes_sent for cost in stayed)),
        round(mean(cost.bytes_received for cost in stayed)),
        mean(cost.seconds for cost in stayed),
    )
    for who, cost in (("each client", client), ("server", seen.server)):
        yield name, who, len(seen.rounds), cost.bytes_sent, cost.bytes_received, milliseconds(cost.seconds)


def milliseconds(seconds: float) -> float:
    """Whole ones from a hundred on, microseconds below."""
    return round(1000 * seconds) if seconds >= 0.1 else round(1000 * seconds, 3)
