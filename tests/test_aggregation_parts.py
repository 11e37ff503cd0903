"""What stands around the protocols: whose images, a dead model, who colludes, what it costs, how it is simulated."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from victims import batch_norm_network, private_batch, small_network

from gia_core.aggregation import CKKS, FastSecAgg, LightSecAgg, Paillier, PlainSum, SecureAggregation, shamir
from gia_core.aggregation.channels import KeyPair, mask
from gia_core.aggregation.coalition import Coalition, silent
from gia_core.aggregation.costs import costs
from gia_core.aggregation.dead_model import dead, without_classifier_bias
from gia_core.aggregation.exchange import Aborted, Mistrust
from gia_core.aggregation.many_clients import ManyClients
from gia_core.aggregation.pairwise_masks import Client, pair_purpose
from gia_core.aggregation.randomness import Randomness
from gia_core.aggregation.remains import remains
from gia_core.clients import FedAvg, FedSGD
from gia_core.datasets.dealing import AnyImages, deal, too_few
from gia_core.datasets.sampling import sample
from gia_core.defenses.joint_key import JointKey, joint_key
from gia_core.defenses.mixup import MixUp
from gia_core.models import CNN6, Model, classifier
from gia_core.spec import Victim, kinds
from gia_core.types import Batch, Data, LabeledImages

ALONE = SecureAggregation(), FastSecAgg(), LightSecAgg()


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# Whose images.


def shelf(sizes: list[int]) -> LabeledImages:
    """Images of one pixel that is their number."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return LabeledImages(labels, lambda index: np.full((1, 1, 1), index, np.uint8))


def numbers(batch: Batch) -> list[int]:
    return (batch.images.flatten() * 255).round().int().tolist()


@pytest.mark.parametrize(
    "victim",
    [Victim(), Victim(labels="different"), Victim(labels="equal"), Victim(label=1), Victim(indices=(7, 3))],
    ids=str,
)
def test_no_image_is_dealt_twice_and_every_client_has_what_was_chosen(victim: Victim) -> None:
    victims = shelf([8, 9, 8, 7])
    for seed in range(5):
        hands = deal(victims, 4, 2, victim, seeded(seed))
        dealt = [number for hand in hands for number in numbers(hand)]
        assert len(set(dealt)) == len(dealt) == 8
        for hand in hands:
            assert hand.labels.tolist() == victims.labels[numbers(hand)].tolist()
            kinds_of_labels = len(set(hand.labels.tolist()))
            assert victim.labels != "different" or kinds_of_labels == 2
            assert victim.labels != "equal" or kinds_of_labels == 1
            assert victim.label is None or set(hand.labels.tolist()) == {1}
        assert not victim.indices or numbers(hands[0]) == [7, 3]


@pytest.mark.parametrize("victim", [Victim(), Victim(labels="equal"), Victim(indices=(1, 5, 2))], ids=str)
def test_the_audited_client_has_the_images_that_it_has_alone(victim: Victim) -> None:
    victims = shelf([9, 9])
    assert numbers(deal(victims, 4, 3, victim, seeded())[0]) == numbers(sample(victims, 3, victim, seeded()))


@pytest.mark.parametrize(
    ("sizes", "batch_size", "victim"),
    [
        ([3, 5, 2], 2, AnyImages()),
        ([3, 5, 2], 2, AnyImages(indices=(0, 4))),
        ([3, 5, 2], 2, AnyImages(label=1)),
        ([3, 5, 2], 2, AnyImages(labels="equal")),
        ([3, 5, 2], 2, AnyImages(labels="different")),
        ([4, 4, 4, 1], 3, AnyImages(labels="different")),
    ],
)
def test_as_many_clients_as_are_promised_can_be_dealt_to_and_one_more_is_refused(sizes, batch_size, victim) -> None:
    most = max(n for n in range(1, 9) if too_few(sizes, n, batch_size, victim) is None)
    for seed in range(20):
        assert len(deal(shelf(sizes), most, batch_size, victim, seeded(seed))) == most
    with pytest.raises(ValueError, match=f"at most {most} such clients; take fewer"):
        deal(shelf(sizes), most + 1, batch_size, victim, seeded())


# A dead model.


