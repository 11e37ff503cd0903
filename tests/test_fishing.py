"""Baited classifiers silence images exactly as intended, and what is left is one image's own gradient."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn
from victims import batch_norm_network, generator, observation, private_batch, small_network

from gia_core.attacks import DLG, Fishing, InvertingGradients
from gia_core.attacks.analytic.baits import answer, class_counts, equal_scores, features_of, one_class, one_side
from gia_core.attacks.analytic.fishing import rarest_first
from gia_core.attacks.analytic.fishing_trip import Trip
from gia_core.clients import FedSGD
from gia_core.defenses import Pruning
from gia_core.metrics import psnr
from gia_core.models import classifier
from gia_core.types import UNKNOWN, Batch, Observation

QUICK = InvertingGradients(iterations=200)


def labeled(*labels: int, seed: int = 0) -> Batch:
    return Batch(private_batch(len(labels), seed=seed).images, torch.tensor(labels))


def honest(model: nn.Module, batch: Batch, **known) -> Observation:
    """What a server sees that may also send other models."""
    return replace(observation(model, batch, **known), query=lambda tampered: FedSGD()(tampered, batch))


def asked(model: nn.Module, batch: Batch, bait):
    baited = bait.on(model)
    return answer(bait, baited, FedSGD()(baited, batch), len(batch.labels))


def caught(attack: Fishing, seen: Observation, seed: int = 0):
    """The steps of the queries, and the catch."""
    trip = Trip(seen, queries=attack.queries, sharpness=attack.sharpness, afterwards=1)
    fishing, steps = attack.catch(seen, trip, generator(seed)), []
    while True:
        try:
            steps.append(next(fishing))
        except StopIteration as done:
            return steps, done.value


def relu_network() -> nn.Module:
    return small_network(nn.ReLU)


def test_equal_scores_count_every_class() -> None:
    batch = labeled(0, 3, 3, 1, 3, 1)
    assert class_counts(asked(small_network(), batch, equal_scores(torch.zeros(32)))).tolist() == [1, 2, 0, 3]


def test_only_images_of_the_class_answer() -> None:
    """The baited gradient of the batch is that of its one image of the class, divided by the batch size."""
    batch, model = labeled(0, 3, 3, 1), small_network()
    bait = one_class(1, torch.randn(32, generator=generator(4)))
    found, baited = asked(model, batch, bait), bait.on(model)
    alone = FedSGD()(baited, Batch(batch.images[3:], batch.labels[3:]))
    assert found.count == pytest.approx(1, abs=1e-5)
    for ours, wanted in zip(found.of_few(baited, 1.0), alone, strict=True):
        assert torch.allclose(ours[1] if ours.shape[0] == 4 else ours, wanted[1] if wanted.shape[0] == 4 else wanted)


def test_a_classifier_without_a_bias_gets_one() -> None:
    model = small_network(bias=False)
    baited = one_class(2, torch.ones(32)).on(model)
    assert classifier(baited).bias.tolist() == [1000.0, 1000.0, 0.0, 1000.0]
    assert classifier(model).bias is None


def test_a_step_silences_one_side_whatever_the_number_of_classes() -> None:
    batch, model = labeled(2, 2, 2, 2), small_network()
    direction = torch.eye(32)[5]
    features = features_of(model, batch.images)[:, 5]
    step = float(features.sort().values[1:3].mean())
    assert asked(model, batch, one_side(2, direction, 1e5, step, 4)).count == pytest.approx(2, abs=1e-3)
    upper = asked(model, batch, one_side(2, direction, -1e5, step, 4))
    assert upper.mean_along(direction) == pytest.approx(float(features[features > step].mean()), abs=1e-4)


def test_only_layers_before_the_classifier_are_divided_by_the_size_of_the_row() -> None:
    batch, model = labeled(1), small_network()
    row = torch.randn(32, generator=generator(4))
    small, large = one_class(1, row), one_class(1, 5 * row)
    ours = asked(model, batch, large).of_few(large.on(model), 5.0)
    for scaled, wanted in zip(ours, FedSGD()(small.on(model), batch), strict=True):
        assert torch.allclose(scaled, wanted, rtol=1e-4, atol=1e-6)


def test_the_rarest_classes_come_first_and_absent_ones_not_at_all() -> None:
    assert rarest_first(torch.tensor([0, 3, 2, 2])) == [2, 3, 1]
    assert rarest_first(torch.tensor([0, 0])) == [0, 1]


def test_a_class_that_occurs_once_takes_one_query_when_the_labels_are_granted() -> None:
    seen = honest(small_network(), labeled(0, 2, 0, 3, 0, 3), labels=True)
    steps, catch = caught(Fishing(), seen)
    assert len(steps) == 1
    assert catch.label == 2
    assert catch.alone


@pytest.mark.parametrize("network", [small_network, relu_network], ids=["sigmoid", "relu"])
@pytest.mark.parametrize("rows", ["random", "published"])
@pytest.mark.parametrize("labels", [(2,) * 8, (2, 2, 2, 1, 1, 1, 0, 0)], ids=["one class", "several classes"])
def test_what_is_left_is_the_gradient_of_one_image(network, rows, labels) -> None:
    model, batch = network(), labeled(*labels)
    steps, catch = caught(Fishing(rows=rows), honest(model, batch))
    assert len(steps) <= 12
    assert catch.alone
    assert catch.label == (2 if len(set(labels)) == 1 else UNKNOWN)
    target = catch.answer.target
    baited = one_class(target, catch.row).on(model)
    ours = torch.cat([g.flatten() for g in catch.answer.of_few(baited, catch.size)])
    singles = [FedSGD()(baited, Batch(image[None], torch.tensor([target]))) for image in batch.images]
    distances = [(torch.cat([g.flatten() for g in single]) - ours).norm() / ours.norm() for single in singles]
    assert min(distances) < 0.01
    assert sum(bool(distance < 0.01) for distance in distances) == 1


def test_queries_end_at_the_limit_and_the_rest_is_searched_together() -> None:
    attack = Fishing(target=2, queries=2, then=InvertingGradients(iterations=1))
    steps = list(attack.run(honest(small_network(), labeled(*[2] * 8)), generator()))
    table = steps[-1].tables[0]
    assert len(table.rows) == 2
    assert "searched together" in table.note
    assert (steps[-1].labels == 2).sum() == round(table.rows[-1][3]) > 1


def test_one_of_many_comes_back_as_from_a_batch_of_one() -> None:
    batch, model = labeled(0, 0, 1, 0, 0, 3, 3, 3), small_network()
    steps = list(Fishing(then=QUICK).run(honest(model, batch), generator()))
    gray = psnr(torch.full_like(batch.images[2:3], 0.5), batch.images[2:3])
    assert psnr(steps[-1].images[:1], batch.images[2:3]) > gray + 8
    assert (steps[-1].images[1:] == 0.5).all()
    assert steps[-1].labels.tolist() == [1] + [UNKNOWN] * 7
    assert [step.iteration for step in steps] == list(range(1, len(steps) + 1))
    assert steps[-1].iterations == len(steps)


def test_another_attack_can_finish_the_work() -> None:
    batch = labeled(0, 0, 1, 0)
    *_, last = Fishing(then=DLG(labels="known", iterations=60)).run(honest(small_network(), batch), generator())
    assert psnr(last.images[:1], batch.images[2:3]) > 30


def test_the_client_never_sees_the_models_weights_elsewhere_changed() -> None:
    model, batch, sent = small_network(), labeled(0, 0, 1, 0), []

    def query(tampered):
        sent.append(tampered)
        return FedSGD()(tampered, batch)

    seen = replace(honest(model, batch), query=query)
    *_, last = Fishing(then=InvertingGradients(iterations=1)).run(seen, generator())
    assert len(sent) == len(last.tables[0].rows) == dict(last.tables[1].rows)["models sent that were tampered with"]
    assert all(torch.equal(tampered[1].weight, model[1].weight) for tampered in sent)
    assert not any(torch.equal(tampered[3].weight, model[3].weight) for tampered in sent)


def test_batch_norm_in_training_mode_is_told_of() -> None:
    *_, last = Fishing(then=InvertingGradients(iterations=1)).run(
        honest(batch_norm_network(), labeled(0, 0, 1, 0)), generator()
    )
    assert "BatchNorm in training mode" in last.tables[0].note


@pytest.mark.parametrize(
    ("attack", "seen", "words"),
    [
        (Fishing(), observation(small_network(), labeled(0)), "grant a malicious server"),
        (Fishing(target=9), honest(small_network(), labeled(0)), "no class 9"),
        (Fishing(target=2), honest(small_network(), labeled(0, 1)), "choose a class that occurs"),
    ],
    ids=["no queries", "no such class", "a class that does not occur"],
)
def test_what_cannot_work_is_refused_in_one_sentence(attack, seen, words) -> None:
    with pytest.raises(ValueError, match=words):
        list(attack.run(seen, generator()))


def test_a_wrong_count_costs_a_query_but_not_the_catch() -> None:
    """Pruning takes the smallest entries of the answer away; a class without one seems to occur 9 / 4 times."""
    batch, client = labeled(*[0] * 5, *[3] * 4), Pruning(ratio=0.5).wrap(FedSGD(), generator())
    seen = replace(honest(small_network(), batch), query=lambda tampered: client(tampered, batch))
    *_, last = Fishing(queries=3, then=InvertingGradients(iterations=1)).run(seen, generator())
    _, absent, there = last.tables[0].rows
    assert absent[3] == 0
    assert there[1:4:2] == ("class 3", pytest.approx(4, abs=0.01))


@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_a_client_that_answers_nothing_is_told_of(value) -> None:
    model, batch = small_network(), labeled(0, 1)
    seen = replace(
        honest(model, batch), query=lambda tampered: tuple(torch.full_like(p, value) for p in tampered.parameters())
    )
    with pytest.raises(ValueError, match="answered"):
        list(Fishing().run(seen, generator()))
