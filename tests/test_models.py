"""Every network: a contract over the catalog, the papers' numbers, and reference implementations."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from typing import get_args

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision
from pydantic import TypeAdapter
from torch import Tensor, nn

from gia_core.models import CNN6, MLP, VGG11, ConvNet, LeNet, Model, Quadrants, ResNet18, ResNet20, ViT, classifier
from gia_core.models.attention import Attention
from gia_core.models.choices import Activation, Normalization
from gia_core.models.layers import ACTIVATIONS, Normalize, drawn_from
from gia_core.types import Data, LabeledImages

NARROW = [
    MLP(width=8, depth=2),
    LeNet(),
    ConvNet(width=8),
    CNN6(),
    ResNet20(),
    ResNet18(width=8),
    VGG11(width=8),
    ViT(dim=32, depth=2),
    Quadrants(channels=4, hidden=8),
]
"""One of each kind, small enough for many tests."""
WITH_MODE = [model for model in NARROW if "mode" in type(model).model_fields]
SHAPES = [(channels, side, side) for channels in (1, 3) for side in (8, 9, 25, 32, 65)] + [(1, 32, 48), (3, 128, 128)]
FITTING = [(model, shape) for model in NARROW for shape in SHAPES if model.objection(shape) is None]
TOO_SMALL = [(model, shape) for model in NARROW for shape in SHAPES if model.objection(shape) is not None]


def data(shape: tuple[int, int, int] = (3, 32, 32), *, classes: int = 10) -> Data:
    """A data set without images, with a mean and a standard deviation of its own for each channel."""
    empty = LabeledImages(np.zeros(0, np.int64), lambda index: np.zeros((*shape[1:], shape[0]), np.uint8))
    return Data(
        image_shape=shape,
        class_names=tuple(f"class {number}" for number in range(classes)),
        victims=empty,
        training=empty,
        mean=(0.5, 0.4, 0.3)[: shape[0]],
        std=(0.2, 0.25, 0.3)[: shape[0]],
    )


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def build(model: Model, shape: tuple[int, int, int] = (3, 32, 32), *, classes: int = 10) -> nn.Module:
    return model.build(data(shape, classes=classes), generator())


def pixels(batch_size: int, shape: tuple[int, int, int] = (3, 32, 32)) -> Tensor:
    return torch.rand(batch_size, *shape, generator=generator(1))


def describe(value: object) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else getattr(value, "name", "")


def parameter_count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_the_sample_has_one_of_every_kind() -> None:
    assert {type(model) for model in NARROW} == set(get_args(get_args(Model)[0]))


@pytest.mark.parametrize(("model", "shape"), FITTING, ids=describe)
def test_scores_every_class_of_any_image_that_fits(model: Model, shape: tuple[int, int, int]) -> None:
    network = build(model, shape, classes=7)
    with torch.no_grad():
        together = network(pixels(2, shape))
        alone = network.train()(pixels(1, shape))
    assert together.shape == (2, 7)
    assert together.dtype == torch.float32
    assert together.isfinite().all()
    assert alone.isfinite().all()


@pytest.mark.parametrize(("model", "shape"), TOO_SMALL, ids=describe)
def test_refuses_other_images_with_the_sentence_that_the_form_shows(model: Model, shape: tuple[int, int, int]) -> None:
    sentence = model.objection(shape) or ""
    assert sentence.startswith(f"{model.name} ")
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        build(model, shape)


def test_objects_to_nothing_larger_than_it_must() -> None:
    least = {m.name: min(side for side in range(8, 129, 4) if m.objection((3, side, side)) is None) for m in NARROW}
    assert least.pop("convnet") == 12  # of nine
    assert least.pop("resnet18") == 16
    assert least.pop("vgg11") == 32
    assert set(least.values()) == {8}


def gradient_of_matching(network: nn.Module, images: Tensor) -> Tensor:
    """What an attacker follows: the slope, in the images, of the squared norm of the client's gradient."""
    images.requires_grad_()
    loss = F.cross_entropy(network(images), torch.arange(len(images)))
    update = torch.autograd.grad(loss, tuple(network.parameters()), create_graph=True)
    (slope,) = torch.autograd.grad(sum(u.square().sum() for u in update), images)
    return slope


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("model", NARROW, ids=describe)
def test_gradient_matching_has_a_slope(model: Model, mode: str) -> None:
    slope = gradient_of_matching(build(model).train(mode == "train"), pixels(2))
    assert slope.isfinite().all()
    assert slope.count_nonzero() > slope.numel() // 2


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_is_twice_differentiable(activation: Activation) -> None:
    assert gradient_of_matching(build(MLP(width=8, activation=activation)), pixels(1)).isfinite().all()


