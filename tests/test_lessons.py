"""The mathematics of the first lesson: checked by hand, by finite differences, and against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ui.lessons import neuron
from ui.lessons.examples import NAMES, SIZE, batch, example
from ui.lessons.matching import MOST, Observed, Search, minus, squared
from ui.lessons.network import KERNEL, STRIDE, Array, Gradient, Layer, Part, bend, gradient, network, pull, slope

SHAPE = (8, 6, 3)
LABEL = 2


@pytest.fixture
def layers() -> list[Layer]:
    return network(*SHAPE, filters=4, classes=5, seed=3)


@pytest.fixture
def picture() -> Array:
    return np.random.default_rng(0).uniform(size=SHAPE).reshape(-1)


def flat(of: Gradient) -> Array:
    return np.concatenate([numbers.ravel() for part in of for numbers in part])


def like(of: Gradient, seed: int) -> Gradient:
    """Something of the same shape."""
    rng = np.random.default_rng(seed)
    return [Part(rng.standard_normal(p.weights.shape), rng.standard_normal(p.bias.shape)) for p in of]


# The network.


def in_torch(layers: list[Layer], picture: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """The loss of the same network, built of PyTorch's own layers; and its parameters."""
    convolution, last = layers
    kernels = torch.tensor(convolution.weights).reshape(-1, KERNEL, KERNEL, SHAPE[2]).permute(0, 3, 1, 2)
    parameters = [kernels, *(torch.tensor(t) for t in (convolution.bias, last.weights, last.bias))]
    for parameter in parameters:
        parameter.requires_grad_()
    kernels, bias, weights, last_bias = parameters
    pixels = picture.reshape(1, *SHAPE).permute(0, 3, 1, 2)
    hidden = torch.nn.functional.conv2d(pixels, kernels, bias, stride=STRIDE, padding=KERNEL // 2).sigmoid()
    scores = hidden.permute(0, 2, 3, 1).reshape(1, -1) @ weights.T + last_bias
    return torch.nn.functional.cross_entropy(scores, torch.tensor([LABEL])), parameters


def test_the_gradient_is_the_one_that_autograd_finds(layers: list[Layer], picture: Array) -> None:
    loss, parameters = in_torch(layers, torch.tensor(picture))
    kernels, *others = torch.autograd.grad(loss, parameters)
    found = gradient(layers, picture, LABEL)
    expected = [kernels.permute(0, 2, 3, 1).reshape(len(kernels), -1), *others]
    ours = [found[0].weights, found[0].bias, found[1].weights, found[1].bias]
    for one, other in zip(ours, expected, strict=True):
        np.testing.assert_allclose(one, other.numpy(), rtol=1e-10, atol=1e-14)


def test_the_pull_is_the_second_derivative_that_autograd_finds(layers: list[Layer], picture: Array) -> None:
    direction = like(gradient(layers, picture, LABEL), seed=1)
    pixels = torch.tensor(picture, requires_grad=True)
    loss, parameters = in_torch(layers, pixels)
    kernels, *others = torch.autograd.grad(loss, parameters, create_graph=True)
    along = torch.cat([kernels.permute(0, 2, 3, 1).flatten(), *(other.flatten() for other in others)])
    (along @ torch.tensor(flat(direction))).backward()
    assert pixels.grad is not None
    found = pull(layers, picture, LABEL, direction)
    np.testing.assert_allclose(found, pixels.grad.numpy(), rtol=1e-9, atol=1e-13)


def test_the_pull_agrees_with_finite_differences(layers: list[Layer], picture: Array) -> None:
    direction = like(gradient(layers, picture, LABEL), seed=1)
    way = np.random.default_rng(2).standard_normal(picture.shape)
    ends = [flat(gradient(layers, picture + sign * 1e-5 * way, LABEL)) @ flat(direction) for sign in (1, -1)]
    assert pull(layers, picture, LABEL, direction) @ way == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-6)


def test_the_gradient_of_one_weight_and_two_classes_is_the_one_on_paper() -> None:
    """With all weights zero both classes have a chance of a half, whatever the picture."""
    layer = Layer(np.array([[0]]), 1, np.zeros((2, 1)), np.zeros(2))
    (part,) = gradient([layer], np.array([0.6]), 0)
    np.testing.assert_allclose(part.weights, [[-0.3], [0.3]])
    np.testing.assert_allclose(part.bias, [-0.5, 0.5])


def test_the_derivatives_of_the_sigmoid_are_those_at_zero() -> None:
    half = np.array([0.5])
    assert slope(half) == pytest.approx(0.25)
    assert bend(half) == pytest.approx(0.0)


# The search.


def test_the_slope_of_the_distance_agrees_with_finite_differences(layers: list[Layer], picture: Array) -> None:
    observed = Observed(layers, gradient(layers, picture, LABEL))
    search = Search(observed, seed=5)
    moment = search.advance(0.1)
    way = np.random.default_rng(6).standard_normal(picture.shape)

    def distance(dummy: Array) -> float:
        return squared(minus(gradient(layers, dummy, LABEL), observed.gradient)) / observed.size

    assert moment.distance == pytest.approx(distance(moment.dummy))
    expected = (distance(moment.dummy + 1e-5 * way) - distance(moment.dummy - 1e-5 * way)) / 2e-5
    assert moment.slope @ way == pytest.approx(expected, rel=1e-6)


