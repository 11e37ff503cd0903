"""Label rules: cases that are known by hand, where the rules are exact and where they fail, and what always holds."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest
import torch
import torch.nn.functional as F
from test_models import NARROW, build
from torch import nn
from victims import batch_norm_network, generator, observation, private_batch, small_network

from gia_core.attacks import DLG, IDLG, InvertingGradients
from gia_core.attacks.labels import WITHOUT_BIAS
from gia_core.attacks.labels.choices import ALL_DIFFERENT, LabelStrategy, Rule
from gia_core.attacks.labels.evidence import classifier_gradient, dummy_images, evidence
from gia_core.attacks.labels.idlg import idlg
from gia_core.attacks.labels.ilrg import mean_features
from gia_core.attacks.labels.llg import two_stages
from gia_core.attacks.labels.restore import RULES, restore_labels
from gia_core.attacks.labels.restored import RestoredLabels, from_estimate, whole
from gia_core.clients import FedAvg, Vertical
from gia_core.models import classifier
from gia_core.spec import AuditSpec, Knowledge, Victim
from gia_core.types import Batch

EVERY_RULE = pytest.mark.parametrize("rule", get_args(Rule))
FOR_ANY_LABELS = [rule for rule in get_args(Rule) if rule not in (*ALL_DIFFERENT, "idlg")]
CLASSES = 10


def typical_network(activation=nn.ReLU, *, seed: int = 0, bias: bool = True) -> nn.Module:
    """Two layers as torch initializes them, on 1 × 8 × 8 images around zero: an untrained network."""
    rng = generator(seed)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), activation(), nn.Linear(64, CLASSES, bias=bias))
    for parameter in model.parameters():
        nn.init.uniform_(parameter, -0.125, 0.125, generator=rng)
    return model


def seen_of(true: list[int], activation=nn.ReLU, *, seed: int = 0, bias: bool = True, **known):
    images = private_batch(len(true), seed=seed).images
    batch = Batch(images, torch.tensor(true))
    return observation(typical_network(activation, seed=seed, bias=bias), batch, classes=CLASSES, **known)


def drawn_labels(seed: int, size: int) -> list[int]:
    """From a distribution that is itself drawn: some classes often, others never."""
    rng = generator(seed)
    weights = torch.rand(CLASSES, generator=rng) ** 4
    return torch.multinomial(weights, size, replacement=True, generator=rng).tolist()


def found(rule: LabelStrategy, seen) -> list[int]:
    restored = restore_labels(rule, seen, generator())
    assert restored is not None
    return sorted(restored.labels.tolist())


def single_images(activation, *, bias: bool = True):
    for seed in range(200):
        label = seed % CLASSES
        yield label, seen_of([label], activation, seed=seed, bias=bias)


# Identity 4.


@pytest.mark.parametrize("bias", [True, False])
def test_idlg_is_exact_for_single_images_with_relu_features(bias: bool):
    assert all(found("idlg", seen) == [label] for label, seen in single_images(nn.ReLU, bias=bias))


@pytest.mark.parametrize("activation", [nn.SiLU, nn.Tanh])
def test_the_sign_of_the_bias_is_exact_for_features_of_any_sign(activation):
    assert all(found("bias-sign", seen) == [label] for label, seen in single_images(activation))


def test_idlg_needs_no_bias_for_features_of_any_sign():
    assert all(found("idlg", seen) == [label] for label, seen in single_images(nn.SiLU, bias=False))


def test_the_smallest_row_sum_alone_fails_on_silu():
    """Why the surer rules come first."""
    sums = [(label, classifier_gradient(seen)[0].sum(dim=1)) for label, seen in single_images(nn.SiLU)]
    assert any(row.argmin() != label for label, row in sums)


def test_idlg_says_how_it_came_to_its_answer():
    weight = torch.tensor([[1.0, -2.0], [3.0, -1.0], [-1.0, 5.0]])
    assert idlg(weight, torch.tensor([0.5, -1.0, 0.5])) == 1
    assert idlg(weight, None) == 2  # the one row that points away from all others
    assert idlg(weight[:2], None) == 0  # two classes: only the sums are left


# Identity 5.


@pytest.mark.parametrize("size", range(1, 9))
def test_yin_is_exact_for_different_labels_on_an_untrained_network(size: int):
    for seed in range(5):
        labels = torch.randperm(CLASSES, generator=generator(seed))[:size].tolist()
        assert found("yin", seen_of(labels, seed=seed)) == sorted(labels)


@pytest.mark.parametrize("size", [1, 2, 7, 24, 60])
@pytest.mark.parametrize("rule", FOR_ANY_LABELS)
def test_counts_sum_to_the_batch_size_whatever_the_labels(rule: LabelStrategy, size: int):
    for seed in range(8):
        for activation in (nn.ReLU, nn.Tanh):
            seen = seen_of(drawn_labels(seed, size), activation, seed=seed)
            restored = restore_labels(rule, seen, generator())
            assert restored.labels.shape == restored.confidence.shape == (size,)
            assert 0 <= restored.labels.min() <= restored.labels.max() < CLASSES
            assert 0 <= restored.confidence.min() <= restored.confidence.max() <= 1


@pytest.mark.parametrize("rule", ["counts", "ilrg"])
def test_counts_are_nearly_right_on_an_untrained_network(rule: LabelStrategy):
    wrong = 0
    for seed in range(20):
        labels = drawn_labels(seed, 24)
        missed = torch.tensor(labels).bincount(minlength=CLASSES) - torch.tensor(
            found(rule, seen_of(labels, nn.SiLU, seed=seed))
        ).bincount(minlength=CLASSES)
        wrong += int(missed.abs().sum()) // 2
    assert wrong <= 0.05 * 20 * 24


def test_ilrg_is_exact_where_all_images_look_alike():
    """Then all features are the same, and B b_i = B p_i − k_i holds to the last image; § 19.7."""
    for seed in range(10):
        labels = torch.tensor(drawn_labels(seed, 24))
        batch = Batch(private_batch(1, seed=seed).images.expand(24, -1, -1, -1), labels)
        seen = observation(typical_network(nn.SiLU, seed=seed), batch, classes=CLASSES)
        assert found("ilrg", seen) == sorted(labels.tolist())


def test_features_of_a_class_that_balances_out_are_those_of_all():
    """Two classes with features 3 and 5 in the first place, and one whose images cancel what the model expects."""
    bias = torch.tensor([-0.5, 0.5, 1e-9], dtype=torch.float64)
    weight = torch.stack([bias[0] * torch.tensor([3.0, 1.0]), bias[1] * torch.tensor([5.0, 1.0]), torch.ones(2) * 1e-3])
    features = mean_features(weight.double(), bias, 1000)
    assert features[:2].round(decimals=4).tolist() == [[3, 1], [5, 1]]
    assert features[2].tolist() == pytest.approx([4, 1], abs=0.01)
    assert not mean_features(torch.zeros(3, 2).double(), torch.zeros(3).double(), 4).any()


def test_counts_are_read_off_several_local_steps():
    labels = [1, 1, 1, 1, 4, 4, 7, 9]
    rule = FedAvg(local_epochs=3, local_batch_size=2, local_lr=0.02)
    assert found("counts", seen_of(labels, rule=rule)) == labels
    assert found("auto", seen_of(labels, rule=rule)) == labels


def test_counts_do_without_a_bias():
    labels = [0, 0, 3, 3, 3, 8]
    assert found("counts", seen_of(labels, bias=False)) == labels
    assert found("auto", seen_of(labels, bias=False)) == labels


# Rounding, and the two stages.


def test_whole_numbers_follow_the_largest_remainders():
    assert whole(torch.tensor([2.6, 1.3, 0.1]), 4).tolist() == [3, 1, 0]
    assert whole(torch.tensor([0.5, 0.9, 0.6]), 2).tolist() == [0, 1, 1]
    assert whole(torch.tensor([-3.0, 0.2, 0.1]), 3).tolist() == [0, 2, 1]
    assert whole(torch.tensor([0.1, 2.9]), 3, torch.tensor([1.0, 0.0])).tolist() == [1, 2]
    assert whole(torch.tensor([0.1, 2.0, 1.0]), 2, torch.tensor([1.0, 1.0, 1.0])).tolist() == [0, 1, 1]


def test_the_second_stage_counts_every_image_where_it_went():
    """With an impact of −1 per image: sums −5, −1 and 1 ask for 5 of the first class and 1 of the second."""
    sums = torch.tensor([-5.0, -1.0, 1.0])
    restored = two_stages("llg", sums, torch.tensor(-1.0), torch.zeros(3), 6, "")
    assert restored.labels.tolist() == [0, 0, 0, 0, 0, 1]


def test_an_estimate_near_a_whole_number_is_trusted():
    restored = from_estimate("counts", torch.tensor([2.0, 1.4, 0.6]), 4, "")
    assert restored.labels.tolist() == [0, 0, 1, 2]
    assert restored.confidence.tolist() == pytest.approx([1, 1, 0.2, 0.2])
    assert not restored.ordered


def test_the_bias_gradient_proves_a_least_number_of_images():
    """A sure and wrong network: Σ p vanishes for the true classes, so that their counts are known exactly."""
    seen = seen_of([2, 2, 2, 5])
    model = seen.rounds[0].model
    with torch.no_grad():
        classifier(model).bias[7] = 50
    seen = observation(model, Batch(private_batch(4).images, torch.tensor([2, 2, 2, 5])), classes=CLASSES)
    assert evidence(seen).at_least().tolist() == [0, 0, 3, 0, 0, 1, 0, 0, 0, 0]
    assert found("counts", seen) == found("ilrg", seen) == [2, 2, 2, 5]


# What was asked for, and what cannot be had.


def test_auto_takes_what_is_granted_then_the_rule_that_suits():
    labels = [1, 1, 5]
    granted = seen_of(labels, labels=True)
    assert restore_labels("auto", granted, generator()).rule == "known"
    assert restore_labels("auto", seen_of([3]), generator()).rule == "idlg"
    assert restore_labels("auto", seen_of(labels), generator()).rule == "counts"
    assert restore_labels("auto", seen_of(labels, rule=FedAvg(local_epochs=2)), generator()).rule == "counts"


def test_auto_leaves_dummy_images_alone_where_the_model_tells_images_apart():
    model = typical_network()
    with torch.no_grad():
        classifier(model).weight.mul_(300)
    seen = observation(model, private_batch(4, seed=2), classes=CLASSES)
    assert restore_labels("auto", seen, generator()).rule == "ilrg"


def test_nothing_is_restored_where_only_a_part_of_the_batch_takes_part():
    seen = seen_of([1, 2, 3])
    partial = replace(seen, rule=Vertical(), rounds=(replace(seen.rounds[0], indices=torch.tensor([0, 2])),))
    assert restore_labels("auto", partial, generator()) is None
    with pytest.raises(ValueError, match="some images"):
        restore_labels("counts", partial, generator())


def test_joint_labels_are_left_to_the_search():
    assert restore_labels("joint", seen_of([1]), generator()) is None


def test_granted_labels_keep_their_order():
    restored = restore_labels("known", seen_of([5, 1, 5], labels=True), generator())
    assert restored.labels.tolist() == [5, 1, 5]
    assert restored.ordered
    assert restored.tables() == ()


def test_one_image_needs_no_order():
    assert restore_labels("idlg", seen_of([4]), generator()).ordered


@pytest.mark.parametrize(
    ("rule", "seen", "word"),
    [
        ("known", seen_of([1]), "granted"),
        ("idlg", seen_of([1, 2]), "one image"),
        ("bias-sign", seen_of([1], bias=False), "bias"),
        ("bias-corrected", seen_of([1], bias=False), "bias"),
        ("ilrg", seen_of([1], bias=False), "bias"),
        ("yin", seen_of([1] * 11), "different"),
        ("bias-sign", seen_of([1] * 11), "different"),
        *[
            (rule, seen_of([1, 2], rule=FedAvg(local_epochs=2)), "2 local steps")
            for rule in ("yin", "bias-sign", "llg", "llg-star", "bias-corrected", "ilrg")
        ],
    ],
)
def test_what_a_rule_cannot_do_without_is_said(rule: LabelStrategy, seen, word: str):
    with pytest.raises(ValueError, match=word) as refused:
        restore_labels(rule, seen, generator())
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize("rule", [rule for rule in get_args(Rule) if rule != "idlg"])
def test_one_local_step_on_the_whole_batch_is_a_gradient(rule: LabelStrategy):
    labels = [0, 3, 6]
    assert found(rule, seen_of(labels, rule=FedAvg(local_lr=0.3))) == found(rule, seen_of(labels))


@EVERY_RULE
def test_a_zero_gradient_is_a_guess_without_confidence(rule: LabelStrategy):
    model = typical_network()
    nothing = tuple(torch.zeros_like(p) for p in model.parameters())
    restored = restore_labels(rule, observation(model, private_batch(), update=nothing, classes=CLASSES), generator())
    assert restored.labels.shape == (1,)
    assert restored.confidence.max() < 0.5


@EVERY_RULE
def test_an_update_that_is_not_finite_is_refused(rule: LabelStrategy):
    seen = seen_of([2])
    wrong = tuple(torch.full_like(u, torch.nan) for u in seen.rounds[0].update)
    with pytest.raises(ValueError, match="not finite"):
        restore_labels(rule, replace(seen, rounds=(replace(seen.rounds[0], update=wrong),)), generator())


@EVERY_RULE
def test_the_model_stays_as_it_was(rule: LabelStrategy):
    """Acceptance identity 20, on a network whose statistics every forward pass would like to change."""
    model = batch_norm_network()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = torch.random.get_rng_state()
    restore_labels(rule, observation(model, private_batch()), generator())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert model.training
    assert not any(module._forward_pre_hooks for module in model.modules())
    assert torch.equal(torch.random.get_rng_state(), state)


@EVERY_RULE
def test_same_seed_same_labels(rule: LabelStrategy):
    first, again = (restore_labels(rule, seen_of([6]), generator(3)) for _ in range(2))
    assert torch.equal(first.labels, again.labels)
    assert torch.equal(first.confidence, again.confidence)


def test_every_rule_is_carried_out_by_its_name():
    assert tuple(RULES) == get_args(Rule)
    for rule in RULES:
        assert restore_labels(rule, seen_of([6]), generator()).rule == rule


def test_public_images_stand_in_for_dummies():
    seen = seen_of([0, 0, 4, 4, 4, 4, 9, 9])
    public = F.interpolate(torch.rand(200, 1, 3, 3, generator=generator(5)), size=8, mode="bilinear")
    granted = replace(seen, public=public)
    shown = dummy_images(granted, generator()).flatten(1)
    assert (shown[:, None] == public.flatten(1)).all(dim=2).any(dim=1).all()
    assert found("counts", granted) == [0, 0, 4, 4, 4, 4, 9, 9]


def test_dummy_images_are_pixels_and_no_two_are_alike():
    images = dummy_images(seen_of([1]), generator())
    assert images.shape[1:] == (1, 8, 8)
    assert 0 <= images.min() < images.max() <= 1
    assert len(images.flatten(1).unique(dim=0)) == len(images)


# How it is told.


def test_the_table_shows_the_most_frequent_classes_first():
    labels = torch.tensor([2, 2, 2, 0, 5, 5])
    [table] = RestoredLabels("llg", labels, torch.tensor([0.5, 0.5, 0.5, 1.0, 0.25, 0.25]), False, "Why.").tables()
    assert table.title == "Restored labels"
    assert table.rows == ((2, 3, 0.5), (5, 2, 0.25), (0, 1, 1.0))
    assert "llg" in table.note


def test_a_long_table_says_what_it_leaves_out():
    [table] = RestoredLabels("yin", torch.arange(50), torch.ones(50), False).tables()
    assert len(table.rows) == 20
    assert "30 more classes" in table.note


@pytest.mark.parametrize("rule", ["yin", "llg", "llg-star"])
def test_features_that_can_be_negative_are_warned_of(rule: LabelStrategy):
    assert "negative" in restore_labels(rule, seen_of([1], nn.SiLU), generator()).note
    assert "negative" not in restore_labels(rule, seen_of([1], nn.ReLU), generator()).note


def test_an_attack_shows_what_it_restored():
    seen = seen_of([1, 1, 5])
    steps = [step for step, _ in zip(InvertingGradients(iterations=3).run(seen, generator()), range(3), strict=False)]
    assert steps[0].labels.tolist() == [1, 1, 5]
    assert steps[0].tables[0].title == "Restored labels"
    assert steps[0].tables is steps[-1].tables
    assert next(iter(DLG(iterations=1).run(small_seen(), generator()))).tables == ()


def small_seen():
    return observation(small_network(), private_batch())


# What the setup alone shows.


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        (AuditSpec(attack=IDLG(labels="known")), "granted"),
        (AuditSpec(batch_size=2, attack=DLG(labels="idlg")), "one image"),
        (AuditSpec(batch_size=9, attack=DLG(labels="yin")), "out of 8"),
        (AuditSpec(batch_size=2, model={"name": "cnn6"}, attack=DLG(labels="ilrg")), "bias"),
        (AuditSpec(batch_size=4, client=FedAvg(local_epochs=3), attack=DLG(labels="llg")), "3 local steps"),
        (AuditSpec(batch_size=4, client=Vertical(round_batch_size=2), attack=IDLG()), "some images"),
    ],
)
def test_a_setup_that_a_rule_cannot_handle_is_objected_to(tmp_path, spec: AuditSpec, word: str):
    [objection] = [objection for objection in spec.objections(tmp_path) if objection.field == "attack.labels"]
    assert word in objection.reason
    assert objection.reason.endswith(".")


@pytest.mark.parametrize(
    "spec",
    [
        AuditSpec(batch_size=9, attack=IDLG()),
        AuditSpec(batch_size=8, attack=DLG(labels="yin"), victim=Victim(labels="different")),
        AuditSpec(batch_size=4, client=FedAvg(local_epochs=3), attack=DLG(labels="counts")),
        AuditSpec(
            batch_size=4,
            client=FedAvg(local_epochs=3),
            knowledge=Knowledge(local_training="none"),
            attack=DLG(labels="llg"),
        ),
    ],
)
def test_a_setup_that_a_rule_can_handle_is_not_objected_to(tmp_path, spec: AuditSpec):
    assert spec.objections(tmp_path) == []


def test_the_models_without_a_bias_are_known():
    assert {model.name for model in NARROW if classifier(build(model)).bias is None} == set(WITHOUT_BIAS)
