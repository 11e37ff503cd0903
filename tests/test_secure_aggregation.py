"""Secure aggregation: the sum is right for every pattern of dropouts, and nothing else can be read."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
import torch

from gia_core.aggregation import SecureAggregation, shamir
from gia_core.aggregation.channels import Channels, KeyPair, mask
from gia_core.aggregation.exchange import Aborted, Refused
from gia_core.aggregation.pairwise_masks import Client, Server, Shares, pair_purpose
from gia_core.aggregation.randomness import Randomness

STAYS = 4
"""In place of the round in which a client drops out."""


def on_the_grid(clients: int) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.integers(-(2**20), 2**20, 5) * 2.0**-20 for _ in range(clients)]


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("clients", [2, 3, 4, 5])
def test_every_pattern_of_dropouts_gives_the_exact_sum_or_an_abort(clients: int) -> None:
    updates, kind = on_the_grid(clients), SecureAggregation(threshold=0.5)
    needed = clients // 2 + 1
    assert kind.needed(clients) == needed
    outcomes = Counter()
    for pattern in itertools.product(range(STAYS + 1), repeat=clients):
        dropouts = {u: number for u, number in enumerate(pattern) if number != STAYS}
        try:
            seen = kind.exchange(updates, seeded(), dropouts=dropouts)
        except Aborted:
            assert sum(number > 3 for number in pattern) < needed
            outcomes["aborted"] += 1
            continue
        assert sum(number > 3 for number in pattern) >= needed
        assert seen.included == tuple(u for u, number in enumerate(pattern) if number > 2)
        assert np.array_equal(seen.total, sum(updates[u] for u in seen.included))
        outcomes["summed"] += 1
    assert outcomes["summed"] > 0
    assert outcomes["aborted"] > 0


@pytest.mark.parametrize(("clients", "needed"), [(2, 2), (3, 3), (4, 3), (6, 5), (9, 7), (10, 7), (30, 21)])
def test_more_than_two_thirds_have_to_stay_unless_it_is_set_otherwise(clients: int, needed: int) -> None:
    assert SecureAggregation().needed(clients) == needed


def test_a_single_upload_looks_uniform() -> None:
    seen = SecureAggregation().exchange([np.zeros(100_000)] * 3, seeded())
    for upload in seen.uploads.values():
        counts = np.bincount(upload.view(np.uint8), minlength=256)
        expected = upload.nbytes / 256
        chi_square = float(((counts - expected) ** 2 / expected).sum())
        # 255 degrees of freedom: mean 255, standard deviation 22.6; six of them to either side.
        assert 120 < chi_square < 391
    assert len({upload.tobytes() for upload in seen.uploads.values()}) == 3


def test_clients_with_different_models_end_in_noise_and_not_in_a_sum() -> None:
    updates = [np.zeros(2000), np.zeros(2000), np.zeros(2000), np.full(2000, 0.25)]
    models = [b"dead"] * 3 + [b"real"]
    told_apart = SecureAggregation().exchange(updates, seeded(), models=models)
    assert not told_apart.plausible
    spread = told_apart.total.std() / (2 * 8.0 * 2**8)  # of 2^32 values, 2^24 steps of which make the range
    assert spread == pytest.approx(1 / np.sqrt(12), rel=0.1)
    fooled = SecureAggregation(bind_model=False).exchange(updates, seeded(), models=models)
    assert fooled.plausible
    assert np.array_equal(fooled.total, updates[3])
    together = SecureAggregation().exchange(updates, seeded(), models=[b"real"] * 4)
    assert np.array_equal(together.total, updates[3])


def test_masks_for_different_models_do_not_cancel_after_a_dropout_either() -> None:
    models = [b"dead"] * 4 + [b"real"]
    seen = SecureAggregation(threshold=0.5).exchange([np.zeros(500)] * 5, seeded(), dropouts={0: 2}, models=models)
    assert not seen.plausible
    same = SecureAggregation(threshold=0.5).exchange([np.zeros(500)] * 5, seeded(), dropouts={0: 2}, models=[b"m"] * 5)
    assert not same.total.any()


class Crowd:
    """Three clients that have sent their updates, of which the server claims that the last one's did not arrive."""

    def __init__(self) -> None:
        self.clients = [Client(u, 2, Randomness(bytes([u])), b"model") for u in range(3)]
        self.keys = {u: client.advertise() for u, client in enumerate(self.clients)}
        sealed = [client.share(self.keys) for client in self.clients]
        self.words = np.arange(3, dtype=np.uint32)
        self.uploads = []
        for u, client in enumerate(self.clients):
            received = {v: sealed[v][u] for v in range(3) if v != u}
            self.uploads.append(client.masked(self.words, received))


