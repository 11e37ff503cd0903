"""R-GAP on networks whose equations are known: what it recovers, what it tells, what it refuses."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.grad import conv2d_weight
from victims import batch_norm_network, generator, observation, private_batch, small_network

from gia_core.attacks import RGAP
from gia_core.attacks.analytic.r_gap_head import last_layer, logistic_roots
from gia_core.attacks.analytic.r_gap_layers import chain, undone
from gia_core.attacks.analytic.r_gap_recursion import followed_back
from gia_core.attacks.analytic.r_gap_solve import least_squares, solve
from gia_core.clients import FedAvg, FedSGD
from gia_core.metrics import psnr
from gia_core.models import CNN6, MLP
from gia_core.models.layers import ACTIVATIONS, Normalize, drawn_from
from gia_core.spec import AuditSpec, unmet
from gia_core.types import UNKNOWN, Batch, Data, Observation, Step

INVERTIBLE = ("leaky-relu", "sigmoid", "tanh", "elu")


def convolutions(
    activation: str = "leaky-relu",
    *,
    classes: int = 4,
    widths: tuple[int, ...] = (8, 12, 16),
    bias: bool = False,
    normalize: Normalize | None = None,
    seed: int = 0,
) -> nn.Sequential:
    """A chain in CNN6's manner on 1 × 8 × 8 images, its first convolution with a stride."""
    layers: list[nn.Module] = [] if normalize is None else [normalize]
    channels = 1
    with drawn_from(generator(seed)):
        for index, width in enumerate(widths):
            stride = 2 if index == 0 else 1
            layers += [nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=bias), ACTIVATIONS[activation]()]
            channels = width
        layers += [nn.Flatten(), nn.Linear(16 * channels, classes, bias=bias)]
    return nn.Sequential(*layers).eval()


def normalization(mean: float = 0.5, std: float = 0.25) -> Normalize:
    nothing = None
    return Normalize(Data((1, 8, 8), (), nothing, nothing, (mean,), (std,)))


def solved(model: nn.Module, batch: Batch, attack: RGAP = RGAP(), **known: object) -> Step:  # noqa: B008 (frozen)
    return next(iter(attack.run(observation(model, batch, **known), generator())))


def decibels(step: Step, batch: Batch) -> float:
    return psnr(step.images, batch.images).item()


def column(step: Step, title: str, table: int = 0) -> list[object]:
    at = step.tables[table].columns.index(title)
    return [row[at] for row in step.tables[table].rows]


@pytest.mark.parametrize("activation", INVERTIBLE)
@pytest.mark.parametrize("bias", [False, True], ids=["no biases", "biases"])
@pytest.mark.parametrize("seed", range(2))
def test_recovers_what_went_through_convolutions(activation: str, bias: bool, seed: int):
    batch = private_batch(seed=seed)
    step = solved(convolutions(activation, bias=bias, normalize=normalization(), seed=seed), batch)
    assert decibels(step, batch) > 60
    assert torch.equal(step.labels, batch.labels)
    assert column(step, "Rank") == column(step, "Unknowns") == [64, 128, 192]
    assert column(step, "What is lost") == ["nothing"] * 3


def test_recovers_what_went_through_linear_layers_with_hidden_biases():
    data = Data((1, 8, 8), ("a", "b", "c", "d"), None, None, (0.4,), (0.3,))
    model = MLP(width=32, depth=4, activation="tanh").build(data, generator())
    batch = private_batch()
    step = solved(model, batch)
    assert decibels(step, batch) > 80
    assert len(step.tables[0].rows) == 4


@pytest.mark.parametrize("clip", [1e-6, 1.0])
def test_the_size_of_the_gradient_does_not_matter_where_the_classifier_has_a_bias(clip: float):
    batch, model = private_batch(), convolutions("sigmoid", bias=True)
    update = tuple(clip * part for part in FedSGD()(model, batch))
    assert decibels(solved(model, batch, update=update), batch) > 60