@pytest.mark.parametrize("model", NARROW, ids=describe)
def test_uses_the_activation_that_was_chosen(model: Model) -> None:
    for activation, layer in ACTIVATIONS.items():
        network = build(model.model_copy(update={"activation": activation}))
        assert any(isinstance(module, type(layer())) for module in network.modules())


@pytest.mark.parametrize("normalization", get_args(get_args(Normalization)[0]))
@pytest.mark.parametrize("model", WITH_MODE, ids=describe)
def test_only_batch_norm_in_training_mode_mixes_the_images(model: Model, normalization: Normalization) -> None:
    for mode in ("train", "eval"):
        network = build(model.model_copy(update={"normalization": normalization, "mode": mode}))
        images = pixels(3)
        with torch.no_grad():
            alone, together = network(images[:1]), network(images)[:1]
        assert torch.allclose(alone, together, rtol=1e-3, atol=1e-4) == (normalization != "batch" or mode == "eval")


@pytest.mark.parametrize("model", NARROW, ids=describe)
def test_parameters_come_from_the_generator_alone(model: Model) -> None:
    torch_state = torch.get_rng_state()
    first = build(model).state_dict()
    assert torch.equal(torch.get_rng_state(), torch_state)
    torch.rand(7)
    again, other = build(model).state_dict(), model.build(data(), generator(1)).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    weights = [name for name in first if name.endswith("weight") and first[name].ndim > 1]
    assert weights
    assert not any(torch.equal(first[name], other[name]) for name in weights)


@pytest.mark.parametrize("model", NARROW, ids=describe)
def test_survives_json(model: Model) -> None:
    changed = model.model_copy(update={"training": 3})
    assert TypeAdapter(Model).validate_json(changed.model_dump_json()) == changed


def received_by_the_first_layer(network: nn.Module, images: Tensor) -> Tensor:
    received = []
    first = next(module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear))
    first.register_forward_pre_hook(lambda module, inputs: received.append(inputs[0]))
    network(images)
    return received[0]


@pytest.mark.parametrize("shape", [(1, 32, 32), (3, 32, 32)], ids=describe)
@pytest.mark.parametrize("model", NARROW, ids=describe)
def test_the_mean_color_reaches_the_first_layer_as_zero_but_in_lenet(model: Model, shape: tuple[int, int, int]) -> None:
    mean = torch.tensor(data(shape).mean).reshape(1, -1, 1, 1).expand(1, *shape)
    received = received_by_the_first_layer(build(model, shape), mean)
    assert torch.equal(received, mean if model.name == "lenet" else torch.zeros_like(received))


def test_normalization_gives_unit_variance_and_can_be_undone() -> None:
    normalize = Normalize(data())
    spread = normalize(torch.tensor(data().mean).reshape(1, 3, 1, 1) + torch.tensor(data().std).reshape(1, 3, 1, 1))
    torch.testing.assert_close(spread, torch.ones(1, 3, 1, 1))
    torch.testing.assert_close(normalize.inverse(normalize(pixels(2))), pixels(2))


@pytest.mark.parametrize("model", NARROW, ids=describe)
def test_the_classifier_is_the_layer_that_scores_the_classes(model: Model) -> None:
    network = build(model, classes=7)
    scores = []
    classifier(network).register_forward_hook(lambda module, inputs, output: scores.append(output))
    assert torch.equal(network(pixels(2)), scores[0])
    assert classifier(network).out_features == 7


def test_a_network_without_a_linear_layer_has_no_classifier() -> None:
    with pytest.raises(ValueError, match="no linear layer"):
        classifier(nn.Conv2d(3, 10, 3))


def convolution(inputs: int, outputs: int, kernel: int = 3, *, bias: bool = False) -> int:
    return inputs * outputs * kernel**2 + bias * outputs


def normalized(*channels: int, kernel: int = 3, bias: bool = False) -> int:
    """Convolutions in a row, each followed by BatchNorm."""
    return sum(convolution(i, o, kernel, bias=bias) + 2 * o for i, o in pairwise(channels))


def stage(inputs: int, outputs: int, blocks: int) -> int:
    """Of residual blocks, the first of which changes the number of channels."""
    return normalized(inputs, *[outputs] * 2 * blocks) + normalized(inputs, outputs, kernel=1)