def test_a_server_that_asks_for_both_secrets_of_a_client_is_refused() -> None:
    client = Crowd().clients[0]
    with pytest.raises(Refused, match="does not reveal both secrets of client 2"):
        client.reveal(seeds_of=[0, 1, 2], keys_of=[2])


def test_a_server_that_asks_for_the_other_secret_later_is_refused() -> None:
    client = Crowd().clients[0]
    assert set(client.reveal(seeds_of=[0, 1], keys_of=[2])) == {0, 1, 2}
    with pytest.raises(Refused, match="does not reveal both secrets of client 2"):
        client.reveal(seeds_of=[0, 1, 2], keys_of=[])
    with pytest.raises(Refused, match="does not reveal both secrets of client 1"):
        client.reveal(seeds_of=[0, 2], keys_of=[1])


def test_a_refused_request_reveals_nothing_and_leaves_the_client_as_it_was() -> None:
    client = Crowd().clients[0]
    with pytest.raises(Refused):
        client.reveal(seeds_of=[0, 1, 2], keys_of=[1])
    assert set(client.reveal(seeds_of=[0, 1, 2], keys_of=[])) == {0, 1, 2}


@pytest.mark.parametrize(("seeds_of", "keys_of"), [([0], [1, 2]), ([], []), ([0, 1, 7], [])])
def test_a_sum_of_too_few_or_of_strangers_is_refused(seeds_of: list[int], keys_of: list[int]) -> None:
    with pytest.raises(Refused):
        Crowd().clients[0].reveal(seeds_of=seeds_of, keys_of=keys_of)


def test_an_update_that_arrives_late_stays_masked() -> None:
    """The server has reconstructed the pair masks of client 2; its own mask still covers what arrives then."""
    crowd = Crowd()
    server = Server(2, [b"model"] * 3)
    server.keys, server.sharers = crowd.keys, (0, 1, 2)
    server.masked = {0: crowd.uploads[0], 1: crowd.uploads[1]}
    replies = {u: crowd.clients[u].reveal(seeds_of=[0, 1], keys_of=[2]) for u in (0, 1)}
    assert server.unmask(replies).tolist() == (2 * crowd.words).tolist()

    weights = shamir.weights_at_zero([1, 2])
    secret = shamir.combine({1: replies[0][2], 2: replies[1][2]}, weights)
    pair = KeyPair(secret.to_bytes(32, "little"))
    bare = crowd.uploads[2].copy()
    for other in (0, 1):
        mask(bare, pair.agree(crowd.keys[other].pairs, pair_purpose(b"model")), subtract=True)
    assert not np.isin(bare, crowd.words).any()
    mask(bare, crowd.clients[2]._seed, subtract=True)  # which nobody reveals any more
    assert bare.tolist() == crowd.words.tolist()


