"""Everything that decides a prior, as one value."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ..component import Component, Objection
from ..datasets import Dataset, Photos
from .methods import VAE, FromGradients, Method

SMALLEST_SIDE, LARGEST_SIDE = 16, 64


def check_name(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise ValueError("A prior's name consists of small letters, digits and single hyphens; choose another one.")
    return name


def trained_here(home: Path) -> Path:
    """The folder of the priors that were trained on this machine."""
    return home / "priors"


Name = Annotated[str, AfterValidator(check_name)]


class PriorSpec(Component):
    """What is learned from which images."""

    kind: Literal["prior"] = "prior"
    """A run of this kind trains a prior."""
    name: Name = Field("my-prior", max_length=40, description="What it is called: small letters, digits and hyphens.")
    dataset: Dataset = Photos()
    """Whose training images are learned; the victims, which share no pixel with them, are never seen."""
    method: Method = VAE()
    """How it is learned."""
    conditional: bool = False
    """Learn which class an image is of, so that images of a class can be asked for."""
    steps: int = Field(4000, ge=1, le=1_000_000)
    """Batches that are learned from."""
    batch_size: int = Field(32, ge=2, le=512)
    """Images in each of them."""
    mirror: bool = False
    """Learn from the mirror images too: right for faces and photographs, wrong for digits and letters."""
    seed: int = Field(0, ge=0, le=2**31 - 1)
    """Decides every random choice."""

    def objections(self, home: Path) -> list[Objection]:
        """Why this cannot be learned with the data sets in ``home``; empty if it can."""
        if absent := self.dataset.absent(home):
            return [Objection("dataset", absent)]
        found = []
        if (trained_here(home) / f"{self.name}.json").exists():
            reason = f"A prior called {self.name} was trained on this machine already; choose another name."
            found.append(Objection("name", reason))
        if not self.dataset.trainable(home):
            found.append(Objection("dataset", f"{self.dataset.name} has no training images; choose another data set."))
        height, width = self.dataset.image_shape[1:]
        if min(height, width) < SMALLEST_SIDE or max(height, width) > LARGEST_SIDE:
            reason = (
                f"Priors draw images of {SMALLEST_SIDE} to {LARGEST_SIDE} pixels, and these have {height} × {width}; "
                "choose another size."
            )
            found.append(Objection("dataset.size", reason))
        return found


class GradientsSpec(Component):
    """What an attack learned a prior from, without seeing one of the images."""

    kind: Literal["gradients"] = "gradients"
    """No run trains such a prior; an attack learns it."""
    name: Name = Field(max_length=40)
    """What it is called."""
    dataset: Dataset
    """Whose training images the clients held."""
    method: FromGradients
    """The network that learned."""
    conditional: bool
    """Whether it learned which class an image is of."""
    steps: int = Field(ge=1)
    """Updates of single images that it learned from."""
    seed: int = Field(0, ge=0, le=2**31 - 1)
    """That of the run in which it learned."""
