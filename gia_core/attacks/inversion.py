"""What every attack is: a component that turns an observation into images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from ..component import Component, Condition, Needs
from ..types import UNKNOWN, Batch, Observation, Step, Table

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Inversion(Component):
    """One published attack; its fields are its hyper-parameters."""

    needs: ClassVar[Needs] = Needs()
    fails_unless: ClassVar[tuple[Condition, ...]] = ()
    """Where the method is known to fail; it may be tried all the same."""
    finds_images: ClassVar[bool] = True
    """Whether it looks for images at all."""

    def run(self, seen: Observation, rng: torch.Generator) -> Iterator[Step]:
        """Yield a step per iteration, at least one; a closed form yields once.

        Raises ValueError with a sentence for the user where the observation lacks what the attack cannot do without.
        """
        raise NotImplementedError

    def mismatch(self, seen: Observation, batch: Batch) -> float | None:
        """What the attack minimizes, at ``batch`` and without priors; None where it minimizes nothing."""
        return None


class InStages(Inversion):
    """One that searches in several stages, each with iterations of its own."""

    @property
    def planned(self) -> int:
        """Iterations of all stages."""
        raise NotImplementedError

    def shared_out(self, iterations: int) -> dict[str, int]:
        """The fields with which all stages together take so many iterations."""
        raise NotImplementedError


def only_step(
    seen: Observation, images: Tensor, labels: Tensor | None = None, *, tables: tuple[Table, ...] = ()
) -> Step:
    """The one step of a closed form. ``images`` (M, C, H, W) with M ≤ B in any range; what is missing becomes gray."""
    import torch

    found = images.new_full((seen.batch_size, *seen.image_shape), 0.5)
    found[: len(images)] = images.nan_to_num(0.5).clamp(0, 1)
    if labels is None:
        labels = torch.full((seen.batch_size,), UNKNOWN, device=images.device)
    return Step(iteration=1, iterations=1, losses={}, best={}, images=found, labels=labels, tables=tables)