def test_shares_that_do_not_fit_together_are_an_abort_and_not_a_sum() -> None:
    crowd = Crowd()
    server = Server(2, [b"model"] * 3)
    server.keys, server.sharers = crowd.keys, (0, 1, 2)
    server.masked = {0: crowd.uploads[0], 1: crowd.uploads[1]}
    replies = {u: crowd.clients[u].reveal(seeds_of=[0, 1], keys_of=[2]) for u in (0, 1)}
    for of, change in ((0, 1 << 300), (2, 1 << 100)):  # a seed that becomes too long, a key of another public key
        wrong = {0: replies[0], 1: replies[1] | {of: replies[1][of] ^ change}}
        with pytest.raises(Aborted, match="do not fit together"):
            server.unmask(wrong)


def test_too_few_keys_or_one_key_twice_stops_a_client() -> None:
    clients = [Client(u, 2, Randomness(bytes([u])), b"") for u in range(2)]
    with pytest.raises(Refused, match="it takes at least 2"):
        clients[0].share({0: clients[0].advertise()})
    with pytest.raises(Refused, match="the same key"):
        clients[0].share({0: clients[0].advertise(), 1: clients[0].advertise()})


def test_fewer_shares_than_the_threshold_say_nothing_about_the_secret() -> None:
    """In a field of seven: for each pair of shares, every secret has the same number of polynomials behind it."""
    prime, threshold = 7, 3
    for first, second in itertools.combinations(range(1, 6), 2):
        behind = {
            secret: Counter(
                (shamir.evaluate([secret, a, b], first, prime), shamir.evaluate([secret, a, b], second, prime))
                for a, b in itertools.product(range(prime), repeat=threshold - 1)
            )
            for secret in range(prime)
        }
        assert len(behind[0]) == prime**2
        assert all(counts == behind[0] for counts in behind.values())


def test_any_shares_as_many_as_the_threshold_give_the_secret() -> None:
    secret = 2**256 - 5
    shares = shamir.split(secret, 3, range(1, 7), Randomness(b"shares"))
    for points in itertools.combinations(shares, 3):
        assert shamir.combine(shares, shamir.weights_at_zero(points)) == secret
    for points in itertools.combinations(shares, 2):
        assert shamir.combine(shares, shamir.weights_at_zero(points)) != secret


def test_the_mask_is_the_key_stream_of_aes_256() -> None:
    """The block of zeros under the key of zeros, from the known answers of NIST's AESAVS."""
    words = np.zeros(4, np.uint32)
    mask(words, bytes(32))
    assert words.tobytes().hex() == "dc95c078a2408989ad48a21492842087"


@pytest.mark.parametrize("length", [1, 3, 2**15 - 1, 2**15, 2**15 + 1, 2**16 + 5])
def test_a_mask_that_is_added_and_taken_away_leaves_no_trace(length: int) -> None:
    words = np.arange(length, dtype=np.uint32) * np.uint32(2654435761)
    before = words.copy()
    mask(words, bytes(range(32)))
    assert not np.array_equal(words, before)
    mask(words, bytes(range(32)), subtract=True)
    assert np.array_equal(words, before)


def test_a_channel_is_read_by_its_receiver_only_and_only_unchanged() -> None:
    channels = [Channels(u, Randomness(bytes([u])), b"model") for u in range(3)]
    stranger = Channels(1, Randomness(bytes([1])), b"other model")
    for channel in [*channels, stranger]:
        channel.meet({u: c.public for u, c in enumerate(channels)})
    sealed = channels[0].seal(1, b"secret")
    assert b"secret" not in sealed
    assert channels[1].open(0, sealed) == b"secret"
    for reader, message in ((channels[2], sealed), (stranger, sealed), (channels[1], bytes(len(sealed)))):
        with pytest.raises(Refused, match="cannot read what client 0 sent"):
            reader.open(0, message)
    with pytest.raises(Refused):
        channels[1].open(2, sealed)


def test_a_share_says_whom_it_is_from_and_for() -> None:
    message = Shares(3, 2**521 - 2).pack(4, 5)
    assert Shares.unpack(message, 4, 5) == (3, 2**521 - 2)
    with pytest.raises(Refused):
        Shares.unpack(message, 5, 4)
