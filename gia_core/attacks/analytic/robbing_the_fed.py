from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from ...component import Needs
from ...types import UNKNOWN, Observation, Step, Table
from ..inversion import Inversion, only_step

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from .imprint import Bins, Imprinted


class RobbingTheFed(Inversion):
    """Robbing the Fed: a block in front of the model sorts images into bins, one image each (Fowl et al., ICLR 2022).

    All rows of the block measure the same number of an image, its mean brightness say, and differ in the threshold. An
    image that is alone between two thresholds can be read off the gradient exactly. The thresholds are quantiles of
    the public images; the paper assumes a distribution. The readout takes every row less the next one; the public code
    takes the row before, which never separates the last bin.
    """

    name: Literal["robbing-the-fed"] = "robbing-the-fed"
    bins: int = Field(256, ge=2, le=4096)
    """Rows of the block. With four times as many bins as images, about four of five images are alone in their bin."""
    functional: Literal["brightness", "cosine", "random"] = "cosine"
    """The number by which images are sorted: their mean brightness, how much of a wave they hold ("cosine"), or a
    random weighting of their pixels. A wave differs more between pictures that look alike."""
    mode: int = Field(64, ge=1, le=100_000)
    """Half waves of the cosine over all pixels, row by row and channel by channel; the public code has 32."""
    variant: Literal["sparse", "dense", "one-shot"] = "sparse"
    """"sparse" rows react to their own bin only, which survives local steps and rounding (the paper's version for
    FedAvg). "dense" rows react to everything above their threshold and are subtracted (its first version). "one-shot"
    has a single bin, so narrow that one image of the batch falls into it on average, and adds only two rows."""
    gain: float = Field(0.1, gt=0)
    """How much the block changes the image that the model sees: more makes its gradient stand out from noise, less
    harms the model less."""

    needs: ClassVar[Needs] = Needs(clients=("fedsgd", "fedavg"), knowledge=("public_data", "malicious_server"))

    def run(self, seen: Observation, rng: torch.Generator) -> Iterator[Step]:
        """Raises ValueError where no public images or no queries are granted, or the public images are all alike."""
        import torch

        from .explanation import labels_that_fit
        from .imprint import Imprint, Imprinted, inside, read

        if seen.public is None or seen.query is None or len(seen.public) < 2:
            raise ValueError("robbing-the-fed needs a malicious server with public images; grant both.")
        bins = self.fit(seen.public, seen.batch_size, rng)
        model = Imprinted(Imprint(bins, self.variant, self.gain), seen.rounds[0].model)
        readout = read(seen.rule.mean_gradient(seen.query(model), seen.batch_size), self.variant)

        hit = readout.hit.nonzero()[:, 0]
        images = readout.images(bins, hit)
        good = inside(images) & bins.holds(images, hit)
        strongest = readout.signals[hit].abs().where(good, -1).argsort(descending=True)
        chosen = strongest[: min(int(good.sum()), seen.batch_size)]
        pictures = images[chosen].reshape(-1, *seen.image_shape).clamp(0, 1).to(seen.rounds[0].update[0])
        labels = torch.full((seen.batch_size,), UNKNOWN, device=pictures.device)
        signals = readout.signals[hit][chosen]
        neurons = hit[chosen] if self.variant != "one-shot" else torch.zeros_like(chosen)
        labels[: len(chosen)] = labels_that_fit(
            model, model.imprint.linear, pictures, neurons, signals, seen.batch_size
        )
        tables = (self.bins_hit(seen, bins, hit, labels, len(chosen)), self.changes(model))
        yield only_step(seen, pictures, labels, tables=tables)

    def fit(self, public: Tensor, batch_size: int, rng: torch.Generator) -> Bins:
        """The bins, from the public images (N, C, H, W)."""
        from .imprint import direction, equal_levels, fit, tiny_levels

        towards = direction(self.functional, public[0].numel(), self.mode, rng).to(public.device)
        levels = tiny_levels(batch_size, public) if self.variant == "one-shot" else equal_levels(self.bins, public)
        return fit(towards, public, levels)

    def bins_hit(self, seen: Observation, bins: Bins, hit: Tensor, labels: Tensor, found: int) -> Table:
        """How many images were alone in their bin, as far as the attacker can tell, beside what was to be expected."""
        batch, masses = seen.batch_size, bins.masses[1:2] if self.variant == "one-shot" else bins.masses
        count = len(masses)
        equal = masses.sum() / count
        lines = (
            ("Bins", count),
            ("Bins that images fell into", len(hit)),
            ("Images in the batch beyond one per such bin", max(0, batch - len(hit)) if count > 1 else None),
            ("Expected alone in a bin, all bins equally full", expected(batch, equal.expand(count))),
            ("Expected alone in a bin, filled as by the public images", expected(batch, masses)),
            ("Pictures that lie in [0, 1] and in their bin", found),
            ("Of these, explained by one image with one label", int((labels != UNKNOWN).sum())),
        )
        return Table("Images and bins", ("What", "Number"), lines, NOTE)

    def changes(self, model: Imprinted) -> Table:
        """What a client could notice."""
        linear = model.imprint.linear
        parameters = sum(p.numel() for p in model.imprint.parameters())
        activation = "Hardtanh" if self.variant == "sparse" else "ReLU"
        lines = (
            ("Layers added in front", f"Linear {linear.in_features} to {linear.out_features}, {activation}, mean"),
            ("Rows that point in the same direction", linear.out_features),
            ("Parameters added", parameters),
            ("Parameters of the model itself changed", 0),
        )
        note = "Rows that all point the same way give the block away to anyone who looks at the weights."
        return Table("What the server changed", ("What", "Value"), lines, note)


NOTE = (
    "Images that share a bin come out as a mixture, and the attacker cannot count those in general. Where the client "
    "sends one gradient without noise, a picture that no single image with one label explains is a mixture."
)


def expected(batch: int, masses: Tensor) -> float:
    """Images alone in their bin on average, B Σ q (1 − q)^(B−1), for independent images.

    The paper's Proposition 1 counts all occupancies as equally likely, which gives less.
    """
    return round(float(batch * (masses * (1 - masses).pow(batch - 1)).sum()), 1)
