from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from ...component import Needs
from ...types import Observation, Step
from ..inversion import Inversion

if TYPE_CHECKING:
    import torch


class LearningToInvert(Inversion):
    """Learning to Invert: a network learns to tell pictures from updates, on public images (Wu et al., UAI 2023).

    Beforehand the attacker computes the updates of images that it holds itself, for the very model that it sends and
    with the defenses that it knows of, and learns to tell the images from the updates. Every victim of that model
    takes a single forward pass then. The network is kept, and found again where model, public images, known defenses,
    batch size and these settings are the same; a seed that draws other weights for the model needs another network. It
    looks at the first round only. The paper trains the three layers of "mlp" on 50,000 images for 200 epochs; from the
    few thousand that are public here they learn far less than a linear map that is computed in closed form, which is
    why that comes first.
    """

    name: Literal["learning-to-invert"] = "learning-to-invert"
    examples: int = Field(2000, ge=20, le=10_000)
    """Batches of public images whose updates the attacker computes, a tenth of them to judge what was learned from the
    others. Where that takes more images than there are, they are used again, moved by some pixels."""
    regressor: Literal["ridge", "mlp"] = "ridge"
    """What learns: a linear map that is computed at once, with several strengths of its penalty ("ridge"), or the
    paper's network of three layers, by gradient descent ("mlp")."""
    entries: int = Field(4096, ge=1, le=100_000)
    """Numbers that are left of an update. A longer one is hashed: entries that fall into the same bin are added up."""
    hashing: Literal["signed", "plain"] = "signed"
    """Whether entries get a random sign before they are added up, so that lengths and angles of updates survive on
    average ("signed"), or not ("plain", as published)."""
    classifier_input: bool = True
    """Whether what learns is also handed the quotient of the classifier's weight and bias gradients in the rows of the
    labels that seem to occur: for one image that is exactly what the classifier received. The paper leaves all of that
    to the network."""
    width: int = Field(1000, ge=1, le=10_000)
    """Units in each of the two hidden layers of "mlp"; the paper takes 3,000, and 10,000 for several images."""
    epochs: int = Field(40, ge=1, le=10_000)
    """How often "mlp" sees every example."""
    lr: float = Field(1e-3, gt=0, le=1)
    """Adam's learning rate for "mlp", a tenth of it in the last quarter; the paper takes 0.0001."""
    needs: ClassVar[Needs] = Needs(knowledge=("public_data",))

    def run(self, seen: Observation, rng: torch.Generator) -> Iterator[Step]:
        """Some steps while examples are computed, then one for every linear map or epoch, holding what the best makes.

        The best has the lowest error on the images held back. A single step where the network is remembered. Raises
        ValueError where there are no public images, and where the learning diverges.
        """
        from .inversion_lesson import learned

        if seen.rehearsal is None or len(seen.rehearsal.public.images) < 2:
            raise ValueError("Learning to Invert learns from public images; grant the attacker public data.")
        return learned(self, seen, seen.rehearsal, rng)