def data(shape: tuple[int, int, int]) -> Data:
    nothing = LabeledImages(np.zeros(0, np.int64), lambda index: np.zeros((1, 1, 1), np.uint8))
    mean = (0.5,) * shape[0]
    return Data(shape, ("a", "b", "c"), nothing, nothing, mean, mean)


WITHOUT_A_SWITCH = ("cnn6", "sigmoid")
"""No layer has a bias, and half of what a sigmoid can give comes out at zero."""


def silenceable() -> list:
    """Every model in the catalog, with each kind of activation that it may have in front of the classifier."""
    found = []
    for name, kind in kinds(Model).items():
        small = {
            "resnet18": {"width": 8},
            "convnet": {"width": 8},
            "vgg11": {"width": 8},
            "vit": {"dim": 32, "depth": 1},
        }.get(name, {})
        small = {field: value for field, value in small.items() if field in kind.model_fields}
        found += [kind(activation=activation, **small) for activation in ("relu", "sigmoid", "elu")]
    return [kind for kind in found if (kind.name, kind.activation) != WITHOUT_A_SWITCH]


@pytest.mark.parametrize("kind", silenceable(), ids=lambda kind: f"{kind.name}-{kind.activation}")
def test_nothing_but_the_classifiers_bias_learns_in_a_dead_model(kind) -> None:
    shape = (1, 32, 32) if kind.name == "vgg11" else (1, 16, 16)
    model = kind.build(data(shape), seeded())
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    silent_model = dead(model, shape)
    batch = Batch(torch.rand(2, *shape, generator=seeded(1)), torch.tensor([0, 2]))
    bias = classifier(silent_model).bias
    for rule in (FedSGD(), FedAvg(local_epochs=2, local_batch_size=1)):
        update = rule(silent_model, batch)
        assert any(bool(u.any()) for u in update) == (bias is not None)
        assert not any(bool(u.any()) for u in without_classifier_bias(silent_model, update))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_network_that_zeros_cannot_silence_is_refused_with_a_sentence() -> None:
    model = CNN6(activation="sigmoid").build(data((1, 16, 16)), seeded())
    with pytest.raises(ValueError, match="cannot be made dead"):
        dead(model, (1, 16, 16))


# Who colludes.


@pytest.mark.parametrize("kind", [*ALONE, PlainSum(), CKKS()], ids=lambda kind: kind.name)
def test_what_a_client_tells_of_its_own_update_is_what_went_into_the_sum(kind) -> None:
    updates = [np.random.default_rng(u).normal(size=7) for u in range(4)]
    seen = kind.exchange(updates, seeded())
    own = np.sum([seen.own(u) for u in range(4)], axis=0)
    exact = kind.name in ("secure-aggregation", "fast-sec-agg", "light-sec-agg")
    assert own == pytest.approx(seen.total, rel=0, abs=1e-12 if exact else 1e-6)


@pytest.mark.parametrize("kind", ALONE, ids=lambda kind: kind.name)
@pytest.mark.parametrize("colluding", [0, 1, 2, 3, 4])
def test_colluders_take_away_their_own_updates_and_all_but_one_leave_it_bare(kind, colluding: int) -> None:
    updates = [np.random.default_rng(u).integers(-99, 99, 7) * 2.0**-20 for u in range(5)]
    seen = kind.exchange(updates, seeded(), dropouts=silent(5, 1, kind))
    held, left = Coalition(colluding).holds(kind, seen)
    hidden = [u for u in (0, 2, 3, 4) if u < 5 - colluding]
    assert list(left) == hidden
    assert held.tolist() == np.mean([updates[u] for u in hidden], axis=0).tolist()


@pytest.mark.parametrize("kind", [CKKS(), Paillier()], ids=lambda kind: kind.name)
def test_ciphertexts_are_opened_by_one_colluder_and_by_nobody_else(kind) -> None:
    updates = [np.array([0.25, -0.5]), np.array([1.0, 0.125])]
    seen = kind.exchange(updates, seeded())
    assert Coalition().holds(kind, seen) == (None, ())
    held, left = Coalition(1).holds(kind, seen)
    assert left == (0,)
    assert held == pytest.approx(updates[0], abs=1e-6)


