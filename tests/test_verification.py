"""Every check on cases that can be solved by hand."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from victims import batch_norm_network, generator, private_batch, small_network

from gia_core.aggregation.fingerprint import fingerprint
from gia_core.attacks.analytic.traps import mirrored_rows, scaled
from gia_core.clients import FedSGD
from gia_core.types import Batch
from gia_core.verification.activity import answers
from gia_core.verification.biases import climb, fit, thresholds_of
from gia_core.verification.detectors import DETECTORS
from gia_core.verification.findings import Finding
from gia_core.verification.gradients import dominance
from gia_core.verification.received import Received
from gia_core.verification.rows import balance_of, largest_singular_value, rank_of, share_of_twins, twins_of

CHECKS = {detector.id: detector.check for detector in DETECTORS}


def linear(weight: Tensor, bias: Tensor | None = None) -> nn.Linear:
    layer = nn.utils.skip_init(nn.Linear, *reversed(weight.shape), bias=bias is not None)
    layer.weight.data.copy_(weight)
    if bias is not None:
        layer.bias.data.copy_(bias)
    return layer


def convolution(kernel: Tensor) -> nn.Conv2d:
    layer = nn.utils.skip_init(nn.Conv2d, kernel.shape[1], kernel.shape[0], tuple(kernel.shape[2:]), bias=False)
    layer.weight.data.copy_(kernel)
    return layer


def received(model: nn.Module, size: int = 16, **known) -> Received:
    return Received(model, private_batch(size), **known)


def check(name: str, seen: Received) -> Finding:
    return CHECKS[name](seen)


def test_there_are_thirteen_and_one_looks_at_the_update() -> None:
    assert [detector.id for detector in DETECTORS] == [f"V{number}" for number in range(1, 14)]
    assert [detector.id for detector in DETECTORS if not detector.before_training] == ["V13"]


# V1


def test_the_agreed_network_with_other_numbers_is_the_agreed_network() -> None:
    finding = check("V1", received(small_network(seed=1), agreed=small_network(seed=2)))
    assert (finding.value, finding.verdict) == (0, "ok")


def test_a_layer_more_and_another_activation_are_differences() -> None:
    agreed = small_network()
    more = nn.Sequential(*copy.deepcopy(agreed), nn.Identity())
    assert check("V1", received(more, agreed=agreed)).value == 1
    other = check("V1", received(small_network(nn.ReLU), agreed=agreed))
    assert (other.value, other.verdict) == (2, "fail")  # one activation is missing, another one is there
    assert "ReLU" in other.sentence


def test_numbers_that_nobody_trains_belong_to_the_network() -> None:
    agreed = nn.Sequential(nn.Identity(), small_network())
    agreed[0].register_buffer("std", torch.tensor([0.2]))
    darker = copy.deepcopy(agreed)
    darker[0].std.fill_(0.01)
    assert check("V1", received(copy.deepcopy(agreed), agreed=agreed)).verdict == "ok"
    assert check("V1", received(darker, agreed=agreed)).verdict == "fail"


def test_the_averages_of_batch_norm_may_change() -> None:
    trained = batch_norm_network()
    trained[1].running_mean.fill_(3.0)
    assert check("V1", received(trained, agreed=batch_norm_network())).verdict == "ok"


def test_without_an_agreement_a_linear_layer_in_front_of_convolutions_is_one_too_many() -> None:
    convolutional = batch_norm_network()
    assert check("V1", received(convolutional)).verdict == "unknown"
    block = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.Unflatten(1, (1, 8, 8)), *convolutional)
    assert (check("V1", received(block)).value, check("V1", received(block)).verdict) == (1, "fail")
    assert check("V1", received(small_network())).verdict == "unknown"


# V2, V3, V5


def test_rows_that_point_the_same_or_the_opposite_way_are_twins() -> None:
    rows = torch.eye(16)
    assert share_of_twins(rows) == 0
    rows[1], rows[3] = 5 * rows[0], -rows[2]
    assert share_of_twins(rows) == 4 / 16


def test_silent_rows_are_twins_of_each_other_but_not_of_anything_else() -> None:
    rows = torch.eye(16)
    rows[0] = 0
    assert share_of_twins(rows) == 0
    rows[1:8] = 0
    assert share_of_twins(rows) == 8 / 16


def test_more_than_a_tenth_of_twins_fails_also_in_columns() -> None:
    rows = torch.eye(20)
    rows[1] = rows[0]
    assert twins_of("1", "rows", rows).verdict == "ok"  # exactly a tenth
    rows[2] = rows[0]
    assert twins_of("1", "rows", rows).verdict == "fail"
    columns = torch.randn(16, 32, generator=generator())
    columns[:, 16:] = 1.0
    found = check("V2", received(nn.Sequential(nn.Flatten(), linear(columns))))
    assert (found.value, found.verdict) == (0.5, "fail")
    assert "columns" in found.sentence


def test_the_stable_rank_counts_directions() -> None:
    assert rank_of("1", torch.outer(torch.rand(16, generator=generator()) + 1, torch.ones(20))).value == pytest.approx(
        1
    )
    assert rank_of("1", torch.eye(16)).value == pytest.approx(16)
    two = torch.zeros(16, 16)
    two[0, 0], two[1, 1] = 2.0, 2.0
    found = rank_of("1", two)
    assert (found.value, found.verdict) == (pytest.approx(2), "warn")


def test_the_largest_singular_value_is_that_of_the_library() -> None:
    weight = torch.randn(40, 60, generator=generator()).double()
    weight += torch.outer(torch.ones(40), torch.ones(60))
    assert largest_singular_value(weight) == pytest.approx(float(torch.linalg.matrix_norm(weight, 2)))
    assert largest_singular_value(torch.zeros(3, 3)) > 0


def test_trap_weights_are_balanced_as_no_random_row_is() -> None:
    traps = scaled(mirrored_rows(64, 256, generator()), 0.95)
    assert balance_of("1", traps).value == 0
    assert balance_of("1", traps).verdict == "fail"
    random = balance_of("1", torch.randn(64, 256, generator=generator()))
    assert (random.verdict, random.value) == ("ok", pytest.approx(1, abs=0.5))


def test_one_proportion_of_masses_fails_where_the_number_of_signs_varies() -> None:
    rows = torch.randn(64, 256, generator=generator())
    positive = rows.clamp_min(0).sum(dim=1, keepdim=True)
    negative = -rows.clamp_max(0).sum(dim=1, keepdim=True)
    found = balance_of("1", torch.where(rows > 0, 0.95 * rows * negative / positive, rows))
    assert (found.value, found.verdict) == (pytest.approx(0, abs=1e-5), "fail")


@pytest.mark.parametrize("name", ["V3", "V4", "V5"])
def test_small_layers_are_not_judged_by_statistics_of_large_ones(name: str) -> None:
    found = check(name, received(nn.Sequential(nn.Flatten(), nn.Linear(64, 4))))
    assert (found.value, found.verdict) == (None, "unknown")


# V4


def test_biases_in_order_are_thresholds() -> None:
    """Of 16 steps all lead up where 8 are expected, with deviation √(18 / 12)."""
    rising = torch.arange(17.0).double()
    assert climb(rising) == pytest.approx(8 / math.sqrt(1.5))
    assert climb(-rising) == climb(rising)
    assert thresholds_of("1", rising).verdict == "fail"
    assert climb(torch.zeros(17)) == 0
    assert climb(torch.tensor([0.0, 1.0] * 8 + [0.0])) == 0


@pytest.mark.parametrize(
    ("law", "library"), [("normal", torch.distributions.Normal(0, 1)), ("Laplace", torch.distributions.Laplace(0, 1))]
)
def test_shuffled_quantiles_are_thresholds_in_any_order(law: str, library: torch.distributions.Distribution) -> None:
    shares = (torch.arange(256).double() + 0.5) / 256
    order = torch.randperm(256, generator=generator())
    biases = (3 * library.icdf(shares) + 1)[order]
    found = thresholds_of("1", biases)
    assert found.verdict == "fail"
    assert law in found.sentence
    assert fit(biases, law) == pytest.approx(1)


def test_random_biases_are_no_thresholds() -> None:
    for draw in (torch.randn, torch.rand):
        biases = draw(256, generator=generator()).double()
        assert thresholds_of("1", biases).verdict == "ok"
    assert fit(torch.ones(256).double(), "normal") == 0


# V6, V12


def test_the_size_of_the_weights_is_compared_with_the_last_round_or_a_fresh_network() -> None:
    small, large = small_network(), small_network()
    large[1].weight.data *= 6
    found = check("V6", received(large, agreed=small))
    assert (found.value, found.verdict) == (pytest.approx(6), "warn")
    found = check("V6", received(small, agreed=small, earlier=(large,)))
    assert (found.value, found.threshold, found.verdict) == (pytest.approx(1 / 6), 0.2, "warn")
    assert check("V6", received(small, agreed=large, earlier=(small,))).value == pytest.approx(1)


def test_without_anything_to_compare_with_it_is_the_usual_initialization() -> None:
    uniform = linear((2 * torch.rand(200, 300, generator=generator()) - 1) / math.sqrt(300))
    assert check("V6", received(nn.Sequential(nn.Flatten(), uniform))).value == pytest.approx(1, abs=0.01)


def line(*places: float) -> list[nn.Module]:
    return [nn.Sequential(nn.Flatten(), linear(torch.full((1, 64), place / 8))) for place in places]


def test_a_jump_is_measured_in_usual_steps() -> None:
    *earlier, last = line(0, 1, 2, 3, 23)
    found = check("V12", received(last, earlier=tuple(earlier)))
    assert (found.value, found.verdict) == (pytest.approx(20), "warn")
    *earlier, last = line(0, 1, 2, 3, 4)
    assert check("V12", received(last, earlier=tuple(earlier))).value == pytest.approx(1)


def test_the_first_rounds_say_nothing_of_jumps() -> None:
    *earlier, last = line(0, 1, 100)
    assert check("V12", received(last, earlier=tuple(earlier))).verdict == "unknown"


def test_a_server_that_never_moved_and_then_does_is_unusual() -> None:
    still = line(1)[0]
    assert check("V12", received(still, earlier=(still,) * 3)).value == 0
    assert check("V12", received(line(2)[0], earlier=(still,) * 3)).verdict == "warn"


# V7


def rows_that_answer(thresholds: Tensor) -> nn.Module:
    """Neurons that fire for images whose first pixel is above their threshold."""
    weight = torch.zeros(len(thresholds), 64)
    weight[:, 0] = 1
    head = linear(torch.ones(2, len(thresholds)) * torch.tensor([[1.0], [2.0]]))
    return nn.Sequential(nn.Flatten(), linear(weight, -thresholds), nn.ReLU(), head)


def ramp(size: int) -> Batch:
    """Images whose first pixels are 0, 1/B, 2/B and so on."""
    images = torch.zeros(size, 1, 8, 8)
    images[:, 0, 0, 0] = torch.arange(size) / size
    return Batch(images, torch.zeros(size, dtype=torch.long))


def test_neurons_are_counted_by_the_images_that_they_answer_to() -> None:
    model, batch = rows_that_answer(torch.tensor([-1.0, 0.45, 0.85, 2.0])), ramp(10)
    assert answers(Received(model, batch), model[1]).sum(dim=0).tolist() == [10, 5, 1, 0]


def test_neurons_for_single_images_and_dead_ones_fail() -> None:
    def found(*thresholds: float) -> Finding:
        return check("V7", Received(rows_that_answer(torch.tensor(thresholds)), ramp(64)))

    honest = [0.5] * 190
    assert found(*honest).verdict == "ok"
    assert found(*honest, *[0.98] * 10).verdict == "ok"  # a twentieth
    assert found(*honest, *[0.98] * 11).verdict == "fail"
    assert found(*[0.5] * 80, *[2.0] * 120).verdict == "fail"
    assert found(*[0.5] * 80, *[2.0] * 120).value == pytest.approx(0.6)


def test_small_batches_have_more_neurons_for_single_images_by_chance() -> None:
    """Of 16 images 3 / 17 of the neurons may answer to one."""
    for alone, verdict in ((35, "ok"), (36, "fail")):
        thresholds = torch.tensor([0.5] * (200 - alone) + [0.93] * alone)
        assert check("V7", Received(rows_that_answer(thresholds), ramp(16))).verdict == verdict


def test_it_takes_a_batch_and_a_wide_hidden_layer() -> None:
    wide = rows_that_answer(torch.full((128,), 0.5))
    assert check("V7", Received(wide, ramp(16))).verdict == "ok"
    assert check("V7", Received(wide, ramp(15))).verdict == "unknown"
    assert check("V7", received(small_network())).verdict == "unknown"
    assert check("V7", received(batch_norm_network())).verdict == "unknown"


def test_sigmoids_answer_to_everything() -> None:
    model = nn.Sequential(nn.Flatten(), linear(torch.ones(128, 64) / 64), nn.Sigmoid(), nn.Linear(128, 4))
    assert check("V7", received(model)).value == 0


# V8, V10


def test_dominance_is_the_largest_beside_all_others() -> None:
    assert dominance(torch.tensor([4.0, 1.0, 1.0])) == pytest.approx(2, rel=1e-5)
    assert dominance(torch.ones(9)) == pytest.approx(1 / 8, rel=1e-5)
    assert dominance(torch.tensor([1.0, 0.0])) > 1e5
    assert dominance(torch.zeros(3)) == 0


def test_an_image_dominates_where_the_network_is_deaf_to_the_errors_of_the_others() -> None:
    """Class 1 is fished for: all other rows are zero, so that only its image reaches the first layer."""
    model, batch = small_network(), private_batch(16)
    labels = torch.zeros(16, dtype=torch.long)
    labels[5] = 1
    model[3].weight.data[[0, 2, 3]] = 0
    model[3].bias.data[:] = torch.tensor([50.0, 0.0, 50.0, 50.0])
    found = check("V8", Received(model, replace(batch, labels=labels)))
    assert found.verdict == "fail"
    assert found.value > 1000


def test_a_network_that_is_wrong_about_one_image_only_is_merely_unusual() -> None:
    model = nn.Sequential(nn.Flatten(), linear(torch.cat([torch.ones(1, 64), -torch.ones(1, 64)])))
    batch = Batch(torch.ones(16, 1, 8, 8) / 8, torch.tensor([1] + [0] * 15))
    found = check("V8", Received(model, batch))
    assert found.value > 1000
    assert found.verdict == "warn"


def test_two_images_are_too_few_to_tell() -> None:
    assert check("V8", received(small_network(), 2)).verdict == "unknown"


def test_per_image_gradients_are_those_of_the_batch_also_where_batch_norm_mixes_them() -> None:
    model, batch = batch_norm_network(), private_batch(8)
    gradients = list(Received(model, batch).gradients())
    wanted = torch.autograd.grad(
        nn.functional.cross_entropy(copy.deepcopy(model)(batch.images), batch.labels, reduction="sum"),
        [model[0].weight, model[4].weight],
        allow_unused=True,
    )
    assert wanted == (None, None)  # of the copy, so that the model's averages stay as they are
    total = [sum(parts) for parts in zip(*gradients, strict=True)]
    sent = FedSGD()(model, batch)
    assert torch.allclose(total[0] / 8, sent[0], atol=1e-6)
    assert torch.allclose(total[1] / 8, sent[4], atol=1e-6)


def test_where_batch_norm_mixes_the_images_some_are_enough() -> None:
    assert len(received(batch_norm_network(), 40).judged.images) == 16
    assert len(received(batch_norm_network().eval(), 40).judged.images) == 40
    assert check("V8", received(batch_norm_network(), 40)).verdict == "ok"


def test_a_classifier_that_knows_one_class_fails() -> None:
    model = small_network()
    assert check("V10", received(model)).verdict == "ok"
    model[3].weight.data[:2] = 0
    assert check("V10", received(model)).verdict == "ok"
    model[3].weight.data[2] *= 1e-4
    found = check("V10", received(model))
    assert (found.value, found.verdict) == (0.75, "fail")


def test_a_layer_that_holds_the_gradient_is_unusual() -> None:
    model = small_network(nn.ReLU)
    model[3].weight.data *= 1000
    assert check("V10", received(model)).verdict == "warn"


# V9


def test_kernels_that_hand_the_image_on_fail() -> None:
    copying = torch.zeros(2, 1, 3, 3)
    copying[0, 0, 1, 1] = 1.0
    copying[1] = 1.0
    assert check("V9", received(convolution(copying))).verdict == "fail"
    even = check("V9", received(convolution(torch.ones(2, 1, 3, 3))))
    assert (even.value, even.verdict) == (pytest.approx(1 / 8), "ok")
    assert check("V9", received(convolution(torch.zeros(2, 1, 3, 3)))).value == 0
    assert check("V9", received(convolution(torch.ones(2, 1, 1, 1)))).verdict == "unknown"


# V11


def test_other_clients_have_the_same_model_or_not() -> None:
    model = small_network()
    assert check("V11", received(model)).verdict == "unknown"
    assert check("V11", received(model, others=(fingerprint(small_network()),) * 3)).verdict == "ok"
    found = check("V11", received(model, others=(fingerprint(model), fingerprint(small_network(seed=1)))))
    assert (found.value, found.verdict) == (1, "fail")


# V13


def own_update(model: nn.Module, batch: Batch) -> Received:
    return Received(model, batch, update=FedSGD()(model, batch))


def test_the_canary_finds_an_image_that_is_alone() -> None:
    """A batch of one image: every row of the first layer is this image."""
    found = check("V13", own_update(small_network(), private_batch(1)))
    assert found.verdict == "fail"
    assert found.value > 60


def test_the_canary_sees_through_normalization_and_bins_in_any_order() -> None:
    order = torch.randperm(16, generator=generator())
    bins = rows_that_answer(((torch.arange(16) - 0.5) / 16)[order])

    class Shifted(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return (images - 0.4) / 0.2

    images = private_batch(16).images.clone()
    images[:, 0, 0, 0] = torch.arange(16) / 16
    batch = Batch(images, torch.zeros(16, dtype=torch.long))
    bins[1].bias.data = 5 * bins[1].bias.data + 2  # the same thresholds for pixels that were shifted
    found = check("V13", own_update(nn.Sequential(Shifted(), bins), batch))
    assert found.verdict == "fail"
    assert found.value > 60


def test_the_decibels_of_the_canary_are_those_of_pixels() -> None:
    """The update says 0.1 more than the image in every pixel: 20 dB, however the layer rescales its input."""
    model, batch = nn.Sequential(nn.Flatten(), linear(torch.zeros(1, 64), torch.zeros(1))), private_batch(1)

    class Stretched(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return 7 * images

    wrong = (7 * (batch.images.flatten(1) + 0.1), torch.ones(1))
    found = check("V13", Received(nn.Sequential(Stretched(), model), batch, update=wrong))
    assert (found.value, found.verdict) == (pytest.approx(20, abs=0.01), "ok")


def test_the_canary_says_nothing_of_silence_and_of_layers_that_see_no_image() -> None:
    model, batch = small_network(), private_batch(4)
    silent = Received(model, batch, update=tuple(torch.zeros_like(p) for p in model.parameters()))
    assert check("V13", silent).value is None
    assert check("V13", silent).verdict == "ok"
    assert check("V13", own_update(batch_norm_network(), batch)).verdict == "unknown"
    assert check("V13", Received(model, batch)).verdict == "unknown"


# All of them


@pytest.mark.parametrize("network", [small_network, batch_norm_network], ids=lambda n: n.__name__)
def test_looking_changes_neither_the_model_nor_the_state_of_chance(network) -> None:
    model, agreed, batch = network(), network(), private_batch(16)
    before, state = copy.deepcopy(model.state_dict()), torch.random.get_rng_state()
    for detector in DETECTORS:
        detector.check(Received(model, batch, agreed=agreed, update=FedSGD()(model, batch)))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("network", [small_network, lambda **n: small_network(nn.ReLU, **n)], ids=["sigmoid", "relu"])
def test_honest_networks_pass_every_check_of_the_model(network, seed: int) -> None:
    seen = received(network(seed=seed), 32, agreed=network(seed=9))
    verdicts = {detector.id: detector.check(seen).verdict for detector in DETECTORS if detector.before_training}
    assert "fail" not in verdicts.values(), verdicts


def test_mixed_labels_are_labels() -> None:
    soft = torch.rand(16, 4, generator=generator()).softmax(dim=1)
    seen = Received(small_network(), replace(private_batch(16), labels=soft), agreed=small_network())
    assert [d.check(seen).verdict for d in DETECTORS if d.before_training].count("fail") == 0


def test_numbers_that_are_not_finite_and_networks_without_linear_layers_stop_no_check() -> None:
    broken = small_network()
    broken[1].weight.data.fill_(torch.nan)
    convolutional = nn.Sequential(nn.Conv2d(1, 4, 8), nn.Flatten())
    for model in (broken, convolutional):
        seen = own_update(model, private_batch(16))
        assert len([detector.check(seen) for detector in DETECTORS]) == 13
