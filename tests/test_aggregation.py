"""What every aggregation owes: the right sum or none, and an honest account of it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from gia_core import aggregation, spec
from gia_core.aggregation.exchange import Aborted, Simulation, size
from gia_core.aggregation.fingerprint import fingerprint
from gia_core.aggregation.fixed_point import FixedPointAggregation
from gia_core.aggregation.randomness import Randomness

KINDS = spec.kinds(aggregation.Aggregation)
EVERY = [kind() for kind in KINDS.values()]
EXACT = [kind for kind in EVERY if isinstance(kind, FixedPointAggregation)]
ERROR = {"ckks": 1e-6}
"""How far from the exact sum a protocol may be, where it is not exact."""
LENGTH = 11

every = pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.name)
exact = pytest.mark.parametrize("kind", EXACT, ids=lambda kind: kind.name)


def on_the_grid(clients: int, length: int = LENGTH) -> list[np.ndarray]:
    """Updates that the default encoding represents exactly: multiples of 2^-20."""
    rng = np.random.default_rng(clients)
    return [rng.integers(-(2**21), 2**21, length) * 2.0**-20 for _ in range(clients)]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@every
def test_survives_json_and_works_with_ten_clients(kind) -> None:
    assert TypeAdapter(aggregation.Aggregation).validate_json(kind.model_dump_json()) == kind
    assert kind.objection(10) is None


@every
@pytest.mark.parametrize("as_torch", [False, True])
def test_gives_the_sum_of_all_who_stay_and_changes_no_update(kind, as_torch: bool) -> None:
    updates = on_the_grid(4)
    given = [torch.from_numpy(u.copy()).float() if as_torch else u.copy() for u in updates]
    seen = kind.exchange(given, seeded())
    assert seen.included == (0, 1, 2, 3)
    assert seen.total.dtype == np.float64
    assert seen.total == pytest.approx(sum(updates), rel=0, abs=ERROR.get(kind.name, 0))
    assert all(np.array_equal(np.asarray(g), u) for g, u in zip(given, updates, strict=True))
    assert seen.plausible
    assert seen.clipped == 0


@every
def test_shows_the_server_what_it_says_and_counts_every_byte_twice(kind) -> None:
    updates = on_the_grid(4)
    seen = kind.exchange(updates, seeded())
    assert seen.sees == kind.sees
    assert (seen.visible is None) == (kind.sees == "ciphertexts")
    read = [np.array_equal(seen.uploads[u], updates[u]) for u in range(4)]
    assert all(read) if kind.sees == "updates" else not any(read)
    assert len(seen.clients) == 4
    assert seen.server.bytes_received == sum(c.bytes_sent for c in seen.clients) > 4 * LENGTH * 4 - 1
    assert seen.server.bytes_sent == sum(c.bytes_received for c in seen.clients)
    assert all(c.seconds > 0 for c in seen.clients)
    assert seen.server.seconds > 0
    assert len(seen.rounds) == len(set(seen.rounds)) >= 1


@every
def test_the_same_seed_gives_the_same_sum(kind) -> None:
    updates = [np.random.default_rng(u).normal(size=LENGTH) for u in range(3)]
    first, again = (kind.exchange(updates, seeded(5)).total for _ in range(2))
    assert first == pytest.approx(again, rel=0, abs=2 * ERROR.get(kind.name, 0))


@every
def test_nobody_left_is_an_abort_and_not_a_sum(kind) -> None:
    for number in range(len(kind.rounds)):
        with pytest.raises(Aborted, match=r"^Too many clients dropped out: 0 of 3 .*\.$"):
            kind.exchange(on_the_grid(3), seeded(), dropouts=dict.fromkeys(range(3), number))


@every
@pytest.mark.parametrize(
    ("updates", "reason"),
    [
        ([np.ones(3), np.array([1.0, np.nan, 0.0])], "client 1 has entries that are not finite"),
        ([np.ones(3), np.array([1.0, np.inf, 0.0])], "client 1 has entries that are not finite"),
        ([np.ones(3), np.ones(4)], "all of the same length"),
        ([np.ones((3, 1)), np.ones((3, 1))], "one row of numbers"),
        ([np.ones(0), np.ones(0)], "one row of numbers"),
        ([], "one row of numbers"),
    ],
)
def test_what_cannot_be_added_is_refused(kind, updates: list[np.ndarray], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        kind.exchange(updates, seeded())


@every
@pytest.mark.parametrize("dropouts", [{4: 0}, {-1: 0}, {0: -1}, {0: 9}])
def test_an_impossible_dropout_is_refused(kind, dropouts: dict[int, int]) -> None:
    with pytest.raises(ValueError, match="cannot drop out in round"):
        kind.exchange(on_the_grid(4), seeded(), dropouts=dropouts)


@exact
def test_what_was_shared_before_its_client_fell_silent_still_counts_or_not_at_all(kind) -> None:
    """A limiting case of all protocols: silent from the first round on is the same as not having been there."""
    updates = on_the_grid(5)
    seen = kind.exchange(updates, seeded(), dropouts={2: 0})
    assert seen.included == (0, 1, 3, 4)
    assert np.array_equal(seen.total, sum(updates[u] for u in (0, 1, 3, 4)))
    assert (seen.clients[2].bytes_sent, seen.clients[2].bytes_received) == (0, 0)


@exact
def test_rounding_is_fair_and_off_by_less_than_a_step(kind) -> None:
    coarse = kind.model_copy(update={"bits": 8, "clip": 1.0})
    step = 2 * coarse.clip / 2**coarse.bits
    randomness = Randomness(b"rounding")
    value = 0.3 * step
    encoded = coarse.encode(np.full(100_000, value), randomness)
    decoded = coarse.decode(encoded, 1)
    assert np.abs(decoded - value).max() < step
    assert abs(decoded.mean() - value) < 5 * step * np.sqrt(0.3 * 0.7 / 100_000)  # 5 standard deviations
    ends = np.array([-1.0, 1.0])
    assert coarse.encode(ends, randomness).tolist() == [0, 256]


@exact
def test_the_mean_is_off_by_less_than_a_step_of_the_clipped_updates(kind) -> None:
    coarse = kind.model_copy(update={"bits": 12, "clip": 1.0})
    updates = [np.random.default_rng(u).normal(size=LENGTH) for u in range(4)]
    seen = coarse.exchange(updates, seeded())
    clipped = np.mean([np.clip(u, -1, 1) for u in updates], axis=0)
    assert np.abs(seen.total / 4 - clipped).max() < 2 / 2**12
    assert seen.clipped == pytest.approx(np.mean(np.abs(updates) > 1))
    assert seen.clipped > 0


@exact
def test_all_clients_at_the_ends_of_the_range_do_not_overflow(kind) -> None:
    updates = [np.array([kind.clip, -kind.clip])] * 5
    assert kind.exchange(updates, seeded()).total.tolist() == [5 * kind.clip, -5 * kind.clip]


@pytest.mark.parametrize("kind", [kind for kind in EXACT if kind.name != "paillier"], ids=lambda kind: kind.name)
def test_sums_that_could_overflow_are_refused(kind) -> None:
    fine = kind.model_copy(update={"bits": 28})
    most = (fine.modulus(8) - 1) >> 28
    assert most >= 7
    assert fine.objection(most) is None
    assert "does not fit" in fine.objection(most + 1)
    with pytest.raises(ValueError, match=r"does not fit; take at most \d+ clients"):
        fine.exchange([np.ones(2)] * (most + 1), seeded())


@exact
def test_one_client_alone_has_nobody_to_hide_among(kind) -> None:
    assert kind.objection(1)


@exact
@pytest.mark.parametrize("bad", [{"bits": 40}, {"bits": 0}, {"clip": 0.0}, {"clip": -1.0}, {"surprise": 1}])
def test_senseless_settings_cannot_be_made(kind, bad: dict) -> None:
    with pytest.raises(ValidationError):
        type(kind)(**bad)


def test_hashes_of_models_have_to_be_of_all_clients() -> None:
    with pytest.raises(ValueError, match="3 clients, but hashes of 2 models"):
        KINDS["secure-aggregation"]().exchange(on_the_grid(3), seeded(), models=[b"a", b"a"])


def test_the_message_sizes_are_those_of_the_parts() -> None:
    assert size(b"12345") == 5
    assert size(7) == 4
    assert size(np.zeros(3, np.uint32)) == 12
    assert size({1: b"abc", 2: [b"d", 5]}) == 4 + 3 + 4 + 1 + 4
    assert size((1, 2, 3)) == 12


def test_time_is_charged_to_whoever_computes() -> None:
    ticks = itertools.count()
    simulation = Simulation(3, ("only",), clock=lambda: float(next(ticks)))
    with simulation.client(0):
        next(ticks)
    with simulation.server():
        pass
    with simulation.client(1, 2):
        pass
    assert [cost.seconds for cost in simulation.client_costs()] == [2, 1, 1]
    assert simulation.server_cost().seconds == 1


def test_two_models_have_the_same_fingerprint_only_if_they_are_the_same() -> None:
    def build() -> torch.nn.Module:
        model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
        for number, parameter in enumerate(model.parameters()):
            torch.nn.init.constant_(parameter, number)
        return model

    one, other = build(), build()
    assert fingerprint(one) == fingerprint(other)
    assert len(fingerprint(one)) == 32
    with torch.no_grad():
        other[0].weight[0, 0] += 1e-6
    assert fingerprint(one) != fingerprint(other)
    third = build()
    third[1].running_mean[0] += 1
    assert fingerprint(one) != fingerprint(third)


def test_streams_are_uniform_and_independent_of_each_other() -> None:
    source = Randomness(b"seed")
    assert Randomness(b"seed").bytes(20) == source.bytes(20)
    assert source.of("a").bytes(20) != source.of("b").bytes(20)
    fractions = source.fractions(100_000)
    assert 0 <= fractions.min() < fractions.max() < 1
    assert abs(fractions.mean() - 0.5) < 5 / np.sqrt(12 * 100_000)
    counts = np.bincount(source.residues(5, (100, 1000)).ravel(), minlength=5)
    assert len(counts) == 5
    assert (np.abs(counts - 20_000) < 5 * np.sqrt(100_000 * 0.2 * 0.8)).all()
    numbers = [source.integer(3) for _ in range(3000)]
    assert all(abs(numbers.count(n) - 1000) < 5 * np.sqrt(3000 * 2 / 9) for n in range(3))
