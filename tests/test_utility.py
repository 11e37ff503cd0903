"""What a defense costs: the trainings, how they are paired, and what is made of them."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from test_defenses import WEAKEST
from typer.testing import CliRunner
from victims import generator

from gia_core.__main__ import app
from gia_core.accounting import Release, epsilon
from gia_core.chronicle import Advanced, Began, Ended
from gia_core.clients import FedAvg, FedSGD, Vertical
from gia_core.datasets import CIFAR10, Digits
from gia_core.defenses import ATS, Clipping, GaussianNoise, InstaHide, MixUp, Precode, Pruning, Soteria, UserLevelDP
from gia_core.defenses.dp_sgd import DPSGD
from gia_core.models import MLP, ConvNet, LeNet
from gia_core.spec import AuditSpec
from gia_core.store import Status
from gia_core.types import Batch
from gia_core.utility import UtilitySpec
from gia_core.utility.experiment import tell
from gia_core.utility.outcome import (
    ArmResult,
    Outcome,
    Trained,
    left,
    next_training,
    result,
)
from gia_core.utility.spec import evaluated_after, of_audit
from gia_core.utility.training import accuracy, chance, dealt, gather, measured, train
from gia_core.utility.words import notes, sentence
from gia_core.worker import carry_out

QUICK = UtilitySpec(
    dataset=Digits(size=8),
    model=MLP(width=16),
    clients=4,
    rounds=6,
    batch_size=16,
    seeds=2,
    learning_rates=(0.1, 1.0),
    evaluations=3,
    training_images=400,
    held_out_images=200,
)
HOME = Path("nowhere")
COIN_TOSS = QUICK.model_copy(update={"defenses": (DPSGD(),)})


def material(spec: UtilitySpec = QUICK):
    return gather(spec, home=HOME, device="cpu")


def points(spec: UtilitySpec, defenses, *, rate: float = 0.5, seed: int = 0):
    *_, last = train(spec, material(spec), defenses, rate=rate, seed=seed)
    return last.points


def story(spec: UtilitySpec, stopped=lambda: False):
    return list(tell(spec, device="cpu", home=HOME, stopped=stopped))


# The training.


@pytest.mark.parametrize("defense", [d for d in WEAKEST if not isinstance(d, DPSGD)], ids=lambda d: d.name)
def test_a_defense_without_strength_gives_the_undefended_training_to_the_last_bit(defense):
    assert points(QUICK, (defense,)) == points(QUICK, ())


def test_dp_sgd_without_strength_is_the_mean_gradient_by_another_route():
    """It divides by the expected size of a batch; where that is the real one, only rounding is left."""
    spec = COIN_TOSS.model_copy(update={"batch_size": 100, "rounds": 3, "clients": 4})
    weak = (DPSGD(clip=1e9, noise_multiplier=0, expected_batch_size=100),)
    for one, other in zip(points(spec, weak), points(spec, ()), strict=True):
        assert one.reporting == pytest.approx(other.reporting, abs=0.03)


def test_the_undefended_network_learns():
    spec = QUICK.model_copy(update={"rounds": 40})
    accuracies = [point.reporting for point in points(spec, ())]
    assert accuracies[-1] > 0.6 > 3 * chance(material().reporting)


def test_the_same_seed_gives_the_same_training_and_another_one_another():
    assert points(QUICK, (GaussianNoise(std=0.1),)) == points(QUICK, (GaussianNoise(std=0.1),))
    assert points(QUICK, (), seed=0) != points(QUICK, (), seed=1)


@pytest.mark.parametrize(
    "defenses",
    [
        (MixUp(k=2),),
        (InstaHide(k=2),),
        (InstaHide(partners="cross"),),
        (ATS(),),
        (Soteria(),),
        (Precode(size=8),),
        (Clipping(), GaussianNoise(std=0.1), Pruning(error_feedback=True)),
        (UserLevelDP(clients=4),),
    ],
    ids=lambda defenses: " + ".join(d.name for d in defenses),
)
def test_every_kind_of_defense_can_be_trained_with(defenses):
    spec = QUICK.model_copy(update={"defenses": defenses, "rounds": 3})
    assert not spec.objections(HOME)
    assert points(spec, spec.at_budget(images=400)) != points(spec, ())


def test_clients_with_local_steps_train_too():
    spec = QUICK.model_copy(update={"client": FedAvg(local_batch_size=4), "rounds": 20})
    assert points(spec, (), rate=0.1)[-1].reporting > 3 * chance(material().reporting)


def test_one_local_step_is_one_gradient():
    """With all clients in every round, the mean change is the step down the mean gradient."""
    steps = QUICK.model_copy(update={"client": FedAvg()})
    for one, other in zip(points(steps, ()), points(QUICK, ()), strict=True):
        assert one.reporting == pytest.approx(other.reporting, abs=0.02)


def test_the_images_of_clients_do_not_overlap_and_are_equally_many():
    shares = [client.share for client in dealt(QUICK, material(), FedSGD(), (), 0)]
    assert {len(share) for share in shares} == {100}
    assert len(torch.cat(shares).unique()) == 400


def test_dp_sgd_draws_by_coin_toss_with_the_expected_size_in_both_arms():
    client = dealt(COIN_TOSS, material(), FedSGD(), (), 0)[0]
    sizes = torch.tensor([float(len(client.drawn(COIN_TOSS))) for _ in range(2000)])
    rate = COIN_TOSS.sample_rate(400)
    assert rate == 16 / 100
    deviation = math.sqrt(100 * rate * (1 - rate))
    assert abs(float(sizes.mean()) - 16) < 5 * deviation / math.sqrt(2000)
    assert float(sizes.std()) == pytest.approx(deviation, rel=0.1)


@pytest.mark.parametrize("defenses", [(), (DPSGD(noise_multiplier=0),), (ATS(), DPSGD(noise_multiplier=0))])
def test_who_draws_no_image_sends_a_zero(defenses):
    """By coin toss a batch may be empty, and the mean over no image would not be a number."""
    spec = COIN_TOSS.model_copy(update={"batch_size": 1, "defenses": defenses or COIN_TOSS.defenses})
    some = material(spec)
    fitted = spec.at_budget(images=400) if defenses else ()
    client = dealt(spec, some, FedSGD(), fitted, 0)[0]
    luckless = next(seed for seed in range(100) if not len(replace(client, rng=generator(seed)).drawn(spec)))
    update = replace(client, rng=generator(luckless)).answer(
        spec.model.build(some.data, generator(0)), spec, some.clients
    )
    assert all((u == 0).all() for u in update)


def test_a_training_that_diverges_ends_with_a_word_about_it():
    *_, last = train(QUICK, material(), (), rate=1e30, seed=0)
    assert last.diverged
    assert last.round < QUICK.rounds or not last.points


def test_batch_norm_is_judged_by_statistics_of_the_clients_images():
    spec = UtilitySpec(dataset=Digits(size=16), model=ConvNet(width=8, mode="train"), training_images=200)
    some = material(spec)
    model = spec.model.build(some.data, generator(0))
    judged = measured(model, some)
    assert not judged.training
    assert model.training
    first = next(m for m in judged.modules() if isinstance(m, torch.nn.BatchNorm2d))
    before = next(m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d))
    assert (before.running_mean == 0).all()
    assert (first.running_mean != 0).any()


def test_accuracy_of_a_network_that_always_says_the_same_is_the_share_of_that_class():
    class Stubborn(torch.nn.Module):
        def forward(self, images):
            return torch.tensor([0.0, 1.0]).expand(len(images), 2)

    held_out = Batch(torch.zeros(8, 1, 4, 4), torch.tensor([1, 1, 1, 0, 0, 0, 0, 0]))
    assert accuracy(Stubborn(), held_out) == 3 / 8
    assert chance(held_out) == 5 / 8


# The spec.


def test_rounds_of_evaluation_are_spread_evenly_and_end_with_the_last():
    assert sorted(evaluated_after(6, 3)) == [2, 4, 6]
    assert sorted(evaluated_after(10, 4)) == [3, 5, 8, 10]


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"training_images": 10}, "training_images", "need 64 training images"),
        ({"dataset": CIFAR10()}, "dataset", "fetch cifar10"),
        ({"client": Vertical()}, "client", "fedsgd or fedavg"),
        ({"model": MLP(training=1)}, "model.training", "set this to 0"),
        ({"model": ConvNet(), "dataset": Digits()}, "model.mode", "to group"),
        ({"model": ConvNet()}, "model", "9 x 9"),
        ({"evaluations": 7}, "evaluations", "more evaluations than rounds"),
        ({"defenses": (DPSGD(),), "client": FedAvg()}, "defenses", "fedsgd"),
        ({"defenses": (MixUp(k=4),), "batch_size": 2}, "defenses", "enlarge the batch"),
    ],
)
def test_what_cannot_be_carried_out_is_told(changes, field, words):
    objections = QUICK.model_copy(update=changes).objections(HOME)
    assert any(o.field == field and words in o.reason for o in objections), objections


def test_without_a_defense_there_is_nothing_to_ask():
    with pytest.raises(ValidationError, match="at least 1"):
        UtilitySpec(defenses=())


def test_a_data_set_with_too_few_training_images_is_refused_when_it_is_opened():
    spec = QUICK.model_copy(update={"clients": 100, "training_images": 100_000})
    with pytest.raises(ValueError, match="there are 1,4"):
        story(spec)


def test_epsilon_is_for_the_rounds_and_the_sample_rate_of_the_experiment():
    private, shared = COIN_TOSS.at_budget(images=400)[0], UserLevelDP(clients=1000, sample_rate=0.01)
    assert private.release() == Release(1.0, 16 / 100, 6, 1e-5)
    assert private.expected_batch_size == 16
    together = QUICK.model_copy(update={"defenses": (shared,)}).at_budget(images=400)[0]
    assert together.release() == Release(1.0, 1.0, 6, 1e-5)
    assert together.clients == 4


def test_the_experiment_of_an_audit_has_its_parts_and_can_be_carried_out():
    audit = AuditSpec(dataset=Digits(), model=ConvNet(width=8, training=3), defenses=(Pruning(),))
    spec = of_audit(audit)
    assert (spec.dataset, spec.client, spec.defenses) == (audit.dataset, audit.client, audit.defenses)
    assert spec.model == ConvNet(width=8, training=0, mode="train")
    assert not spec.objections(HOME)


# The pairing.


def trained(arm="undefended", rate=0.1, seed=0, *, good=0.5, **more) -> Trained:
    values = {"rounds": (2, 4, 6), "choosing": (good,) * 3, "reporting": (good,) * 3, "complete": True}
    return Trained(arm, rate, seed, **{**values, **more})


def test_rates_are_tried_with_the_first_seed_and_the_best_one_with_the_others():
    done, asked = [], []
    while (chosen := next_training(QUICK, done)) is not None:
        asked.append(chosen)
        assert left(QUICK, done) == 6 - len(done)
        arm, rate, seed = chosen
        done.append(trained(arm, rate, seed, good=rate / 2 if arm == "undefended" else 0.5 - rate / 4))
    first = [(arm, rate, 0) for arm in ("undefended", "defended") for rate in (0.1, 1.0)]
    assert asked == [*first, ("undefended", 1.0, 1), ("defended", 0.1, 1)]


def test_a_rate_at_which_another_seed_diverges_is_out():
    tried = [trained(rate=1.0, good=0.9), trained(rate=0.1, good=0.5)]
    assert result(QUICK, "undefended", tried).rate == 1.0
    found = result(QUICK, "undefended", [*tried, trained(rate=1.0, seed=1, diverged=True)])
    assert (found.rate, found.out, found.accuracies) == (0.1, (1.0,), (0.5,))


def test_the_rate_is_chosen_on_other_images_than_accuracy_is_reported_on():
    misleading = trained(rate=1.0, choosing=(0.2,) * 3, reporting=(0.9,) * 3)
    assert result(QUICK, "undefended", [misleading, trained(rate=0.1)]).rate == 0.1


def test_accuracy_is_the_mean_of_the_last_three_evaluations():
    found = result(QUICK, "undefended", [trained(rounds=(1, 2, 3, 4), reporting=(0.9, 0.1, 0.2, 0.6), choosing=(0.5,))])
    assert found.mean == pytest.approx(0.3)


def outcome(undefended=(0.7, 0.8), defended=(0.6, 0.65), **more) -> Outcome:
    def arm(accuracies):
        return ArmResult(0.1 if accuracies else None, accuracies, (), at_the_edge=False)

    values = {"chance": 0.125, "epsilon": None, **more}
    return Outcome({"undefended": arm(undefended), "defended": arm(defended)}, **values)


def test_the_cost_is_the_mean_of_the_differences_seed_by_seed():
    assert outcome().costs == pytest.approx((0.1, 0.15))
    told = sentence(QUICK, outcome())
    assert told.startswith(
        "gaussian-noise costs 12.5 points of accuracy (± 3.5 over 2 seeds): 62.5 % instead of 75.0 %"
    )
    assert "relative to undefended at the same budget" in told


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (outcome((0.7, 0.8), (0.75, 0.7)), "cannot be told from chance"),
        (outcome((0.7, 0.7), (0.75, 0.75)), "adds 5.0 points"),
        (outcome((0.7,), (0.6,)), "one seed, so its spread is unknown"),
        (outcome((0.13,), (0.12,)), "did not learn at this budget"),
        (outcome((0.7,), ()), "nothing to compare"),
    ],
)
def test_the_answer_claims_no_more_than_was_measured(found, words):
    assert words in sentence(QUICK, found)


def test_divergence_and_the_end_of_the_grid_are_told():
    lost = ArmResult(None, (), (0.1, 1.0), at_the_edge=False)
    edge = ArmResult(1.0, (0.7,), (3.0,), at_the_edge=True)
    told = sentence(QUICK, Outcome({"undefended": edge, "defended": lost}, 0.1, None))
    assert told.startswith("With gaussian-noise the training diverged at every learning rate that was tried (0.1, 1)")
    words = " ".join(notes(Outcome({"undefended": edge, "defended": edge}, 0.1, None)))
    assert "diverged at the learning rate 3, which is out" in words
    assert "one beyond it may be better" in words


# The story.


def test_the_story_tells_every_training_and_ends_with_the_table():
    began, *steps, ended = story(QUICK)
    assert isinstance(began, Began)
    assert {type(step) for step in steps} == {Advanced}
    assert steps[-1].iteration == steps[-1].iterations == 6 * 6 * 4
    assert [step.iteration for step in steps] == sorted(step.iteration for step in steps)
    assert isinstance(ended, Ended)
    assert not ended.stopped
    assert len(ended.body["curves"]) == 6
    found = ended.body["scores"]
    assert all(len(found["arms"][arm]["accuracies"]) == 2 for arm in ("undefended", "defended"))
    assert found["cost"] == pytest.approx(sum(found["costs"]) / 2)


def test_two_stories_of_one_spec_are_the_same():
    first, second = ([e.body for e in story(QUICK)] for _ in range(2))
    assert first == second


def test_a_story_that_is_stopped_ends_with_what_is_complete():
    def stopped_in_training(number: int) -> Ended:
        told = []
        for event in tell(QUICK, device="cpu", home=HOME, stopped=lambda: bool(told) and told[-1] >= number):
            if isinstance(event, Advanced):
                told.append(event.body["training"])
        return event

    early, later = stopped_in_training(1), stopped_in_training(5)
    assert early.stopped
    assert early.body["scores"]["cost"] is None
    assert "nothing to compare" in early.body["scores"]["sentence"]
    assert later.body["scores"]["arms"]["undefended"]["accuracies"]
    assert len(later.body["scores"]["costs"]) == 1


def test_each_step_is_a_place_to_stop_so_that_no_wish_waits_for_a_round():
    told = list(islice(tell(QUICK, device="cpu", home=HOME, stopped=lambda: False), 6))
    assert [e.iteration for e in told[1:]] == [1, 2, 3, 4, 5]
    assert [e.body["round"] for e in told[1:]] == [1, 1, 1, 1, 2]


def test_epsilon_stands_beside_the_accuracy_of_a_private_training():
    spec = COIN_TOSS.model_copy(update={"seeds": 1, "learning_rates": (1.0,), "rounds": 3})
    found = story(spec)[-1].body["scores"]
    counted = epsilon(Release(1.0, 16 / 100, 3, 1e-5))
    assert f"{counted.rdp:.3g} at delta 1e-5" in found["epsilon"]
    assert "3 rounds at a sample rate of 0.16, for one image" in found["epsilon"]
    assert any("Poisson" in note for note in found["notes"])


# As a run.


def test_a_worker_carries_it_out_like_any_run(store, tmp_path):
    run_id = store.submit(QUICK)
    assert carry_out(store, run_id, device="cpu", home=tmp_path) is None
    run = store.run(run_id)
    assert (run.status, run.job) == (Status.FINISHED, QUICK)
    assert store.runs(kind="utility", defense="gaussian-noise", dataset="digits")[0].id == run_id
    assert run.scores["cost"] is not None
    assert [event.body["kind"] for event in store.events(run_id)][:: len(store.events(run_id)) - 1] == [
        "started",
        "finished",
    ]


def test_the_command_line_carries_it_out(tmp_path):
    file = tmp_path / "spec.json"
    file.write_text(QUICK.model_copy(update={"seeds": 1}).model_dump_json())
    called = CliRunner().invoke(app, ["run", str(file), "--json"], env={"GIA_HOME": str(tmp_path)})
    assert called.exit_code == 0
    printed = json.loads(called.stdout.splitlines()[-1])
    assert printed["status"] == "finished"
    assert printed["scores"]["sentence"]
    assert printed["spec"]["kind"] == "utility"


def test_the_default_experiment_is_of_the_networks_and_data_that_audits_begin_with():
    assert UtilitySpec().model == AuditSpec().model == LeNet()
    assert UtilitySpec().dataset == AuditSpec().dataset
    assert not UtilitySpec().objections(HOME)
