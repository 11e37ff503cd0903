from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from ..accounting import Release
from ..component import Component
from ..types import Batch, Update, UpdateRule
from .clipping import clipped, total_norm
from .noise import gaussian
from .stages import Stage

if TYPE_CHECKING:
    import torch
    from torch import nn


class DPSGD(Component):
    """DP-SGD: each image's gradient is clipped on its own, and noise is added to their sum (Abadi et al., CCS 2016).

    This hides whether any single image was there (algorithm 1). The noise comes from a simulation's generator, not
    from a cryptographic one.
    """

    name: Literal["dp-sgd"] = "dp-sgd"
    clip: float = Field(1.0, gt=0, allow_inf_nan=False)
    """Largest Euclidean norm of one image's gradient over all parameters; longer ones are shortened to it."""
    noise_multiplier: float = Field(1.0, ge=0, allow_inf_nan=False)
    """Standard deviation of the noise on the sum of the clipped gradients, divided by the clip; 0 promises nothing."""
    expected_batch_size: int = Field(0, ge=0)
    """By what the sum is divided: the sample rate times the number of images that the client has, whatever number
    was drawn; 0 takes the size of the batch."""
    sample_rate: float = Field(0.01, gt=0, le=1)
    """With which probability each image takes part in one step, by a coin toss of its own (Poisson sampling). It
    decides epsilon; the private batch is one that was drawn."""
    steps: int = Field(1000, ge=1, le=100_000)
    """Steps of the whole training; they decide epsilon together."""
    delta: float = Field(1e-5, gt=0, lt=1)
    """Probability with which epsilon may be exceeded; less than one divided by the number of images."""
    stages: ClassVar[tuple[Stage, ...]] = ("clip", "noise")
    protects: ClassVar[str] = "image"

    def wrap(self, rule: UpdateRule, rng: torch.Generator) -> UpdateRule:
        """``rule`` on one image at a time, clipped, summed, made noisy and divided by the expected batch size.

        It is the published mechanism where ``rule`` gives the gradient of a mean loss and mixes no images.
        """

        def private(model: nn.Module, batch: Batch, *, differentiable: bool = False) -> Update:
            size = len(batch.images)
            gradients = (rule(model, batch.only(one), differentiable=differentiable) for one in singles(batch))
            total = clipped(next(gradients), self.clip)
            for gradient in gradients:
                total = tuple(t + c for t, c in zip(total, clipped(gradient, self.clip), strict=True))
            noise = self.noise_multiplier * self.clip
            if noise:
                total = tuple(t + noise * gaussian(t, rng) for t in total)
            return tuple(t / (self.expected_batch_size or size) for t in total)

        return private

    def expect(self, observed: Update) -> Callable[[Update], Update]:
        """The update scaled to the norm of what arrived.

        How much shorter the clipping made it depends on how many of the images were clipped, which the attacker cannot
        tell; and the noise has mean zero.
        """
        size = total_norm(observed)
        return lambda update: tuple(u * (size / total_norm(update)).to(u) for u in update)

    def release(self) -> Release:
        """What its epsilon, for one image more or less, depends on."""
        return Release(self.noise_multiplier, self.sample_rate, self.steps, self.delta)


def singles(batch: Batch) -> tuple[torch.Tensor, ...]:
    """(1,) indices of each image of the batch on its own."""
    import torch

    return tuple(torch.arange(len(batch.images), device=batch.images.device).split(1))
