from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from ...component import Condition, Needs
from ...types import Observation, Step
from ..inversion import Inversion, only_step
from ..labels import ReadLabels

if TYPE_CHECKING:
    import torch


class LabelCounts(Inversion):
    """Label counts: how often each class occurs, and no image at all (Wainakh et al., PETS 2022).

    The one thing that a sum over many clients tells about all of them: labels are read off the classifier's gradient,
    however many images are behind it. All images stay gray.
    """

    name: Literal["label-counts"] = "label-counts"
    labels: ReadLabels = "auto"

    needs: ClassVar[Needs] = Needs(
        conditions=(
            Condition("knowledge.labels", (False,), "The labels are granted, so there is nothing to count: withhold."),
        )
    )
    finds_images: ClassVar[bool] = False

    def run(self, seen: Observation, rng: torch.Generator) -> Iterator[Step]:
        """One step. Raises ValueError where the chosen rule needs what the observation lacks."""
        import torch

        from ..labels.restore import restore_labels

        found = restore_labels(self.labels, seen, rng)
        if found is None:
            raise ValueError("No rule reads the labels off this update; choose another client or attack.")
        nothing = torch.zeros(0, *seen.image_shape, device=seen.device)
        yield only_step(seen, nothing, found.labels, tables=found.tables())