def test_enough_colluders_open_an_update_that_hides_in_a_sum() -> None:
    """The secrets of client 0, put together from what the others hold of them, unmask what it sent."""
    kind, clients = SecureAggregation(), 8
    enough = kind.opened_by(clients)
    assert enough == 6 < clients - 1
    crowd = [Client(u, kind.needed(clients), Randomness(bytes([u])), b"model") for u in range(clients)]
    keys = {u: client.advertise() for u, client in enumerate(crowd)}
    sealed = [client.share(keys) for client in crowd]
    words = np.arange(5, dtype=np.uint32)
    uploads = [crowd[u].masked(words, {v: sealed[v][u] for v in range(clients) if v != u}) for u in range(clients)]

    def secret(which: str, holders: range) -> bytes:
        shares = {u + 1: getattr(crowd[u]._held[0], which) for u in holders}
        number = shamir.combine(shares, shamir.weights_at_zero(list(shares)))
        return (number % 2**256).to_bytes(32, "little")

    def opened(holders: range) -> np.ndarray:
        pair, bare = KeyPair(secret("key", holders)), uploads[0].copy()
        mask(bare, secret("seed", holders), subtract=True)
        for other in range(1, clients):
            mask(bare, pair.agree(keys[other].pairs, pair_purpose(b"model")))
        return bare

    assert opened(range(1, 1 + enough)).tolist() == words.tolist()
    assert opened(range(1, enough)).tolist() != words.tolist()


@pytest.mark.parametrize("kind", ALONE, ids=lambda kind: kind.name)
def test_fewer_hide_a_single_update_than_open_it(kind) -> None:
    for clients in range(3, 30):
        if kind.objection(clients) is None:
            enough = kind.opened_by(clients)
            included = tuple(range(clients))
            assert Coalition(enough).left(kind, clients, included) == (0,)
            fewer = min(enough, clients - 1) - 1
            assert len(Coalition(fewer).left(kind, clients, included)) == clients - fewer > 1


def test_a_dead_model_singles_one_update_out_unless_the_masks_are_bound_to_it() -> None:
    everyone = (0, 1, 2)
    for kind in ALONE:
        loose = kind.model_copy(update={"bind_model": False})
        assert Coalition(dead_models=True).left(kind, 3, everyone) == ()
        assert Coalition(dead_models=True).left(loose, 3, everyone) == (0,)
        assert Coalition().left(kind, 3, everyone) == everyone


def test_clients_of_different_models_end_the_exchange_because_they_mistrust_it() -> None:
    for kind in (FastSecAgg(), LightSecAgg()):
        with pytest.raises(Mistrust, match="did not receive the same model"):
            kind.exchange([np.ones(3)] * 4, seeded(), models=[b"a", b"b", b"b", b"b"])
        with pytest.raises(Aborted) as too_many:
            kind.exchange([np.ones(3)] * 4, seeded(), dropouts={1: 0, 2: 0, 3: 0})
        assert not isinstance(too_many.value, Mistrust)


# What it costs, and what remains.


def test_the_table_of_costs_tells_what_was_measured_beside_a_plain_sum() -> None:
    updates = [np.ones(100)] * 4
    kind = SecureAggregation()
    seen = kind.exchange(updates, seeded(), dropouts={1: kind.sending})
    plain = PlainSum().exchange(updates, seeded(), dropouts={1: 0})
    table = costs(kind.name, seen, plain)
    client, server, plain_client, _ = table.rows
    assert client[:3] == ("secure-aggregation", "each client", 4)
    assert client[3] == round(np.mean([seen.clients[u].bytes_sent for u in (0, 2, 3)]))
    assert server[3:5] == (seen.server.bytes_sent, seen.server.bytes_received)
    assert server[5] == pytest.approx(1000 * seen.server.seconds, abs=0.5)
    assert plain_client[3] == 400
    assert client[3] > plain_client[3]
    assert "1 fell silent" in table.note
    assert len(costs("none", plain, plain).rows) == 2


def test_what_remains_depends_on_the_protocol() -> None:
    def works(kind, clients: int = 10) -> list[object]:
        return [row[1] for row in remains(kind, clients).rows]

    assert remains(PlainSum(), 10) is None
    assert remains(SecureAggregation(), 1) is None
    assert works(CKKS()) == ["no", "no", "yes", "partly"]
    assert works(SecureAggregation()) == ["partly", "no", "yes", "no"]
    assert works(SecureAggregation(bind_model=False))[1] == "yes"
    assert remains(SecureAggregation(), 10).rows[2][0] == "win over 7 clients"
    assert remains(SecureAggregation(), 3).rows[2][0] == "win over 2 clients"


