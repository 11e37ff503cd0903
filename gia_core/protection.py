"""Whether a defense helped: one paired comparison of the same images, attacked without and with it; pure.

Each image counts as one pair: its PSNR undefended and its PSNR under the same attack, seed and budget with the defense.
A sign test (Arbuthnot, 1710; exact, by counting) asks how often a useless defense would look at least this good by
chance, and the interval of the median loss is the one that belongs to this test. Neither assumes any law of the
losses, so one image that was copied exactly weighs no more than any other. Both take the images for independent; those
of one batch share a search, so that the chance is a lower bound for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from statistics import median

NOTICEABLE = 0.5
"""dB; what costs an image less than this counts as no loss."""
CHANCE = 0.05
"""A useless defense may look like a helpful one this often."""
FEWEST = 5
"""Images below which even a loss on every one of them happens by chance more often than that."""
LITTLE = 12.0
"""dB; a gray rectangle reaches about as much. Where the undefended attack finds no more, nothing can be lost."""


@dataclass(frozen=True)
class Loss:
    """By how many dB the images came out worse with the defense; positive where it helped."""

    middle: float
    """Median over the images."""
    low: float | None
    """Lower end of an interval that covers the true median in at least 95 of 100 repetitions."""
    high: float | None
    """Its upper end; both are None where there are too few images for such an interval."""
    images: int
    chance: float
    """How often a coin would give as many images that lost more than ``NOTICEABLE``."""

    @property
    def is_measurable(self) -> bool:
        return self.chance <= CHANCE


def loss(undefended: Sequence[float], defended: Sequence[float]) -> Loss:
    """Compare PSNRs of the same images in the same order. Raises ValueError where these are not pairs."""
    if len(undefended) != len(defended) or not undefended:
        raise ValueError("To compare runs, each has to have a score for the same images, one at least.")
    losses = sorted(u - d for u, d in zip(undefended, defended, strict=True))
    worse = sum(one > NOTICEABLE for one in losses)
    depth = interval_depth(len(losses))
    low, high = (losses[depth], losses[-1 - depth]) if depth is not None else (None, None)
    return Loss(median(losses), low, high, len(losses), coin(worse, len(losses)))


def coin(heads: int, tosses: int) -> float:
    """Chance of at least so many heads of a fair coin."""
    return sum(comb(tosses, k) for k in range(heads, tosses + 1)) / float(2**tosses)


def interval_depth(images: int) -> int | None:
    """How many of the sorted losses to leave out on either side for an interval of the median; None below six."""
    fitting = [depth for depth in range((images + 1) // 2) if 2 * coin(images - depth, images) <= CHANCE]
    return max(fitting, default=None)


def verdict(undefended: Sequence[float], naive: Sequence[float] | None, adaptive: Sequence[float]) -> str:
    """Whether the defense helped against the better of two attackers, in one or two sentences.

    All are PSNRs in dB of the same images in the same order, from the same seed and budget; ``adaptive`` comes from the
    attacker who knows of the defense, ``naive`` from one who does not. Raises ValueError where they are not pairs.
    """
    found, who = loss(undefended, adaptive), "the attacker who knows of it"
    if (reached := median(undefended)) < LITTLE:
        return (
            "Nothing to measure: without the defense, too, the attack finds little "
            f"(median PSNR {reached:.1f} dB). Take a stronger attack or a larger budget."
        )
    if naive is not None and (other := loss(undefended, naive)).middle < found.middle:
        found, who = other, "the attacker who does not even know of it"
    measured = f"{who} loses {spread(found)}"
    if found.is_measurable:
        return f"Measurable protection: {measured}. It says nothing about other images, budgets and attacks."
    if found.images < FEWEST and found.middle > NOTICEABLE:
        return f"Too few images to tell: {measured}, and it takes {FEWEST} to tell that from chance."
    return f"No measurable protection: {measured}, which is within the noise of no defense."


def spread(found: Loss) -> str:
    """For example "a median of 6.1 dB on 10 images (95 % interval 4.0 to 7.9 dB)"."""
    images = "1 image" if found.images == 1 else f"{found.images} images"
    size = f"a median of {tenths(found.middle)} dB on {images}"
    if found.low is None or found.high is None:
        return size
    return f"{size} (95 % interval {tenths(found.low)} to {tenths(found.high)} dB)"


def tenths(decibels: float) -> str:
    """One digit, and never "-0.0"."""
    return f"{round(decibels, 1) + 0.0:.1f}"
