"""What the advisor counts of a network without building it, compared with the network itself."""

from __future__ import annotations

import math

import pytest
from test_models import FITTING, build, describe
from torch import nn

from gia_core.advisor.architecture import first_layer, hidden_weights
from gia_core.models import MLP, Model, classifier


@pytest.mark.parametrize(("model", "shape"), FITTING, ids=describe)
def test_the_weights_are_those_of_the_network(model: Model, shape: tuple[int, int, int]) -> None:
    network = build(model, shape)
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear) and m is not classifier(network)]
    assert hidden_weights(model, shape) == sum(layer.weight.numel() for layer in layers)


@pytest.mark.parametrize(("model", "shape"), FITTING, ids=describe)
def test_the_first_layer_is_that_of_the_network(model: Model, shape: tuple[int, int, int]) -> None:
    found = first_layer(model, shape)
    first = next(m for m in build(model, shape).modules() if isinstance(m, nn.Conv2d | nn.Linear))
    assert found.weights == first.weight.numel()
    assert found.is_linear == (isinstance(first, nn.Linear) and first.bias is not None)
    assert found.inputs == (first.in_features if isinstance(first, nn.Linear) else found.inputs)


def test_a_fully_connected_network_receives_every_number_of_the_image() -> None:
    assert first_layer(MLP(width=5), (3, 7, 9)).inputs == math.prod((3, 7, 9))