LENET = convolution(3, 12, 5, bias=True) + 2 * convolution(12, 12, 5, bias=True) + 768 * 10 + 10
CONVNET = normalized(3, 64, 128, 128, *[256] * 5, bias=True) + 36 * 64 * 10 + 10
CNN6_COUNT = convolution(3, 12, 4) + sum(map(convolution, (12, 36, 36, 36, 64), (36, 36, 36, 64, 128))) + 3200 * 10
RESNET20 = normalized(3, *[16] * 7) + stage(16, 32, 3) + stage(32, 64, 3) + 64 * 10 + 10
RESNET20_4 = normalized(3, *[64] * 7) + stage(64, 128, 3) + stage(128, 256, 3) + 256 * 10 + 10
RESNET18 = normalized(3, *[64] * 5) + stage(64, 128, 2) + stage(128, 256, 2) + stage(256, 512, 2) + 512 * 10 + 10
VGG11_COUNT = normalized(3, 64, 128, 256, 256, *[512] * 4, bias=True) + 512 * 10 + 10


@pytest.mark.parametrize(
    ("model", "by_hand", "published"),
    [
        (MLP(width=1024, depth=3), 3072 * 1024 + 1024 + 2 * (1024**2 + 1024) + 10240 + 10, None),
        (LeNet(), LENET, 15_826),
        (ConvNet(), CONVNET, 2_904_970),
        (CNN6(), CNN6_COUNT, None),
        (ResNet20(), RESNET20, 0.27e6),
        (ResNet20(width=4), RESNET20_4, None),
        (ResNet18(), RESNET18, 11.17e6),
        (VGG11(), VGG11_COUNT, 9_231_114),
    ],
    ids=describe,
)
def test_has_as_many_parameters_as_counted_by_hand_and_published(
    model: Model, by_hand: int, published: float | None
) -> None:
    count = parameter_count(build(model))
    assert count == by_hand
    assert published is None or math.isclose(count, published, rel_tol=0.01)


def test_lenet_draws_everything_from_the_papers_uniform_distribution() -> None:
    network = build(LeNet())
    for parameter in network.parameters():
        assert parameter.abs().max() <= 0.5
        assert parameter.abs().max() > 0.3
    everything = torch.cat([parameter.detach().flatten() for parameter in network.parameters()])
    assert abs(float(everything.mean())) < 0.01
    assert abs(float(everything.std()) - 1 / math.sqrt(12)) < 0.01


def copy_parameters(source: nn.Module, target: nn.Module) -> None:
    with torch.no_grad():
        for old, new in zip(target.parameters(), source.parameters(), strict=True):
            old.copy_(new)


def test_resnet18_on_large_images_is_that_of_torchvision() -> None:
    ours, images = build(ResNet18(), (3, 96, 96)), pixels(1, (3, 96, 96))
    with drawn_from(generator()):
        theirs = torchvision.models.resnet18(num_classes=10).eval()
    copy_parameters(ours, theirs)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(ours[0](images)))


def test_vgg11_computes_the_features_of_torchvision() -> None:
    ours = build(VGG11(width=8))
    with drawn_from(generator()):
        layers = [8, "M", 16, "M", 32, 32, "M", 64, 64, "M", 64, 64, "M"]
        theirs = torchvision.models.vgg.make_layers(layers, batch_norm=True).eval()
    copy_parameters(ours[:-1], theirs)
    with torch.no_grad():
        torch.testing.assert_close(ours[:-1](pixels(1)), theirs(ours[0](pixels(1))).flatten(1))


def test_small_images_enter_resnet18_at_full_size() -> None:
    kernels = [build(ResNet18(width=8), (3, size, size))[1][0][0].kernel_size for size in (64, 65)]
    assert kernels == [(3, 3), (7, 7)]


def test_attention_is_that_of_torch() -> None:
    with drawn_from(generator()):
        attention, tokens = Attention(32, 4), torch.rand(2, 9, 32)
    q, k, v = (part.unflatten(2, (4, 8)).transpose(1, 2) for part in attention.qkv(tokens).chunk(3, dim=2))
    attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
    torch.testing.assert_close(attention(tokens), attention.projection(attended))


@pytest.mark.parametrize("first_block", ["standard", "bare"])
def test_only_a_bare_first_block_obeys_aprils_equation(first_block: str) -> None:
    """Positions' gradient times tokens is weights times weights' gradient (Lu et al., CVPR 2022)."""
    transformer = build(ViT(first_block=first_block)).double()[1]
    attention, tokens = transformer.blocks[0].attention, []
    transformer.blocks[0].register_forward_pre_hook(lambda module, inputs: tokens.append(inputs[0][0]))
    loss = F.cross_entropy(transformer(pixels(1).double()), torch.tensor([3]))
    by_position, by_weight = torch.autograd.grad(loss, [transformer.positions, attention.qkv.weight])
    left, right = by_position[0].T @ tokens[0], attention.qkv.weight.T @ by_weight
    assert torch.allclose(left, right) == (first_block == "bare")
