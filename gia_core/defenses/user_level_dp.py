from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from ..accounting import Release
from ..component import Component
from ..types import Batch, Update, UpdateRule
from .clipping import clipped
from .noise import gaussian
from .stages import Stage

if TYPE_CHECKING:
    import torch
    from torch import nn


class UserLevelDP(Component):
    """User-level DP: the whole update is clipped, and noise is added to it (McMahan et al., ICLR 2018).

    This hides whether the client took part at all, with everything it holds. The noise comes from a simulation's
    generator, not from a cryptographic one.
    """

    name: Literal["user-level-dp"] = "user-level-dp"
    clip: float = Field(1.0, gt=0, allow_inf_nan=False)
    """Largest Euclidean norm of the update over all parameters; a longer one is shortened to it."""
    noise_multiplier: float = Field(1.0, ge=0, allow_inf_nan=False)
    """Standard deviation of the noise on the sum of the clients' updates, divided by the clip; 0 promises nothing."""
    clients: int = Field(1, ge=1, le=1_000_000)
    """Clients that share the noise of one round. 1 is local DP: this client adds all of it, and trusts nobody. With
    more, each adds a share, and epsilon holds for their sum only: the server must not see single updates."""
    sample_rate: float = Field(1.0, gt=0, le=1)
    """With which probability each of all clients takes part in one round, by a coin toss of its own that the server
    does not see. A client that adds all the noise itself cannot hide whether it takes part: 1."""
    steps: int = Field(1, ge=1, le=100_000)
    """Rounds of the whole training; they decide epsilon together."""
    delta: float = Field(1e-5, gt=0, lt=1)
    """Probability with which epsilon may be exceeded; less than one divided by the number of all clients."""
    stages: ClassVar[tuple[Stage, ...]] = ("clip", "noise")
    protects: ClassVar[str] = "client"

    @model_validator(mode="after")
    def _hidden_among_others(self) -> UserLevelDP:
        if self.clients == 1 and self.sample_rate < 1:
            raise ValueError(
                "A client that adds all the noise itself takes part in full view: set the sample rate of user-level "
                "DP to 1, or let more clients share the noise."
            )
        return self

    def wrap(self, rule: UpdateRule, rng: torch.Generator) -> UpdateRule:
        """The rule followed by the clipping and by this client's share of the noise."""
        noise = self.noise_multiplier * self.clip / math.sqrt(self.clients)

        def private(model: nn.Module, batch: Batch, *, differentiable: bool = False) -> Update:
            short = clipped(rule(model, batch, differentiable=differentiable), self.clip)
            return tuple(u + noise * gaussian(u, rng) for u in short) if noise else short

        return private

    def expect(self, observed: Update) -> Callable[[Update], Update]:
        """An attacker who knows the bound clips what it simulates; the noise has mean zero."""
        return lambda update: clipped(update, self.clip)

    def release(self) -> Release:
        """What its epsilon, for one client more or less, depends on."""
        return Release(self.noise_multiplier, self.sample_rate, self.steps, self.delta)
