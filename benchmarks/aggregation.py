"""What each aggregation costs beside a plain sum, and how exact it is: benchmarks/aggregation.py.

All clients and the server compute one after the other in this process. Two clients drop out at the most expensive
moment: after they have shared their secrets, before they send their update. Paillier and CKKS have no such moment;
there the two never send. Three promises: secure aggregation of 10 clients with 1e6 parameters each takes less than 3
seconds in all and its sum of whole numbers is exact; CKKS for the same is off by less than 1e-6.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # callable from anywhere, without installing

from gia_core.aggregation import CKKS, Aggregation, FastSecAgg, LightSecAgg, Paillier, PlainSum, SecureAggregation
from gia_core.aggregation.exchange import Exchange

SECONDS, ERROR = 3.0, 1e-6
GRID_CLIENTS = 12  # ten are no product of two coprime numbers above 2
DROPPED = (1, 2)


class Case(NamedTuple):
    title: str
    kind: Aggregation
    clients: int
    parameters: int
    dropouts: dict[int, int]


class Result(NamedTuple):
    seconds: float
    error: float
    seen: Exchange


def cases(clients: int, parameters: int, paillier_parameters: int) -> list[Case]:
    def both(number: int) -> dict[int, int]:
        return dict.fromkeys(DROPPED, number)

    return [
        Case("none", PlainSum(), clients, parameters, both(0)),
        Case("secure-aggregation", SecureAggregation(), clients, parameters, both(2)),
        Case("fast-sec-agg, line", FastSecAgg(), clients, parameters, both(2)),
        Case("fast-sec-agg, grid", FastSecAgg(layout="grid"), GRID_CLIENTS, parameters, both(2)),
        Case("light-sec-agg", LightSecAgg(), clients, parameters, both(2)),
        Case("ckks", CKKS(), clients, parameters, both(0)),
        Case("paillier", Paillier(), clients, paillier_parameters, both(0)),
    ]


def carry_out(case: Case, repeats: int) -> Result:
    """The median time, and the largest error against whole numbers that are added exactly."""
    rng = np.random.default_rng(0)
    # Multiples of 2^-20, which the encoding represents exactly, so that any difference is an error of the protocol.
    integers = [rng.integers(-(2**21), 2**21, case.parameters) for _ in range(case.clients)]
    updates = [row * 2.0**-20 for row in integers]
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        seen = case.kind.exchange(updates, torch.Generator().manual_seed(0), dropouts=case.dropouts)
        times.append(time.perf_counter() - begun)
    exact = sum(integers[u] for u in seen.included) * 2.0**-20
    return Result(statistics.median(times), float(np.abs(seen.total - exact).max()), seen)


def show(case: Case, result: Result, plain: float) -> None:
    seen = result.seen
    stayed = [u for u in range(case.clients) if u not in case.dropouts]
    up = statistics.mean(seen.clients[u].bytes_sent for u in stayed) / case.parameters
    down = statistics.mean(seen.clients[u].bytes_received for u in stayed) / case.parameters
    client = statistics.mean(seen.clients[u].seconds for u in stayed)
    rate = case.clients * case.parameters / result.seconds
    print(
        f"{case.title:19} {case.clients:7} {case.parameters:10,} {len(seen.rounds):6} {result.seconds:8.3f} "
        f"{client:9.3f} {seen.server.seconds:9.3f} {up:8.2f} {down:8.2f} {rate / 1e6:9.3f} {plain / rate:9.1f} "
        f"{result.error:9.1e}",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=10)
    parser.add_argument("--parameters", type=int, default=1_000_000)
    parser.add_argument("--paillier-parameters", type=int, default=5_000, help="fewer, since it is that slow")
    parser.add_argument("--repeats", type=int, default=3, help="of all but the two encryptions, which run once")
    options = parser.parse_args()
    print(f"numpy {np.__version__}, one process, {len(DROPPED)} dropouts; bytes are per parameter and client")
    print(
        f"{'aggregation':19} {'clients':>7} {'parameters':>10} {'rounds':>6} {'all s':>8} {'client s':>9} "
        f"{'server s':>9} {'bytes up':>8} {'down':>8} {'million/s':>9} {'x slower':>9} {'error':>9}"
    )
    results: dict[str, Result] = {}
    plain = 0.0
    for case in cases(options.clients, options.parameters, options.paillier_parameters):
        result = carry_out(case, 1 if case.kind.sees == "ciphertexts" else options.repeats)
        plain = plain or case.clients * case.parameters / result.seconds
        results[case.kind.name] = result
        show(case, result, plain)
    secure, ckks = results["secure-aggregation"], results["ckks"]
    kept = {
        f"secure aggregation under {SECONDS:g} s in all: {secure.seconds:.2f} s": secure.seconds < SECONDS,
        "its sum is exact": secure.error == 0,
        f"CKKS off by less than {ERROR:g}: {ckks.error:.1e}": ckks.error < ERROR,
    }
    for promise, held in kept.items():
        print(f"{'met' if held else 'missed':6} {promise}")
    return 0 if all(kept.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
