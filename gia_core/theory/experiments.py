"""The questions of the lesson "What makes it hard" and the sweeps that answer them; pure.

Each has a size for a class room, two processor cores and a few minutes, and one for a night: the protocol. The survey
used CIFAR and ImageNet; these are the photographs that come with the packages, so that nothing has to be downloaded.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..attacks import InvertingGradients
from ..datasets import Photos
from ..models import LeNet, ResNet20
from ..spec import AuditSpec, Knowledge
from ..sweep import SweepSpec, swept


@dataclass(frozen=True)
class Experiment:
    """One question."""

    name: str
    """As links and the recorded outcome know it; never changes once released."""
    question: str
    sweep: SweepSpec
    """For a class room."""
    protocol: SweepSpec
    """In full."""
    grows: bool
    """Whether what is varied changes the number of unknowns, so that the √ law has something to say."""


def setup(iterations: int, batch_size: int = 1) -> AuditSpec:
    """Known labels and a fixed number of iterations, so that nothing but what is varied makes a difference."""
    return AuditSpec(
        dataset=Photos(),
        model=LeNet(),
        batch_size=batch_size,
        attack=InvertingGradients(iterations=iterations),
        knowledge=Knowledge(labels=True),
    )


def pooling_setup(iterations: int) -> AuditSpec:
    """A network that averages over the whole image at its end, so that its weights are the same at every resolution."""
    return AuditSpec(
        dataset=Photos(),
        model=ResNet20(activation="leaky-relu"),
        attack=InvertingGradients(iterations=iterations, lr=0.03, tv_weight=1e-2),
        knowledge=Knowledge(labels=True),
    )


BATCH_SIZE = Experiment(
    "batch-size",
    "Does a bigger batch help?",
    swept(setup(300), {"batch_size": (1, 2, 4, 8)}, images=8, seeds=1),
    swept(setup(2000), {"batch_size": (1, 2, 4, 8, 16, 32, 64)}, images=64, seeds=3),
    grows=True,
)
RESOLUTION = Experiment(
    "resolution",
    "Does a sharper picture help?",
    swept(setup(300), {"dataset.size": (16, 24, 32, 48), "batch_size": (1, 4)}, images=4, seeds=2),
    swept(setup(2000), {"dataset.size": (16, 24, 32, 48, 64), "batch_size": (1, 4)}, images=16, seeds=3),
    grows=True,
)
SAME_WEIGHTS = Experiment(
    "same-weights",
    "Does a sharper picture help where the weights stay the same?",
    swept(pooling_setup(250), {"dataset.size": (16, 24, 32), "batch_size": (1, 4)}, images=4, seeds=1),
    swept(pooling_setup(2000), {"dataset.size": (16, 24, 32, 48, 64), "batch_size": (1, 4)}, images=16, seeds=3),
    grows=True,
)
TRAINING = Experiment(
    "training",
    "Do trained weights help?",
    swept(setup(300), {"model.training": (0, 1, 5, 10)}, images=6, seeds=1),
    swept(setup(2000), {"model.training": (0, 1, 2, 5, 10, 20, 50)}, images=16, seeds=2),
    grows=False,
)
ACTIVATION = Experiment(
    "activation",
    "Does the activation matter?",
    swept(setup(300), {"model.activation": ("sigmoid", "tanh", "gelu", "relu")}, images=6, seeds=1),
    swept(setup(2000), {"model.activation": ("sigmoid", "tanh", "gelu", "leaky-relu", "relu")}, images=16, seeds=3),
    grows=False,
)
ROUNDS = Experiment(
    "rounds",
    "Does watching several rounds help the attacker?",
    swept(setup(300, 4), {"rounds": (1, 2, 4, 8)}, images=8, seeds=1),
    swept(setup(2000, 4), {"rounds": (1, 2, 4, 8)}, images=16, seeds=3),
    grows=False,
)

WIDTH = Experiment(
    "width",
    "Does a wider network help the attacker?",
    swept(pooling_setup(250), {"model.width": (1, 2)}, images=4, seeds=1),
    swept(pooling_setup(2000), {"model.width": (1, 2, 4)}, images=16, seeds=3),
    grows=False,
)

INFLUENCES = (BATCH_SIZE, RESOLUTION, TRAINING, ACTIVATION)
"""What the lesson goes through, in its order."""
LESSON = (*INFLUENCES, ROUNDS)
"""What comes recorded."""
EXPERIMENTS = (*LESSON, SAME_WEIGHTS, WIDTH)
BY_NAME = {experiment.name: experiment for experiment in EXPERIMENTS}