def test_one_local_step_of_fedavg_is_one_gradient():
    batch, model = private_batch(), convolutions()
    rule = FedAvg(local_lr=0.1)
    step = next(iter(RGAP().run(observation(model, batch, rule=rule), generator())))
    assert decibels(step, batch) > 60
    refused = AuditSpec(attack=RGAP(), model=CNN6(), client=FedAvg(local_epochs=2))
    assert "local epochs to 1" in unmet(RGAP.needs, refused)[0].reason


# The last layer.


def test_the_logistic_identity_has_one_root_where_the_sample_is_misclassified_and_two_where_it_is_not():
    """-μ / (1 + exp μ), worked out at points chosen here."""
    for margin in (-30.0, -2.0, -1e-3, 0.5, 1.0, 2.0, 9.0):
        product = -margin / (1 + math.exp(margin))
        roots = logistic_roots(product)
        assert len(roots) == (1 if margin <= 0 else 2)
        assert min(abs(root - margin) for root in roots) < 1e-9 * max(1, abs(margin))
        assert all(-root / (1 + math.exp(root)) == pytest.approx(product, rel=1e-9) for root in roots)
    assert logistic_roots(0.0) == [pytest.approx(0.0, abs=1e-12)]
    assert all(map(math.isfinite, logistic_roots(-1e-300)))
    assert logistic_roots(-0.3) == [pytest.approx(1.2785, abs=1e-4)]  # below its lowest point: the nearest


def head_of(features: torch.Tensor, weight: torch.Tensor, label: int):
    """The classifier alone, and what a client with these features would send for it, in float64."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False, dtype=torch.float64)
    model = nn.Sequential(nn.Flatten(), layer)
    with torch.no_grad():
        layer.weight.copy_(weight)
    batch = Batch(features.reshape(1, 1, 1, -1), torch.tensor([label]))
    return chain(model, FedSGD()(model, batch), (1, 1, features.numel())).head


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("margin", [-3.0, 0.5, 6.0], ids=["misclassified", "close", "confident"])
def test_a_head_without_bias_gives_the_label_and_the_features(classes: int, margin: float):
    for seed in range(10):
        rng = generator(seed)
        weight = torch.randn(classes, 24, generator=rng, dtype=torch.float64) / 5
        features = torch.rand(24, generator=rng, dtype=torch.float64)
        label = seed % classes
        others = torch.arange(classes) != label
        towards = weight[label] - weight[others].mean(0)
        features += (margin - features @ towards) / towards.square().sum() * towards
        found = last_layer(head_of(features, weight, label))
        right = [one for one in found if one.label == label]
        assert min(float((one.values - features).norm() / features.norm()) for one in right) < 1e-6
        if classes == 2:
            assert len(found) == (4 if margin > 0 else 2)  # both roots of both labels
        else:
            assert len(right) == len(found)


@pytest.mark.parametrize("activation", ["sigmoid", "elu"])
@pytest.mark.parametrize("margin", [0.4, 4.0], ids=["smaller root", "larger root"])
def test_both_roots_are_tried_for_an_image_that_is_classified_correctly(activation: str, margin: float):
    """Acceptance identity 9: with two classes and no bias the scale of the features is ambiguous."""
    for seed in range(3):
        batch = private_batch(classes=2, seed=seed)
        model = with_margin(convolutions(activation, classes=2, seed=seed), batch, margin)
        step = solved(model, batch)
        assert decibels(step, batch) > 60
        assert torch.equal(step.labels, batch.labels)
        assert len(step.tables[1].rows) == 4
        assert column(step, "Choice", 1) == ["taken", "", "", ""]
        best, second, *_ = column(step, "Residual of all layers", 1)
        assert best < 1e-3 < second


def with_margin(model: nn.Sequential, batch: Batch, margin: float) -> nn.Sequential:
    """The model with its two scores moved apart, in favor of the batch's label."""
    with torch.no_grad():
        features, label = model[:-1](batch.images)[0], int(batch.labels)
        scores = features @ model[-1].weight.T
        change = (margin - float(scores[label] - scores[1 - label])) / float(features.square().sum())
        model[-1].weight[label] += change * features
    return model


