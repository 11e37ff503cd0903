"""Choices that several networks offer: a field's type together with its help text."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

Activation = Annotated[
    Literal["relu", "leaky-relu", "sigmoid", "tanh", "elu", "gelu", "silu"],
    Field(
        description="The function after each hidden layer. Attacks that search with L-BFGS need a smooth one (sigmoid, "
        "tanh, gelu, silu); R-GAP needs one that can be inverted (leaky-relu, sigmoid, tanh, elu)."
    ),
]

Normalization = Annotated[
    Literal["batch", "group", "none"],
    Field(
        description="What rescales the features inside the network. BatchNorm mixes the images of a batch when in "
        "training mode; GroupNorm (Wu and He, ECCV 2018) and none treat each image on its own."
    ),
]

Mode = Annotated[
    Literal["train", "eval"],
    Field(
        description='How BatchNorm behaves while the client computes its update. "train" is what a real client does: '
        'it uses the statistics of the private batch, which the attacker does not know. "eval" uses statistics stored '
        "in the model, which the attacker has: the easiest case for the attack. Without BatchNorm both are the same."
    ),
]

Epochs = Annotated[
    int,
    Field(
        ge=0,
        le=200,
        description="How often the network goes through the data set's training images before the attack; 0 attacks it "
        "as initialized, when it usually leaks the most.",
    ),
]
