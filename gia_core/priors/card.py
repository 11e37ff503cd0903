"""What is known of a prior, in a JSON file beside its weights."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from ..component import Component
from ..datasets import Dataset
from .spec import GradientsSpec, PriorSpec

FORMAT = 1
"""Count up whenever the same card would describe another network."""


class Card(Component):
    """From this alone the network is built; the weights file only fills it."""

    format: int = Field(FORMAT, ge=FORMAT, le=FORMAT)
    """Which version of GIA Lab's networks the weights are for."""
    spec: Annotated[PriorSpec | GradientsSpec, Field(discriminator="kind")]
    """What it was asked to learn, or what an attack learned it from."""
    image_shape: tuple[int, int, int]
    """(C, H, W) of the images it draws."""
    class_names: tuple[str, ...]
    """Of the data set; a conditional prior draws what it is asked for in this order."""
    training_images: int
    """How many it learned from; of some, no more than the gradients."""
    training_sha256: str
    """Of all pixels and labels of these images."""
    steps: int
    """Batches, or updates, after which it is what is kept; of a training, those after which it was at its best."""
    stopped: bool
    """Whether somebody stopped the training before its end."""
    seconds: float
    """What the training took by the clock, interruptions left out."""
    processor_seconds: float
    """What it took of all processor cores together."""
    made_with: dict[str, Any]
    """Versions, processor and threads."""
    frechet: float
    """Fréchet distance of its samples from its training images, of features of a small network trained on them: like
    FID (Heusel et al., NeurIPS 2017), but comparable only between priors for the same data."""
    frechet_floor: float
    """The same distance between two halves of the training images: what is as good as it gets."""
    sha256: str
    """Of the weights file."""

    @property
    def name(self) -> str:
        """What the prior and its files are called."""
        return self.spec.name

    @property
    def has_seen_images(self) -> bool:
        """Whether it learned from images, and not from gradients alone."""
        return isinstance(self.spec, PriorSpec)

    @property
    def lessons(self) -> str:
        """How often it learned from how much."""
        if isinstance(self.spec, PriorSpec):
            return f"{self.steps:,} steps of {self.spec.batch_size} images"
        return f"{self.steps:,} updates of one image each"

    @property
    def num_classes(self) -> int:
        """Classes it can be asked for; 0 for an unconditional prior."""
        return len(self.class_names) if self.spec.conditional else 0

    @property
    def in_words(self) -> str:
        """A line for a list of choices."""
        channels, height, width = self.image_shape
        asked = "by class" if self.spec.conditional else "of no class in particular"
        color = "color" if channels == 3 else "gray"
        return f"{self.name}: {self.spec.dataset.name}, {height} × {width}, {color}, {self.spec.method.name}, {asked}"

    def objection(self, dataset: Dataset) -> str | None:
        """Why this prior cannot serve against victims from ``dataset``, in one sentence; None if it can.

        Images of another data set can: what such a prior is worth is a question of its own. Those of the same data set
        in another version cannot, as its victims may be among what the prior has learned.
        """
        if self.image_shape != dataset.image_shape:
            drawn, needed = (
                f"{h} × {w} pixels in {c} channel(s)" for c, h, w in (self.image_shape, dataset.image_shape)
            )
            return f"The prior {self.name} draws images of {drawn}, the victims have {needed}; choose another prior."
        ours = self.spec.dataset
        if ours.name == dataset.name and ours != dataset:
            return (
                f"The prior {self.name} has learned from another version of {dataset.name}, so it may have seen the "
                "victims; choose another prior, or train one on this data set."
            )
        return None