def test_an_image_with_more_contrast_gives_the_same_update_and_the_usual_contrast_decides():
    """Without biases and with leaky-relu both roots fit exactly: nothing in the update tells them apart."""
    batch = private_batch(classes=2, seed=1)
    model = with_margin(convolutions(classes=2, normalize=normalization()), batch, 0.3)
    step = solved(model, batch)
    fitting = [r for r in column(step, "Residual of all layers", 1) if r < 1e-4]
    assert len(fitting) == 2
    assert decibels(step, batch) > 60


def test_a_known_label_leaves_only_its_own_solutions():
    batch = private_batch(classes=2)
    step = solved(convolutions("sigmoid", classes=2), batch, labels=True)
    assert set(column(step, "Label", 1)) == {int(batch.labels)}


def test_a_class_of_which_the_model_is_so_sure_that_its_row_rounds_to_zero_is_still_found():
    """The other rows still tell all: their probabilities are small, but have all their digits."""
    batch = private_batch()
    model = convolutions("sigmoid")
    label = int(batch.labels)
    with torch.no_grad():
        features = model[:-1](batch.images)[0]
        model[-1].weight[label] += 25 * features / features.square().sum()
    update = FedSGD()(model, batch)
    assert not update[-1][label].any()
    step = solved(model, batch, update=update)
    assert torch.equal(step.labels, batch.labels)
    assert decibels(step, batch) > 45


# The layers before it.


def test_the_equations_of_a_layer_are_those_of_its_gradient():
    """Solved by hand: one filter of one weight, so that z = w x and ∇w = Σ k x."""
    model = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.Flatten(), nn.Linear(2, 2, bias=False)).double()
    with torch.no_grad():
        model[0].weight.fill_(2.0)
    update = FedSGD()(model, Batch(torch.tensor([[[[3.0, 5.0]]]]).double(), torch.tensor([0])))
    layer = replace(chain(model, update, (1, 1, 2)).parts[0], gradient=torch.full((1, 1, 1, 1), 13.0).double())
    found, report = solve(layer, torch.tensor([[[6.0, 10.0]]]).double(), torch.tensor([[[1.0, 2.0]]]).double(), 1e-10)
    assert found.flatten().tolist() == pytest.approx([3.0, 5.0])  # and 1·3 + 2·5 = 13
    assert (report.equations, report.unknowns, report.rank) == (3, 2, 2)
    assert report.residual < 1e-12


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize("kernel", [2, 4])
def test_every_convolution_is_undone_as_a_dense_solver_would(stride: int, padding: int, kernel: int):
    rng = generator(stride + 10 * padding + 100 * kernel)
    with drawn_from(rng):
        convolution = nn.Conv2d(2, 5, kernel, stride=stride, padding=padding, bias=False).double()
    image = torch.rand(1, 2, 7, 6, generator=rng, dtype=torch.float64, requires_grad=True)
    outputs = convolution(image)
    model = nn.Sequential(convolution, nn.Flatten(), nn.Linear(outputs.numel(), 3, bias=False).double())
    errors = torch.randn(outputs.shape, generator=rng, dtype=torch.float64)
    gradient, back = torch.autograd.grad(outputs, (convolution.weight, image), errors)
    layer = chain(model, (gradient, torch.zeros_like(model[2].weight)), (2, 7, 6)).parts[0]
    assert torch.allclose(layer.transposed(errors[0]), back[0])
    found, report = solve(layer, outputs[0].detach(), errors[0], 1e-10)

    def equations(x: torch.Tensor) -> torch.Tensor:
        z = nn.functional.conv2d(x[None], convolution.weight, stride=stride, padding=padding)
        m = conv2d_weight(x[None], convolution.weight.shape, errors, stride, padding)
        return torch.cat([z.flatten(), m.flatten()]).detach()

    matrix = torch.stack([equations(unit.reshape(2, 7, 6)) for unit in torch.eye(84).double()], dim=1)
    assert report.rank == int(torch.linalg.matrix_rank(matrix, rtol=1e-10))
    assert matrix.shape == (report.equations, report.unknowns)
    if report.rank == report.unknowns:
        assert torch.allclose(found, image[0], atol=1e-8)
    else:
        assert found.norm() <= image.norm() + 1e-9
        assert torch.allclose(matrix @ found.flatten(), equations(image[0]), atol=1e-8)