# How an attacker simulates it.


def test_the_mean_of_many_clients_is_the_mean_of_their_updates() -> None:
    model, batch = small_network(), private_batch(6)
    for rule in (FedSGD(), FedAvg(local_epochs=2, local_batch_size=1, local_lr=0.5)):
        parts = [Batch(batch.images[k : k + 2], batch.labels[k : k + 2]) for k in (0, 2, 4)]
        own = [rule(model, part) for part in parts]
        for found, *each in zip(ManyClients(rule, 3)(model, batch), *own, strict=True):
            assert torch.allclose(found, torch.stack(each).mean(dim=0), atol=1e-7)


def test_many_fedsgd_clients_are_one_with_all_images_unless_batch_norm_tells_them_apart() -> None:
    batch = private_batch(4)
    together = zip(ManyClients(FedSGD(), 2)(small_network(), batch), FedSGD()(small_network(), batch), strict=True)
    assert all(torch.allclose(a, b, atol=1e-7) for a, b in together)
    mixing = batch_norm_network()
    apart = zip(ManyClients(FedSGD(), 2)(mixing, batch), FedSGD()(mixing, batch), strict=True)
    assert not all(torch.allclose(a, b, atol=1e-4) for a, b in apart)


def test_local_training_is_counted_per_client() -> None:
    rule = FedAvg(local_epochs=3, local_batch_size=4)
    many = ManyClients(rule, 5)
    assert many.local_steps(20) == rule.local_steps(4) == 3
    assert many.local_epochs == 3
    assert ManyClients(FedSGD(), 5).local_epochs == 1
    update = (torch.ones(2),)
    assert many.mean_gradient(update, 20)[0].tolist() == rule.mean_gradient(update, 4)[0].tolist()


def test_pictures_of_an_epoch_are_parted_among_the_clients_as_the_labels_are() -> None:
    images, labels = torch.arange(12.0).reshape(2, 6, 1, 1, 1), torch.arange(6)
    first, second, third = ManyClients(FedAvg(local_epochs=2), 3).parts(Batch(images, labels))
    assert second.images.shape == (2, 2, 1, 1, 1)
    assert second.images.flatten().tolist() == [2, 3, 8, 9]
    assert [part.labels.tolist() for part in (first, second, third)] == [[0, 1], [2, 3], [4, 5]]


def test_a_bound_that_is_known_holds_for_each_client() -> None:
    many = ManyClients(FedSGD(), 2, lambda update: tuple(u.clamp(-1e-3, 1e-3) for u in update))
    assert max(float(u.abs().max()) for u in many(small_network(), private_batch(4))) <= 1e-3 + 1e-9


def test_joint_keys_undo_every_clients_mixing_with_its_own_weights() -> None:
    batches = [private_batch(3, seed=seed) for seed in (1, 2)]
    rng, mixup = seeded(), MixUp(k=2)
    rounds = [[mixup.encode(batch, 4, rng) for batch in batches] for _ in range(2)]
    keys = [joint_key([one.key for one in encoded]) for encoded in rounds]
    mixed = [torch.cat([one.batch.images for one in encoded]) for encoded in rounds]
    private = torch.cat([batch.images for batch in batches])
    labels = torch.cat([batch.labels for batch in batches])
    assert isinstance(keys[0], JointKey)
    assert torch.allclose(keys[0].labels(labels), torch.cat([one.batch.labels for one in rounds[0]]))
    decoded = keys[1].decode(mixed[1], ((keys[0], mixed[0]),))
    assert torch.allclose(decoded, private, atol=0.02)
    assert joint_key([rounds[0][0].key]) is rounds[0][0].key


def test_who_falls_silent_does_so_right_before_sending() -> None:
    assert silent(5, 2, SecureAggregation()) == {1: 2, 2: 2}
    assert silent(3, 9, PlainSum()) == {1: 0, 2: 0}
    assert silent(4, 0, CKKS()) == {}
