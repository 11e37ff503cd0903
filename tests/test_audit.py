"""The whole story, on pictures that come with the packages."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from victims import generator, private_batch, small_network

from gia_core.attacks import DLG, IDLG, InvertingGradients
from gia_core.audit import Finished, Progress, Started, audit
from gia_core.baselines import other_images
from gia_core.clients import FedAvg
from gia_core.datasets import Digits, Photos, Upload
from gia_core.datasets.uploads import decode_all
from gia_core.defenses import defend
from gia_core.defenses.gaussian_noise import GaussianNoise
from gia_core.defenses.pruning import Pruning
from gia_core.diagnosis import match_causes, relative_distance
from gia_core.exchange import exchange, public_images
from gia_core.federation import Federation, Holder
from gia_core.models import MLP, LeNet, ResNet20
from gia_core.models.training import Training
from gia_core.spec import AuditSpec, Knowledge
from gia_core.threat_model import observe
from gia_core.types import Data, LabeledImages, Observation

QUICK = AuditSpec(dataset=Digits(), model=MLP(), attack=InvertingGradients(iterations=5))


def story(spec: AuditSpec, home: Path, **options):
    return list(audit(spec, home=home, **options))


def test_a_story_has_a_beginning_a_middle_and_an_end(home: Path):
    started, *middle, finished = story(QUICK, home)
    assert isinstance(started, Started)
    assert [type(event) for event in middle] == [Progress] * 5
    assert isinstance(finished, Finished)
    assert finished.last is middle[-1]
    assert not finished.stopped


def test_training_is_told_before_the_attack_begins(home: Path):
    spec = QUICK.model_copy(update={"model": MLP(training=1)})
    events = story(spec, home)
    kinds = [type(event) for event in events]
    assert kinds[0] is Training
    assert kinds.index(Started) > kinds.index(Training)
    assert Training not in [type(event) for event in story(spec, home)], "trained once, then read from the disk"


def test_same_spec_same_story(home: Path):
    first, second = (story(QUICK, home) for _ in range(2))
    assert torch.equal(first[0].truth.images, second[0].truth.images)
    assert first[0].baselines == second[0].baselines
    assert first[-1].last.scores == second[-1].last.scores


def test_changing_the_attack_leaves_the_victim_alone(home: Path):
    one, other = (story(QUICK.model_copy(update={"attack": a}), home)[0] for a in (QUICK.attack, DLG(iterations=1)))
    assert torch.equal(one.truth.images, other.truth.images)


def test_a_stopped_run_is_scored_all_the_same(home: Path):
    events = story(QUICK, home, stopped=lambda: True)
    assert [type(event) for event in events] == [Started, Progress, Finished]
    assert events[-1].stopped
    assert events[-1].last.scores["psnr"][0] > 0


def test_what_cannot_be_carried_out_is_refused_with_its_sentence(home: Path):
    with pytest.raises(ValueError, match="fetch cifar10"):
        story(AuditSpec(dataset={"name": "cifar10"}), home)


def test_blind_guesses_stand_beside_every_result(home: Path):
    started = next(audit(QUICK.model_copy(update={"batch_size": 3}), home=home))
    assert set(started.baselines) == {"gray", "mean-color", "dataset-mean", "another-image"}
    for scores in started.baselines.values():
        assert len(scores["psnr"]) == len(scores["ssim"]) == len(scores["mse"]) == 3
    gray, mean = started.baselines["gray"], started.baselines["mean-color"]
    assert all(m <= g for m, g in zip(mean["mse"], gray["mse"], strict=True)), "the mean is the best constant"


def test_another_image_is_never_the_true_one(home: Path):
    data = Digits().open(home)
    truth = torch.from_numpy(data.training.image(0)).permute(2, 0, 1).float()[None] / 255
    for seed in range(20):
        others = other_images(truth, data, torch.Generator().manual_seed(seed))
        assert others is not None
        assert not torch.equal(others, truth)


def test_results_come_in_the_order_of_the_private_batch(home: Path):
    *_, finished = story(QUICK.model_copy(update={"batch_size": 4}), home)
    progress = finished.last
    errors = (progress.paired.images - progress.truth.images).square().mean(dim=(1, 2, 3))
    assert errors.tolist() == pytest.approx(progress.scores["mse"])


def test_granted_labels_are_not_counted_as_found(home: Path):
    granted = QUICK.model_copy(update={"knowledge": Knowledge(labels=True)})
    assert story(granted, home)[-1].last.label_accuracy is None
    assert story(QUICK, home)[-1].last.label_accuracy == 1


@pytest.mark.parametrize("client", [FedAvg(local_epochs=2, local_batch_size=2, local_lr=0.01), FedAvg()])
@pytest.mark.parametrize("model", [LeNet(), ResNet20(mode="train"), ResNet20(mode="eval")], ids=lambda m: m.name)
def test_the_capture_is_exact_where_the_attacker_knows_the_client(home: Path, client, model):
    spec = AuditSpec(
        model=model, client=client, batch_size=4, attack=InvertingGradients(iterations=1), dataset=Photos()
    )
    started = story(spec, home)[0]
    assert started.capture.passed
    assert started.capture.distance < 1e-4


def test_the_capture_names_the_defense_that_changed_the_update(home: Path):
    spec = QUICK.model_copy(update={"defenses": (GaussianNoise(std=1.0, scale="relative"),)})
    check = story(spec, home)[0].capture
    assert check.passed
    assert check.distance == pytest.approx(1, abs=0.1)
    assert "gaussian-noise" in check.message


def test_the_capture_of_a_known_pruning_is_exact(home: Path):
    pruned = QUICK.model_copy(update={"defenses": (Pruning(ratio=0.9),)})
    adaptive = pruned.model_copy(update={"knowledge": Knowledge(defense=True)})
    assert story(adaptive, home)[0].capture.distance == 0
    assert story(pruned, home)[0].capture.distance > 0.01


def test_an_attacker_who_knows_no_local_training_is_told_so(home: Path):
    spec = AuditSpec(
        client=FedAvg(local_epochs=5, local_lr=0.5),
        attack=InvertingGradients(iterations=1),
        knowledge=Knowledge(local_training="none"),
    )
    check = story(spec, home)[0].capture
    assert check.passed
    assert "local training" in check.message


def test_a_recovered_image_needs_no_diagnosis(home: Path):
    spec = AuditSpec(dataset=Digits(size=8), model=MLP(activation="sigmoid"), attack=IDLG(iterations=100), seed=1)
    *_, finished = story(spec, home)
    assert finished.last.scores["psnr"][0] > 30
    assert finished.diagnosis == ()


def test_a_failed_recovery_comes_with_likely_causes(home: Path):
    noisy = QUICK.model_copy(update={"defenses": (GaussianNoise(std=30.0, scale="relative"),)})
    *_, finished = story(noisy, home)
    assert any("Noise above the signal" in cause for cause in finished.diagnosis)


def test_the_distance_at_the_truth_tells_budget_from_ambiguity():
    assert "ended before" in match_causes(0.5, 0.0)[0]
    assert "does not decide" in match_causes(0.1, 0.2)[0]
    assert match_causes(None, 0.2) == []


def test_relative_distance_by_hand():
    three_four = (torch.tensor([3.0]), torch.tensor([4.0]))
    assert relative_distance(three_four, (torch.zeros(1), torch.tensor([5.0]))) == pytest.approx(10**0.5 / 5)
    assert relative_distance((torch.zeros(1),), (torch.zeros(1),)) == 0
    assert relative_distance((torch.ones(1),), (torch.zeros(1),)) == float("inf")


def test_uploads_are_audited_without_a_training_split(home: Path):
    picture = io.BytesIO()
    Image.new("RGB", (40, 40), (200, 30, 90)).save(picture, "PNG")
    upload = Upload(pictures=decode_all([("red.png", picture.getvalue())], size=32))
    spec = QUICK.model_copy(update={"dataset": upload})
    started = story(spec, home)[0]
    assert "dataset-mean" not in started.baselines
    assert started.truth.images.shape[1:] == (3, 32, 32)


def observed(spec: AuditSpec, home: Path) -> Observation:
    """What reaches the attack."""
    seen = []

    class Watching(InvertingGradients):
        def run(self, observation, rng):
            seen.append(observation)
            yield from super().run(observation, rng)

    watching = spec.model_copy(update={"attack": Watching(iterations=1)})
    list(audit(watching, home=home))
    return seen[0]


def test_nothing_is_granted_unless_the_threat_model_says_so(home: Path):
    seen = observed(QUICK, home)
    assert (seen.labels, seen.batch_norm, seen.public, seen.query) == (None, None, None, None)
    assert len(seen.rounds) == 1


def test_several_rounds_show_the_same_batch_at_several_models(home: Path):
    seen = observed(QUICK.model_copy(update={"rounds": 3, "server_lr": 0.5}), home)
    first, second, _ = seen.rounds
    for before, gradient, after in zip(first.model.parameters(), first.update, second.model.parameters(), strict=True):
        assert torch.allclose(after, before - 0.5 * gradient)
    assert not torch.equal(second.update[0], first.update[0])


def test_public_images_are_none_of_the_victims(home: Path):
    spec = QUICK.model_copy(update={"batch_size": 4, "knowledge": Knowledge(public_data=True)})
    public = observed(spec, home).public
    truth = story(spec, home)[0].truth.images
    assert public.shape[1:] == truth.shape[1:]
    assert not (public[:, None] == truth[None]).flatten(2).all(-1).any()


def test_public_images_are_of_all_classes_even_where_these_take_turns():
    pixel = np.arange(8, dtype=np.uint8)
    training = LabeledImages(np.arange(4000) % 8, lambda index: np.full((1, 1, 1), pixel[index % 8]))
    data = Data((1, 1, 1), tuple("abcdefgh"), training, training, (0.5,), (0.5,))
    public = (public_images(data) * 255).round().long().flatten()
    assert len(public) == 2000
    assert (public.bincount() > 200).all()


def test_exact_batch_norm_statistics_are_those_of_the_private_batch(home: Path):
    spec = QUICK.model_copy(update={"model": ResNet20(), "batch_size": 2, "knowledge": Knowledge(batch_norm="exact")})
    seen = observed(spec, home)
    truth = story(spec, home)[0].truth.images
    model = seen.rounds[0].model
    first = next(module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d))
    received = []
    handle = first.register_forward_pre_hook(lambda _, inputs: received.append(inputs[0]))
    model(truth)
    handle.remove()
    assert torch.allclose(seen.batch_norm[0].mean, received[0].mean((0, 2, 3)), atol=1e-6)
    assert torch.allclose(seen.batch_norm[0].var, received[0].var((0, 2, 3), unbiased=False), atol=1e-6)
    running = observed(spec.model_copy(update={"knowledge": Knowledge(batch_norm="running")}), home)
    assert torch.equal(running.batch_norm[0].mean, first.running_mean)
    assert len(seen.batch_norm) == len(running.batch_norm) == 21


def test_a_malicious_server_is_answered_by_the_defended_client(home: Path):
    spec = QUICK.model_copy(
        update={"knowledge": Knowledge(malicious_server=True), "defenses": (Pruning(ratio=0.5, scope="global"),)}
    )
    seen = observed(spec, home)
    answer = seen.query(seen.rounds[0].model)
    assert all(torch.equal(a, u) for a, u in zip(answer, seen.rounds[0].update, strict=True))
    assert sum(int((a == 0).sum()) for a in answer) >= sum(a.numel() for a in answer) // 2


def test_dlg_finds_picture_and_label_on_its_own_network_within_five_seeds(home: Path):
    """Acceptance: LeNet with sigmoids and weights from U(-0.5, 0.5), one photograph, one trial each."""
    specs = (AuditSpec(attack=DLG(restarts=1), seed=seed) for seed in range(1, 6))
    ends = (story(spec, home)[-1].last for spec in specs)
    assert any(
        last.step.best["matching"] < 1e-6 and last.scores["psnr"][0] > 40 and last.label_accuracy == 1.0
        for last in ends
    )


def test_who_knows_the_pruning_expects_of_each_round_the_entries_that_arrived_in_it(home: Path):
    spec = AuditSpec(defenses=(Pruning(ratio=0.5),), rounds=3, knowledge=Knowledge(defense=True))
    data, model = spec.dataset.open(home), small_network()
    client = defend(spec.client, spec.defenses, generator())
    federation = Federation(spec, [Holder(private_batch(), client)], (3, 8, 8), generator())
    rounds = exchange(spec, model, federation, 4, generator())
    (target,) = observe(spec, data, rounds, private_batch(), federation, None)
    arrived = [tuple(part != 0 for part in one.update) for one in target.seen.rounds]
    assert any((a != b).any() for a, b in zip(arrived[0], arrived[2], strict=True))
    for one, mask in zip(target.seen.rounds, arrived, strict=True):
        kept = one.expect(tuple(torch.ones_like(part) for part in one.update))
        assert all(torch.equal(k != 0, m) for k, m in zip(kept, mask, strict=True))