def test_a_deficient_layer_is_told_and_leaves_a_blurry_image():
    """CNN6-d's fault in small: the first convolution has too few filters for what its stride leaves out."""
    batch = private_batch(seed=4)
    step = solved(convolutions(widths=(2, 12, 16), normalize=normalization()), batch)
    row = dict(zip(step.tables[0].columns, step.tables[0].rows[0], strict=True))
    assert row["Rank"] < row["Unknowns"] == 64
    assert row["Condition number"] is None
    assert str(row["What is lost"]).startswith(f"{64 - row['Rank']} of 64")
    gray = psnr(torch.full_like(batch.images, 0.5), batch.images).item()
    assert gray < decibels(step, batch) < 45
    assert torch.equal(step.labels, batch.labels)


def test_least_squares_takes_the_shortest_solution_where_there_are_many():
    matrix = torch.tensor([[1.0, 1.0, 0.0], [2.0, 2.0, 0.0], [0.0, 0.0, 2.0]], dtype=torch.float64)
    solution, rank, condition = least_squares(matrix, torch.tensor([2.0, 4.0, 6.0], dtype=torch.float64), 1e-10)
    assert solution.tolist() == pytest.approx([1.0, 1.0, 3.0])
    assert (rank, condition) == (2, None)
    solution, rank, condition = least_squares(matrix[:1], torch.tensor([2.0], dtype=torch.float64), 1e-10)
    assert solution.tolist() == pytest.approx([1.0, 1.0, 0.0])
    assert rank == 1


def test_the_condition_number_is_that_of_the_singular_values():
    rng = generator(3)
    matrix = torch.randn(30, 12, generator=rng, dtype=torch.float64)
    _, rank, condition = least_squares(matrix, torch.ones(30, dtype=torch.float64), 1e-10)
    strength = torch.linalg.svdvals(matrix)
    assert rank == 12
    assert condition == pytest.approx(float(strength[0] / strength[-1]), rel=0.1)


@pytest.mark.parametrize("activation", INVERTIBLE)
def test_activations_are_undone(activation: str):
    module = ACTIVATIONS[activation]()
    before = torch.linspace(-6, 6, 101, dtype=torch.float64, requires_grad=True)
    after = module(before)
    found, slope, possible = undone(module, after.detach())
    assert torch.allclose(found, before, atol=1e-6)
    assert torch.allclose(slope, torch.autograd.grad(after.sum(), before)[0], atol=1e-9)
    assert torch.equal(possible, after)


def test_values_that_no_activation_gives_are_moved_into_its_range():
    for activation in ("sigmoid", "tanh", "elu"):
        found, slope, possible = undone(ACTIVATIONS[activation](), torch.tensor([-5.0, 5.0]).double())
        assert found.isfinite().all()
        assert (slope > 0).all()
        assert not torch.equal(possible, torch.tensor([-5.0, 5.0]).double())


# What it does with what it cannot solve.


@pytest.mark.parametrize("seed", range(3))
def test_noise_raises_the_residual_that_the_table_shows(seed: int):
    batch, model = private_batch(seed=seed), convolutions("tanh", seed=seed)
    clean = solved(model, batch)
    rng = generator(seed)
    noisy = tuple(g + 0.1 * g.std() * torch.randn(g.shape, generator=rng) for g in FedSGD()(model, batch))
    changed = solved(model, batch, update=noisy)
    assert max(column(clean, "Residual")) < 1e-4 < max(column(changed, "Residual"))
    assert changed.images.isfinite().all()


def test_a_zero_gradient_is_told():
    model = convolutions()
    step = solved(model, private_batch(), update=tuple(torch.zeros_like(p) for p in model.parameters()))
    assert (step.images == 0.5).all()
    assert step.labels.tolist() == [UNKNOWN]
    assert step.tables[0].title == "Nothing to solve"


