"""FastSecAgg and LightSecAgg: shares add up, some say nothing, enough of them say everything."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
import torch

from gia_core.aggregation import FastSecAgg, LightSecAgg
from gia_core.aggregation.channels import Channels
from gia_core.aggregation.codes import Code, GridCode, lagrange_code, line_code
from gia_core.aggregation.exchange import Aborted, Refused
from gia_core.aggregation.fast_sec_agg import sides
from gia_core.aggregation.finite_field import (
    MERSENNE,
    inverse,
    is_prime,
    powers,
    prime_with_roots,
    product,
    root_of_unity,
)
from gia_core.aggregation.randomness import Randomness
from gia_core.aggregation.shares import ShareHolder

SMALL_GRID = ((3, 4), (1, 1), (1, 1))
CODES = {
    "lagrange": (lagrange_code(6, 3, 2, MERSENNE), 2),
    "line": (line_code(6, 2, 2), 2),
    "grid 3 x 4": (GridCode(*SMALL_GRID), 3),
    "grid 4 x 5": (GridCode((4, 5), (1, 1), (1, 1)), 3),
}
"""Codes, and how many shares say nothing."""

codes = pytest.mark.parametrize(("code", "colluders"), CODES.values(), ids=list(CODES))


def on_the_grid(clients: int) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.integers(-(2**20), 2**20, 7) * 2.0**-20 for _ in range(clients)]


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def matrix_of(code: Code) -> np.ndarray:
    """(clients, noise + secrets): how each share depends on the noise, then on the secrets."""
    noise, secrets = np.eye(code.noise, dtype=np.uint32), np.eye(code.secrets, dtype=np.uint32)
    of_noise = code.spread(np.zeros((code.secrets, code.noise), np.uint32), noise)
    of_secrets = code.spread(secrets, np.zeros((code.noise, code.secrets), np.uint32))
    return np.concatenate([of_noise, of_secrets], axis=1)


def rank(matrix: np.ndarray, prime: int) -> int:
    rows, found = [[int(entry) for entry in row] for row in matrix], 0
    for column in range(matrix.shape[1]):
        pivot = next((r for r in range(found, len(rows)) if rows[r][column]), None)
        if pivot is None:
            continue
        rows[found], rows[pivot] = rows[pivot], rows[found]
        scale = pow(rows[found][column], -1, prime)
        rows[found] = [entry * scale % prime for entry in rows[found]]
        for r in range(found + 1, len(rows)):
            if factor := rows[r][column]:
                rows[r] = [(a - factor * b) % prime for a, b in zip(rows[r], rows[found], strict=True)]
        found += 1
    return found


def says_nothing(matrix: np.ndarray, noise: int, holders: tuple[int, ...], prime: int) -> bool:
    """Whether the noise alone already makes these shares as free as noise and secrets together do."""
    held = matrix[list(holders)]
    return rank(held[:, :noise], prime) == rank(held, prime)


@pytest.mark.parametrize(
    ("kind", "counted", "last"),
    [
        (LightSecAgg(tolerance=0.45, privacy=0.2), 2, 3),
        (FastSecAgg(tolerance=0.45, privacy=0.2), 1, 2),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
@pytest.mark.parametrize("clients", [2, 3, 4, 5])
def test_every_pattern_of_dropouts_gives_the_exact_sum_or_an_abort(kind, counted, last, clients: int) -> None:
    updates, needed, stays = on_the_grid(clients), kind.needed(clients), last + 1
    assert needed > clients / 2
    outcomes = Counter()
    for pattern in itertools.product(range(stays + 1), repeat=clients):
        dropouts = {u: number for u, number in enumerate(pattern) if number != stays}
        enough = sum(number > last for number in pattern) >= needed
        try:
            seen = kind.exchange(updates, seeded(), dropouts=dropouts)
        except Aborted:
            assert not enough
            outcomes["aborted"] += 1
            continue
        assert enough
        assert seen.included == tuple(u for u, number in enumerate(pattern) if number > counted)
        assert np.array_equal(seen.total, sum(updates[u] for u in seen.included))
        outcomes["summed"] += 1
    assert outcomes["summed"] > 0
    assert outcomes["aborted"] > 0


def test_the_grid_gives_the_exact_sum_and_an_abort_where_the_losses_lie_badly() -> None:
    updates, kind = on_the_grid(12), FastSecAgg(layout="grid")
    assert np.array_equal(kind.exchange(updates, seeded(), dropouts={3: 2, 7: 2}).total, sum(updates))
    without = kind.exchange(updates, seeded(), dropouts={5: 1})
    assert np.array_equal(without.total, sum(updates) - updates[5])
    # Clients 0, 4, 9 and 1 hold two rows by two columns: no line has lost fewer than two.
    places = {(k % 3, k % 4) for k in (0, 4, 9, 1)}
    assert places == {(0, 0), (1, 0), (0, 1), (1, 1)}
    with pytest.raises(Aborted, match="same rows and columns"):
        kind.exchange(updates, seeded(), dropouts=dict.fromkeys((0, 4, 9, 1), 2))


@pytest.mark.parametrize("kind", [LightSecAgg(), FastSecAgg()], ids=lambda kind: kind.name)
def test_clients_with_different_models_do_not_add_up(kind) -> None:
    updates, models = on_the_grid(4), [b"dead"] * 3 + [b"real"]
    with pytest.raises(Aborted, match="did not receive the same model"):
        kind.exchange(updates, seeded(), models=models)
    fooled = kind.model_copy(update={"bind_model": False}).exchange(updates, seeded(), models=models)
    assert np.array_equal(fooled.total, sum(updates))


@codes
def test_shares_add_up_to_shares_of_the_sum(code: Code, colluders: int) -> None:
    source = Randomness(b"linear")
    one, other = (
        (source.residues(code.prime, (code.secrets, 3)), source.residues(code.prime, (code.noise, 3))) for _ in range(2)
    )
    both = [((a.astype(np.uint64) + b) % code.prime).astype(np.uint32) for a, b in zip(one, other, strict=True)]
    added = (code.spread(*one).astype(np.uint64) + code.spread(*other)) % code.prime
    assert np.array_equal(code.spread(*both), added)


@codes
def test_a_few_shares_say_nothing_and_one_more_may(code: Code, colluders: int) -> None:
    matrix = matrix_of(code)
    clients = range(len(matrix))
    assert all(
        says_nothing(matrix, code.noise, holders, code.prime) for holders in itertools.combinations(clients, colluders)
    )
    assert not all(
        says_nothing(matrix, code.noise, holders, code.prime)
        for holders in itertools.combinations(clients, colluders + 1)
    )


@pytest.mark.parametrize("name", ["lagrange", "line"])
def test_any_shares_that_are_enough_give_the_same_and_one_less_gives_nothing(name: str) -> None:
    code, _ = CODES[name]
    source = Randomness(b"any")
    secrets = source.residues(code.prime, (code.secrets, 4))
    shares = code.spread(secrets, source.residues(code.prime, (code.noise, 4)))
    size = code.secrets + code.noise
    for holders in itertools.combinations(range(len(shares)), size):
        assert np.array_equal(code.recover({h: shares[h] for h in holders}), secrets)
    for holders in itertools.combinations(range(len(shares)), size - 1):
        assert code.recover({h: shares[h] for h in holders}) is None


def test_a_grid_is_a_fourier_transform_in_one_dimension_in_another_order() -> None:
    code, clients = GridCode(*SMALL_GRID), 12
    prime = code.prime
    coefficients = matrix_of(code)
    # The shares of one secret alone are powers of a root of unity of order 12 or less.
    for column in coefficients.T:
        ratio = int(column[1]) * pow(int(column[0]), -1, prime) % prime
        assert pow(ratio, clients, prime) == 1
        assert column.tolist() == [int(column[0]) * pow(ratio, k, prime) % prime for k in range(clients)]
    assert len({tuple(column) for column in coefficients.T}) == coefficients.shape[1]


@pytest.mark.parametrize("grid", [SMALL_GRID, ((5, 7), (2, 1), (1, 2))], ids=str)
def test_a_grid_makes_up_for_all_losses_that_leave_each_line_enough(grid) -> None:
    code, (rows, columns), zeros = GridCode(*grid), grid[0], grid[1]
    source = Randomness(b"losses")
    secrets = source.residues(code.prime, (code.secrets, 2))
    shares = dict(enumerate(code.spread(secrets, source.residues(code.prime, (code.noise, 2)))))
    lines = [[k for k in shares if k % rows == row] for row in range(rows)]
    columns_of = [[k for k in shares if k % columns == column] for column in range(columns)]
    for line, most in [*((line, zeros[1]) for line in lines), *((line, zeros[0]) for line in columns_of)]:
        for lost in itertools.combinations(line, most):
            left = {k: share for k, share in shares.items() if k not in lost}
            assert np.array_equal(code.recover(left), secrets)
    whole_row = {k: share for k, share in shares.items() if k % rows != 0}
    assert np.array_equal(code.recover(whole_row), secrets)
    square = {k for k in shares if k % rows <= zeros[0] and k % columns <= zeros[1]}
    assert code.recover({k: share for k, share in shares.items() if k not in square}) is None
    assert code.recover({}) is None


def test_a_share_holder_answers_once_and_for_enough_clients_only() -> None:
    channels = [Channels(u, Randomness(bytes([u]))) for u in range(4)]
    for channel in channels:
        channel.meet({u: c.public for u, c in enumerate(channels)})
    shares = [np.array([MERSENNE - 1, u], np.uint32) for u in range(4)]
    sealed = {u: channels[u].seal(0, shares[u].tobytes()) for u in range(4)}
    holder = ShareHolder(channels[0], sealed, 3, MERSENNE)
    with pytest.raises(Refused, match="it takes at least 3"):
        holder.sum_of([1, 2])
    with pytest.raises(Refused, match="no share of client 9"):
        holder.sum_of([1, 2, 9])
    assert holder.sum_of([0, 1, 2]).tolist() == [MERSENNE - 3, 3]
    assert holder.sum_of([2, 1, 0]).tolist() == [MERSENNE - 3, 3]
    with pytest.raises(Refused, match="second set"):
        holder.sum_of([0, 1, 2, 3])


def test_masked_uploads_are_uniform() -> None:
    seen = LightSecAgg().exchange([np.zeros(50_000)] * 4, seeded())
    for upload in seen.uploads.values():
        counts = np.bincount(upload >> 23, minlength=256)
        expected = len(upload) / 256
        chi_square = float(((counts - expected) ** 2 / expected).sum())
        assert 120 < chi_square < 391  # 255 degrees of freedom, six standard deviations


@pytest.mark.parametrize(
    ("kind", "clients", "reason"),
    [
        (LightSecAgg(privacy=0.8), 10, "no room"),
        (FastSecAgg(privacy=0.8), 10, "no room"),
        (FastSecAgg(layout="grid", privacy=0.7), 12, "no room"),
        (FastSecAgg(layout="grid"), 10, "A grid of 10 clients is not possible"),
        (FastSecAgg(layout="grid"), 16, "A grid of 16 clients is not possible"),
    ],
    ids=str,
)
def test_numbers_of_clients_that_do_not_fit_are_refused(kind, clients: int, reason: str) -> None:
    assert reason in kind.objection(clients)
    with pytest.raises(ValueError, match=reason):
        kind.exchange(on_the_grid(clients), seeded())


def test_the_sides_of_a_grid_have_no_common_divisor() -> None:
    assert [(n, sides(n)) for n in range(1, 31) if sides(n)] == [
        (12, (3, 4)),
        (15, (3, 5)),
        (20, (4, 5)),
        (21, (3, 7)),
        (24, (3, 8)),
        (28, (4, 7)),
        (30, (5, 6)),
    ]


@pytest.mark.parametrize("terms", [1, 3, 7, 64, 65, 200])
def test_products_are_exact_at_the_largest_residues(terms: int) -> None:
    """Where sums of 64-bit products overflow."""
    left = np.full((2, terms), MERSENNE - 1, np.uint32)
    right = np.random.default_rng(0).integers(MERSENNE - 5, MERSENNE, (terms, 3)).astype(np.uint32)
    exact = [
        [sum(int(a) * int(b) for a, b in zip(row, column, strict=True)) % MERSENNE for column in right.T]
        for row in left
    ]
    assert product(left, right, MERSENNE).tolist() == exact


def test_an_inverse_undoes_and_a_singular_matrix_has_none() -> None:
    matrix = powers([3, 5, 8, 9], 4, MERSENNE)
    assert product(matrix, inverse(matrix, MERSENNE), MERSENNE).tolist() == np.eye(4).tolist()
    swapped = np.array([[0, 1], [1, 0]], np.uint32)
    assert inverse(swapped, 5).tolist() == swapped.tolist()
    with pytest.raises(ValueError, match="no inverse"):
        inverse(np.array([[1, 2], [2, 4]], np.uint32), 5)


@pytest.mark.parametrize(("order", "prime"), [(20, 2147482921), (42, 2147483647), (240, 2147482801)])
def test_the_primes_are_the_largest_that_have_such_roots_of_unity(order: int, prime: int) -> None:
    assert prime_with_roots(order) == prime
    root = root_of_unity(order, prime)
    assert len({pow(root, k, prime) for k in range(order)}) == order
    assert pow(root, order, prime) == 1


def test_primes_are_told_from_other_numbers() -> None:
    small = [n for n in range(200) if is_prime(n)]
    assert small == [n for n in range(2, 200) if all(n % d for d in range(2, n))]
    assert is_prime(MERSENNE)
    assert not is_prime(2047 * 4093)
    assert not is_prime(25326001)  # passes for prime with the bases 2, 3 and 5