def test_the_first_step_moves_every_pixel_downhill_by_the_learning_rate(layers: list[Layer], picture: Array) -> None:
    moment = Search(Observed(layers, gradient(layers, picture, LABEL))).advance(0.01)
    expected = np.clip(moment.dummy - 0.01 * np.sign(moment.slope), 0, 1)
    np.testing.assert_allclose(moment.following, expected, atol=1e-6)


def test_the_truth_is_where_the_search_stays(layers: list[Layer], picture: Array) -> None:
    search = Search(Observed(layers, gradient(layers, picture, LABEL)))
    search._dummy = picture
    moment = search.advance(0.1)
    assert moment.distance == 0
    np.testing.assert_array_equal(moment.following, picture)


@pytest.mark.parametrize("label", range(5))
def test_the_label_is_read_off_the_gradient(layers: list[Layer], picture: Array, label: int) -> None:
    assert Observed(layers, gradient(layers, picture, label)).label == label


def searched(filters: int) -> tuple[float, float, float]:
    """Distance and PSNR that a whole search ends with, and the PSNR of a blind guess."""
    chosen = example("cat")
    layers = network(*chosen.pixels.shape, filters=filters, classes=len(NAMES), seed=0)
    search = Search(Observed(layers, gradient(layers, chosen.flat, 0)))
    while not search.is_over:
        moment = search.advance(0.1)
    assert moment.iteration == MOST == len(search.distances)
    return (
        moment.distance,
        neuron.closeness(moment.dummy, chosen.flat),
        neuron.closeness(chosen.blind_guess, chosen.flat),
    )


def test_a_search_through_enough_filters_finds_the_picture() -> None:
    distance, psnr, _ = searched(16)
    assert distance < 1e-6
    assert psnr > 30


def test_a_search_through_few_filters_finds_another_picture_with_the_same_gradient() -> None:
    distance, psnr, guess = searched(4)
    assert distance < 1e-6
    assert psnr < guess


# The neuron.


def test_the_gradient_of_a_neuron_divided_is_its_picture() -> None:
    picture = np.array([[0.2, 0.7, 1.0]])
    seen = neuron.gradient(picture, np.array([-3.0]))
    np.testing.assert_allclose(seen.weights, [-0.6, -2.1, -3.0])
    assert seen.bias == -3.0
    assert seen.divided is not None
    np.testing.assert_allclose(seen.divided, picture[0])


def test_two_pictures_come_back_as_a_mixture_by_their_pushes() -> None:
    pictures, pushed = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([-1.0, -3.0])
    np.testing.assert_allclose(neuron.shares(pushed), [0.25, 0.75])
    divided = neuron.gradient(pictures, pushed).divided
    assert divided is not None
    np.testing.assert_allclose(divided, [0.75, 0.25])


def test_pushes_that_cancel_leave_nothing_to_divide_by() -> None:
    assert neuron.gradient(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([1.0, -1.0])).divided is None


def test_the_pushes_are_the_derivative_that_autograd_finds() -> None:
    pictures = np.stack([one.flat for one in batch("coffee", 3)])
    rng = np.random.default_rng(4)
    bound = pictures.shape[1] ** -0.5
    weights = torch.tensor(rng.uniform(-bound, bound, pictures.shape[1]), requires_grad=True)
    bias = torch.tensor(rng.uniform(-bound, bound), dtype=torch.float64, requires_grad=True)
    loss = ((torch.tensor(pictures) @ weights + bias - 1) ** 2 / 2).mean()
    by_weights, by_bias = torch.autograd.grad(loss, (weights, bias))
    seen = neuron.gradient(pictures, neuron.pushes(pictures, seed=4))
    np.testing.assert_allclose(seen.weights, by_weights.numpy(), rtol=1e-10)
    assert seen.bias == pytest.approx(by_bias.item())


def test_noise_moves_the_pixels_by_its_deviation_over_the_bias() -> None:
    chosen = example("cat")
    clean = neuron.gradient(chosen.flat[None], np.array([-2.0]))
    divided = neuron.noisy(clean, 0.01, seed=0).divided
    assert divided is not None
    assert np.std(divided - chosen.flat) == pytest.approx(0.005, rel=0.1)
    unchanged = neuron.noisy(clean, 0.0, seed=0)
    np.testing.assert_array_equal(unchanged.weights, clean.weights)


def test_closeness_is_20_decibels_at_an_error_of_a_tenth_and_ends_where_pictures_are_equal() -> None:
    assert neuron.closeness(np.full(5, 0.4), np.full(5, 0.5)) == pytest.approx(20.0)
    assert neuron.closeness(np.full(5, 0.5), np.full(5, 0.5)) == neuron.EXACT
    assert neuron.closeness(np.full(5, 7.0), np.ones(5)) == neuron.EXACT, "what is beyond white is white"


# The pictures.


@pytest.mark.parametrize("name", NAMES)
def test_every_picture_fills_the_square(name: str) -> None:
    pixels = example(name).pixels
    assert pixels.shape[:2] == (SIZE, SIZE)
    assert 0 <= pixels.min() < pixels.max() <= 1


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_begins_with_its_picture_and_repeats_none(name: str) -> None:
    names = [one.name for one in batch(name, 4)]
    assert names[0] == name
    assert len(set(names)) == 4