@pytest.mark.parametrize("activation", ["sigmoid", "leaky-relu"])
def test_layers_whose_gradient_is_gone_are_told(activation: str):
    """As after pruning: only the classifier's gradient is left."""
    batch, model = private_batch(), convolutions(activation)
    *hidden, last = FedSGD()(model, batch)
    step = solved(model, batch, update=(*(torch.zeros_like(g) for g in hidden), last))
    assert step.images.isfinite().all()
    assert max(column(step, "Residual")) > 0.5


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_an_update_that_is_not_finite_is_refused(value: float):
    model = convolutions()
    broken = tuple(torch.full_like(p, value) for p in model.parameters())
    with pytest.raises(ValueError, match="not finite"):
        solved(model, private_batch(), update=broken)


def test_more_than_one_image_is_refused():
    with pytest.raises(ValueError, match="a single image"):
        solved(convolutions(), private_batch(2))


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (small_network(nn.ReLU), "kind ReLU"),
        (small_network(nn.GELU), "kind GELU"),
        (batch_norm_network(), "kind BatchNorm2d"),
        (nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 4)), "kind MaxPool2d"),
        (nn.Sequential(nn.Linear(8, 4)), "Flatten layer"),
        (nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.Tanh()), "does not end in one"),
        (nn.Sequential(nn.Conv2d(1, 4, 8), nn.Flatten()), "does not end in one"),
        (nn.Sequential(nn.Conv2d(1, 4, 3, padding="same"), nn.Flatten(), nn.Linear(256, 4)), "stated number of zeros"),
        (nn.Sequential(nn.Flatten(), *2 * [nn.Linear(64, 64)], nn.Tanh(), nn.Linear(64, 4)), "share their weights"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_networks_that_cannot_be_undone_are_refused_with_the_reason(model: nn.Module, reason: str):
    nothing = tuple(torch.zeros_like(p) for p in model.parameters())
    with pytest.raises(ValueError, match=reason):
        solved(model, private_batch(), update=nothing)


def test_the_form_refuses_activations_that_cannot_be_inverted():
    refused = AuditSpec(attack=RGAP(), model=CNN6(activation="relu"))
    assert [objection.field for objection in unmet(RGAP.needs, refused)] == ["model.activation"]
    assert unmet(RGAP.needs, AuditSpec(attack=RGAP(), model=CNN6())) == []


def test_systems_that_would_take_minutes_are_refused():
    side = 256
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3, stride=2, padding=1), nn.Sigmoid(), nn.Flatten(), nn.Linear(2 * 128 * 128, 4)
    )
    batch = Batch(torch.rand(1, 1, side, side, generator=generator()), torch.tensor([1]))
    seen: Observation = replace(observation(model, batch), image_shape=(1, side, side))
    with pytest.raises(ValueError, match="choose smaller images"):
        next(iter(RGAP().run(seen, generator())))


def test_cnn6_is_solved_in_full():
    """Acceptance identity 9, on the smallest image that CNN6's layers still shrink as on CIFAR."""
    data = Data((1, 8, 8), ("a", "b", "c", "d"), None, None, (0.5,), (0.25,))
    batch, model = private_batch(), CNN6().build(data, generator())
    step = solved(model, batch)
    assert decibels(step, batch) > 45
    assert column(step, "Rank") == column(step, "Unknowns")
    assert torch.equal(step.labels, batch.labels)
    assert len(followed_back(chain(model, FedSGD()(model, batch), (1, 8, 8)), 1e-10)) == 1


def test_a_layer_that_passes_no_error_back_is_left_to_its_own_output():
    """M is zero, so that nothing weighs the gradient equations, which contradict it."""
    model = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.Flatten(), nn.Linear(4, 2, bias=False)).double()
    layer = chain(model, tuple(torch.ones_like(p) for p in model.parameters()), (1, 2, 2)).parts[0]
    outputs = torch.rand(1, 2, 2, generator=generator(), dtype=torch.float64)
    found, report = solve(layer, outputs, torch.zeros_like(outputs), 1e-10)
    assert torch.allclose(found * layer.weight[0], outputs)
    assert report.rank == 4
    assert report.residual >= 1
