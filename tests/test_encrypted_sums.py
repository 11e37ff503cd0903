"""Paillier and CKKS: clients can read the sum, the server cannot read anything."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import tenseal
import torch

from gia_core.aggregation import CKKS, Paillier, ckks_keys, paillier_keys
from gia_core.aggregation.ckks import LIMIT
from gia_core.aggregation.exchange import Aborted


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="module")
def paillier() -> paillier_keys.ClientKey:
    return paillier_keys.ClientKey(2048, 5)


@pytest.fixture(scope="module")
def ckks() -> ckks_keys.ClientKey:
    return ckks_keys.ClientKey()


@pytest.mark.parametrize("clients", [1, 2, 3])
def test_ckks_sums_for_every_pattern_of_dropouts(clients: int) -> None:
    updates = [np.random.default_rng(u).normal(size=3) for u in range(clients)]
    for pattern in itertools.product(range(3), repeat=clients):
        dropouts = {u: number for u, number in enumerate(pattern) if number < 2}
        senders = [u for u in range(clients) if pattern[u] > 0]
        if 2 not in pattern:
            with pytest.raises(Aborted):
                CKKS().exchange(updates, seeded(), dropouts=dropouts)
            continue
        seen = CKKS().exchange(updates, seeded(), dropouts=dropouts)
        assert seen.included == tuple(senders)
        assert np.abs(seen.total - sum(updates[u] for u in senders)).max() < 1e-6


def test_ckks_sums_for_every_set_of_senders(ckks: ckks_keys.ClientKey) -> None:
    updates = [np.random.default_rng(u).normal(size=50) for u in range(5)]
    sealed = [ckks.encrypt(update) for update in updates]
    for count in range(1, 6):
        for senders in itertools.combinations(range(5), count):
            server = ckks_keys.ServerKey(ckks.public())
            for u in senders:
                server.add(sealed[u])
            assert np.abs(ckks.decrypt(server.total()) - sum(updates[u] for u in senders)).max() < 1e-6


def test_paillier_sums_for_every_set_of_senders(paillier: paillier_keys.ClientKey) -> None:
    words = [np.random.default_rng(u).integers(0, 2**24, 60).astype(np.uint32) for u in range(5)]
    sealed = [paillier.encrypt(row) for row in words]
    for count in range(1, 6):
        for senders in itertools.combinations(range(5), count):
            server = paillier_keys.ServerKey(paillier.public)
            for u in senders:
                server.add(sealed[u])
            total = paillier.decrypt(server.total())[:60]
            assert np.array_equal(total, sum(words[u].astype(np.uint64) for u in senders))


def test_paillier_gives_the_exact_sum_of_those_who_stay() -> None:
    updates = [np.arange(-60, 60) * 2.0**-20 * (u + 1) for u in range(3)]
    seen = Paillier().exchange(updates, seeded(), dropouts={0: 0, 1: 1})
    assert seen.included == (1, 2)
    assert np.array_equal(seen.total, updates[1] + updates[2])
    with pytest.raises(Aborted):
        Paillier().exchange(updates, seeded(), dropouts={0: 0, 1: 1, 2: 1})


def test_the_ckks_server_adds_but_cannot_decrypt(ckks: ckks_keys.ClientKey) -> None:
    server = ckks_keys.ServerKey(ckks.public())
    assert server.context.is_public()
    sealed = [ckks.encrypt(np.array([1.5, -2.0])), ckks.encrypt(np.array([0.25, 4.0]))]
    for message in sealed:
        server.add(message)
        with pytest.raises(ValueError, match="secret"):
            tenseal.ckks_vector_from(server.context, message).decrypt()
    assert ckks.decrypt(server.total()) == pytest.approx([1.75, 2.0], abs=1e-6)
    with pytest.raises(ValueError, match="nothing to add"):
        server.total()


def test_another_clients_key_does_not_open_a_ckks_ciphertext(ckks: ckks_keys.ClientKey) -> None:
    opened = ckks_keys.ClientKey().decrypt(ckks.encrypt(np.array([1.0, 2.0])))
    assert np.abs(opened - [1.0, 2.0]).min() > 1


def test_ckks_handles_more_than_one_block_and_keeps_its_error() -> None:
    updates = [np.random.default_rng(u).normal(size=5000) for u in range(4)]
    seen = CKKS().exchange(updates, seeded())
    assert seen.total.shape == (5000,)
    assert np.abs(seen.total - sum(updates)).max() < 1e-6
    assert seen.clients[0].bytes_sent / 5000 > 20  # a ciphertext is several times as long as 4 bytes for each number


def test_ckks_refuses_sums_that_would_overflow() -> None:
    fits = [np.array([0.99 * LIMIT / 2])] * 2
    assert CKKS().exchange(fits, seeded()).total == pytest.approx([0.99 * LIMIT], abs=1e-5)
    with pytest.raises(ValueError, match="sums below 8192"):
        CKKS().exchange([np.array([LIMIT / 2])] * 2, seeded())


def test_the_paillier_server_holds_no_secret_and_sees_no_repetition(paillier: paillier_keys.ClientKey) -> None:
    server = paillier_keys.ServerKey(paillier.public)
    held = {name for value in (server, server.public) for name in vars(value)}
    assert held.isdisjoint({"p", "q", "private_key", "_private"})
    zeros = np.zeros(3, np.uint32)
    first, second = paillier.encrypt(zeros), paillier.encrypt(zeros)
    assert first != second
    assert not paillier.decrypt(first).any()
    assert not paillier.decrypt(second).any()


def test_another_key_does_not_open_a_paillier_ciphertext(paillier: paillier_keys.ClientKey) -> None:
    other = paillier_keys.ClientKey(2048, 5)
    number = int.from_bytes(paillier.encrypt(np.ones(1, np.uint32))[0], "little")
    assert other._private.raw_decrypt(number % other.public.nsquare) != 1


def test_slots_have_room_for_the_largest_sum_and_refuse_what_is_larger(paillier: paillier_keys.ClientKey) -> None:
    largest = np.full(60, 2**28, np.uint32)
    clients = 2047  # the sum needs 39 bits, and a slot has 40
    server = paillier_keys.ServerKey(paillier.public)
    sealed = paillier.encrypt(largest)
    for _ in range(clients):
        server.add(sealed)
    assert set(paillier.decrypt(server.total())[:60].tolist()) == {clients * 2**28}
    with pytest.raises(ValueError, match="slot of 5 bytes"):
        paillier.encrypt(np.array([2**40], np.uint64))


@pytest.mark.parametrize(("clients", "bits"), [(2, 8), (10, 24), (128, 24), (129, 24), (1000, 28)])
def test_there_is_always_a_guard_bit_to_spare(clients: int, bits: int) -> None:
    kind = Paillier(bits=bits)
    assert 2 * clients * 2**bits <= kind.modulus(clients)
    assert kind.objection(clients) is None
