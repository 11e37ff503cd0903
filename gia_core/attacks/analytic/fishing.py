from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from ...component import Condition, Needs
from ...types import Observation, Step
from ..inversion import Inversion
from ..optimization.dlg import DLG
from ..optimization.inverting_gradients import InvertingGradients

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from .fishing_trip import Catch, Trip


class Fishing(Inversion):
    """Fishing: the server bends the classifier so that one image answers for the batch (Wen et al., ICML 2022).

    With all but one class drowned, only images of this class have a gradient. If several do, the server asks again
    with a step in their features, which silences those below it, and halves until one is left. The gradient of this one
    image is then inverted by another attack, as if the batch were no larger; all others stay gray.

    The step also makes images of other classes answer, so that isolating one cleanly needs a batch of a single class.
    In a batch of several, two answers are therefore subtracted, which leaves those above the step whatever their
    class: the image is clean, but its class is not known, and noise counts twice. The paper keeps the images below the
    step; after ReLU many share the smallest value, zero, and have no gradient. The public code divides the whole
    gradient by the size of the row, although the classifier's own part does not grow with it; here only the layers
    before are divided.
    """

    name: Literal["fishing"] = "fishing"
    target: int | None = Field(None, ge=0)
    """Number of the class that is fished for. Empty: one that occurs once, or else the rarest; unless the labels are
    granted, one more query with equal scores for all classes counts them exactly."""
    queries: int = Field(12, ge=2, le=100)
    """Tampered models at most that the client is sent, always with the same batch. If several images still answer
    then, they are searched together."""
    rows: Literal["random", "published"] = "random"
    """What the classifier's row of the class is set to, and along what its steps lie: random weights, through which the
    gradient tells more of the image, or as published one value everywhere and steps in one feature at a time."""
    sharpness: float = Field(3000.0, gt=0, le=1e5)
    """How steep the step is: an image further from it than the standard deviation of pictures divided by this answers
    fully or not at all."""
    then: Annotated[InvertingGradients | DLG, Field(discriminator="name")] = InvertingGradients()
    """The attack that inverts the gradient which is left."""

    needs: ClassVar[Needs] = Needs(
        clients=("fedsgd",),
        knowledge=("malicious_server",),
        conditions=(
            Condition(
                "knowledge.dead_models",
                (False,),
                "fishing counts images by the classifier's bias, which clients with a dead model move too: withhold "
                "them. It singles out images in a sum by itself.",
            ),
        ),
    )

    def run(self, seen: Observation, rng: torch.Generator) -> Iterator[Step]:
        """A step per query, then those of the other attack.

        Raises ValueError where no queries are granted, or no image of the class answers.
        """
        from .fishing_trip import Trip

        if seen.query is None:
            raise ValueError("fishing needs a server that may send a tampered model; grant a malicious server.")
        if self.target is not None and self.target >= seen.num_classes:
            raise ValueError(f"There is no class {self.target}; the last one has the number {seen.num_classes - 1}.")
        trip = Trip(seen, queries=self.queries, sharpness=self.sharpness, afterwards=self.then.iterations)
        catch = yield from self.catch(seen, trip, rng)
        yield from trip.land(catch, self.then, rng)

    def catch(self, seen: Observation, trip: Trip, rng: torch.Generator) -> Generator[Step, None, Catch]:
        """A step per query; returns the fewest images that were made to answer."""
        import torch

        from .baits import features_of, one_class, random_directions, single_features, smooth_pictures
        from .fishing_trip import Catch

        targets = rarest_first((yield from trip.counts())) if self.target is None else [self.target]
        pictures = smooth_pictures(64, seen.image_shape, rng) if seen.public is None else seen.public[:256]
        features = features_of(trip.model, pictures.to(seen.device))
        rows = random_directions(features, rng) if self.rows == "random" else single_features(features)
        half = torch.full((trip.features,), 0.5, device=seen.device)
        row = next(rows, half) if self.rows == "random" else half
        for target in targets:  # a defense may have spoiled the count, so that the first ones do not occur
            found = yield from trip.ask(one_class(target, row), f"class {target}")
            if round(found.count) >= 1 or not trip.left:
                break
        if round(found.count) < 1:
            raise ValueError(f"No image of class {target} answered; choose a class that occurs in the batch.")
        whole = Catch(found, row, 1.0, target)
        return whole if whole.alone or not trip.left else (yield from trip.narrow(whole, rows))


def rarest_first(counts: Tensor) -> list[int]:
    """The classes that occur, those with the fewest images first; (K,) counts. All of them where none seems to."""
    order: list[int] = counts.argsort(stable=True).tolist()
    return [number for number in order if counts[number] > 0] or order
