"""What a published attack chooses of the search."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..labels import LabelStrategy
from .candidate import ContextPrior, Prior
from .consensus import Agreement
from .distances import Distance
from .schedules import Schedule
from .starts import Start


@dataclass(frozen=True)
class Recipe:
    """What a published attack chooses; everything else is the same for all of them."""

    distance: Distance
    optimizer: Callable[[list[Tensor]], torch.optim.Optimizer]
    iterations: int
    """Calls of the optimizer in one trial, for each of its seeds."""
    labels: LabelStrategy
    gradient_weight: float = 1.0
    """What the distance is multiplied by; at 0 it is only reported, and the priors decide alone."""
    priors: tuple[Prior | ContextPrior, ...] = ()
    scale: float = 1.0
    """What the objective is multiplied by for the optimizer, whose built-in thresholds are absolute."""
    start: Start = "normal"
    schedule: Schedule = "constant"
    warmup: int = 0
    """Iterations over which the learning rate first rises to its full value."""
    sign: Literal["none", "hard", "soft"] = "none"
    """What the optimizer sees of the image gradient: itself, its sign, or a smooth sign that softens on the way."""
    noise: float = 0.0
    """Standard deviation, in learning rates, of the Langevin noise added to the images after every iteration."""
    boxed: bool = False
    """Clamp the images to [0, 1] after every iteration."""
    median_filter_every: int = 0
    """Iterations between two median filters; 0 for never."""
    one_at_a_time: bool = False
    """Change only one image per iteration, in turn (Zhu et al., NeurIPS 2019, section 4.3)."""
    epoch_copies: bool = False
    """Search images of its own for every local epoch; their mean is the reconstruction."""
    tolerance: float = 0.0
    """The attack ends when the matching distance falls below this."""
    divergence: float = math.inf
    """A seed is given up when, ``patience`` iterations in, its total exceeds this many times its first total."""
    patience: int = 0
    """Iterations without a new best after which a trial ends; 0 for never."""
    seeds: int = 1
    """Starts that are searched at the same time in one trial."""
    agreement: Agreement | None = None
    """How seeds agree on what they draw each other to; None for not at all."""
    trials: int = 1
    """Starts, or groups of seeds, that are searched one after another."""
    ranked_by: str = "matching"
    """The term by which the best trial is chosen."""
