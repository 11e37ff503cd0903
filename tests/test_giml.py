"""GIML: a prior that learns from other clients' gradients, what it learns, and what becomes of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from victims import generator, observation, private_batch, single_updates, small_network

from gia_core.attacks import GIAS, GIML
from gia_core.attacks.generative import meta_learning
from gia_core.attacks.generative.meta_learning import OTHERS, MetaLearner
from gia_core.attacks.labels.restore import restore_labels
from gia_core.audit import audit
from gia_core.clients import FedSGD
from gia_core.control import control_of
from gia_core.datasets import Digits
from gia_core.defenses import MixUp, Pruning
from gia_core.metrics import psnr
from gia_core.models import LeNet
from gia_core.other_clients import SERVER_LR, OtherClients
from gia_core.priors import shelf
from gia_core.priors.from_gradients import name_of
from gia_core.spec import AuditSpec, Knowledge
from gia_core.types import Observation

DIGITS = Digits(size=16)
GRANTED = Knowledge(labels=True, single_updates=True)
SMALL = GIML(
    rounds=2,
    together=2,
    latent_iterations=3,
    weight_iterations=3,
    private_iterations=2,
    final_iterations=4,
    latent=8,
    width=4,
)
SPEC = AuditSpec(dataset=DIGITS, attack=SMALL, knowledge=GRANTED)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list]:
    """An installation in which ``SPEC`` was carried out, and what it told."""
    home = tmp_path_factory.mktemp("audited")
    return home, list(audit(SPEC, home=home))


# The other clients.


def clients(spec: AuditSpec = SPEC, model: torch.nn.Module | None = None) -> OtherClients:
    data = spec.dataset.open(Path("nowhere"))
    network = model or spec.model.build(data, generator())
    return OtherClients(spec, data, network, generator)


def test_every_update_is_the_gradient_of_one_training_image_and_no_victim_is_among_them():
    others = clients()
    seen = others.round([0, 1, 5])
    held = [others.holders[number].batch for number in (0, 1, 5)]
    for place, (exchanged, batch) in enumerate(zip(seen.rounds, held, strict=True)):
        assert exchanged.indices is not None
        assert exchanged.indices.tolist() == [place]
        expected = FedSGD()(exchanged.model, batch)
        assert all(torch.equal(a, b) for a, b in zip(exchanged.update, expected, strict=True))
    assert seen.labels is not None
    assert seen.labels.tolist() == [int(batch.labels) for batch in held]
    data = others.data
    training = {data.training.image(index).tobytes() for index in range(len(data.training))}
    victims = {data.victims.image(index).tobytes() for index in range(len(data.victims))}
    pixels = {(batch.images[0] * 255).round().byte().permute(1, 2, 0).numpy().tobytes() for batch in held}
    assert len(pixels) == 3
    assert pixels <= training
    assert not pixels & victims


def test_the_attacker_sees_no_image_of_other_clients():
    seen = clients().round([0, 1])
    assert {name for name, value in vars(seen).items() if isinstance(value, torch.Tensor)} == {"labels"}
    assert seen.public is None


def test_the_server_moves_its_model_a_little_by_what_arrives():
    others = clients()
    first, second = (others.round([0, 1]).rounds[0].model for _ in range(2))
    sent = [FedSGD()(first, others.holders[number].batch) for number in (0, 1)]
    for before, after, *updates in zip(first.parameters(), second.parameters(), *sent, strict=True):
        assert torch.allclose(after, before - SERVER_LR * sum(updates) / 2, atol=1e-8)
        assert not torch.equal(after, before)


def test_clients_take_turns_where_there_are_fewer_images():
    others = clients()
    count = len(others.data.training)
    others.round([0, count, count + 1])
    assert set(others.holders) == {0, 1}
    assert others.updates == 3
    assert others.images()[0] == 2


def test_other_clients_protect_themselves_too():
    pruned = clients(SPEC.model_copy(update={"defenses": (Pruning(ratio=0.9),)})).round([0]).rounds[0].update
    zeros = sum(int((tensor == 0).sum()) for tensor in pruned) / sum(tensor.numel() for tensor in pruned)
    assert zeros == pytest.approx(0.9, abs=0.02)


def test_nobody_is_told_how_another_clients_image_was_disguised():
    knows = GRANTED.model_copy(update={"defense": True})
    spec = SPEC.model_copy(update={"defenses": (MixUp(),), "batch_size": 4, "knowledge": knows})
    assert not clients(spec).spec.knowledge.defense
    assert clients(SPEC.model_copy(update={"defenses": (Pruning(),), "knowledge": knows})).spec.knowledge.defense


# What is learned.


def learner_of(attack: GIML, *, seed: int = 0, batch_seed: int = 0, fixed: bool = False) -> MetaLearner:
    """One that learns from smooth pictures: of every client another one, or of all the same."""
    model, batch = small_network(), private_batch(seed=batch_seed)
    pictures = private_batch(200, seed=11)

    def others(numbers) -> Observation:
        return single_updates(model, pictures.only(torch.tensor([0 if fixed else number for number in numbers])))

    seen = replace(observation(model, batch, labels=True), others=others)
    restored = restore_labels("auto", seen, generator(seed))
    assert restored is not None
    return MetaLearner(attack, seen, restored, generator(seed))


def test_the_prior_comes_to_draw_what_all_images_have_in_common():
    attack = GIML(rounds=4, latent_iterations=10, weight_iterations=25, weight_lr=5e-3, latent=8, width=8)
    learner = learner_of(attack, fixed=True)
    before, picture = learner.drawn(), private_batch(200, seed=11).images[:1]
    for number in range(1, 5):
        list(learner.learn(number))
    assert psnr(learner.drawn(), picture).mean() > psnr(before, picture).mean() + 6


def test_the_private_images_are_not_learned_from():
    attack = SMALL.model_copy(update={"rounds": 3})
    one, other = learner_of(attack, batch_seed=1), learner_of(attack, batch_seed=2)
    steps = [list(learner.steps()) for learner in (one, other)]
    assert not torch.equal(steps[0][-1].images, steps[1][-1].images)
    for mine, theirs in zip(one.prior.parameters(), other.prior.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_at_full_pace_the_prior_becomes_its_copy_and_at_half_it_stops_midway():
    whole, half = learner_of(SMALL.model_copy(update={"pace": 1.0})), learner_of(SMALL.model_copy(update={"pace": 0.5}))
    begun = [weight.clone() for weight in whole.prior.parameters()]
    for learner in (whole, half):
        list(learner.learn(1))
    for before, far, near in zip(begun, whole.prior.parameters(), half.prior.parameters(), strict=True):
        assert torch.allclose(near, (before + far) / 2, atol=1e-6)


def test_who_comes_again_goes_on_from_the_codes_of_its_image():
    learner = learner_of(SMALL.model_copy(update={"clients": 2, "together": 2, "pace": 1.0}))
    list(learner.learn(1))
    again = next(learner.learn(2))
    assert again.losses[OTHERS] == pytest.approx(learner.rounds[0][2], rel=1e-4)


def test_samples_change_when_something_was_learned_and_only_then():
    steps = list(learner_of(SMALL).steps())
    different = {id(step.samples) for step in steps}
    assert len(different) == 1 + SMALL.rounds
    assert len(steps) == steps[-1].iterations == 2 * (3 + 3 + 2) + 4
    assert all(step.losses[OTHERS] >= 0 for step in steps)


def test_of_many_rounds_some_are_shown_and_the_last_always(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(meta_learning, "SHOWN_AT_MOST", 2)
    steps = list(learner_of(SMALL.model_copy(update={"rounds": 5})).steps())
    assert len({id(step.samples) for step in steps}) == 1 + 2
    assert [row[0] for row in steps[-1].tables[-1].rows] == [3, 5]


def test_without_rounds_an_untrained_prior_adapts_to_the_private_images():
    steps = list(learner_of(SMALL.model_copy(update={"rounds": 0})).steps())
    assert [step.iteration for step in steps] == [1, 2, 3, 4]
    assert OTHERS not in steps[-1].losses
    with pytest.raises(ValidationError, match="nothing to learn or search"):
        GIML(rounds=0, final_iterations=0)


def test_without_other_clients_there_is_nothing_to_learn_from():
    with pytest.raises(ValueError, match="other clients"):
        GIML().run(observation(small_network(), private_batch()), generator())


def test_it_is_disabled_where_single_updates_are_not_granted(home: Path):
    (objection,) = SPEC.model_copy(update={"knowledge": Knowledge(labels=True)}).objections(home)
    assert objection.field == "knowledge.single_updates"


# What becomes of it.


def test_the_learned_prior_serves_gias(audited):
    home, told = audited
    name = name_of(SPEC)
    card, _ = shelf.find(name, home)
    assert (card.training_images, card.steps, card.has_seen_images) == (4, 4, False)
    assert any(name in table.note for table in told[-1].last.step.tables)
    spec = AuditSpec(
        dataset=DIGITS, attack=GIAS(prior=name, latent_iterations=2, weight_iterations=1), knowledge=GRANTED
    )
    assert spec.objections(home) == []
    *_, finished = audit(spec, home=home)
    assert finished.last.step.iteration == 3


def test_auto_prefers_to_fail_over_a_prior_that_saw_no_image(audited):
    home, _ = audited
    assert shelf.objection("auto", DIGITS, home) is not None
    assert shelf.objection(name_of(SPEC), DIGITS, home) is None


def test_a_control_learns_from_random_numbers_and_keeps_nothing(tmp_path: Path):
    list(audit(control_of(SPEC), home=tmp_path))
    assert list(shelf.cards(tmp_path / "priors")) == []


def test_another_run_keeps_another_prior():
    assert name_of(SPEC) == name_of(SPEC.model_copy())
    assert name_of(SPEC) != name_of(SPEC.model_copy(update={"seed": 1}))
    assert name_of(SPEC) != name_of(SPEC.model_copy(update={"model": LeNet(activation="relu")}))


def test_stopping_keeps_the_prior_as_it_is_by_then(tmp_path: Path):
    spec = SPEC.model_copy(update={"attack": SMALL.model_copy(update={"rounds": 9})})
    *_, finished = audit(spec, home=tmp_path, stopped=lambda: bool(list(shelf.cards(tmp_path / "priors"))))
    (card,) = shelf.cards(tmp_path / "priors")
    assert finished.stopped
    assert (card.name, card.steps) == (name_of(spec), 2)
