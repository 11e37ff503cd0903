"""A grade for what was measured of a setup, with everything that has to be printed beside it; pure.

The scale is this project's own: critical, where half of the images were recovered, or one of them verbatim; high, where
a tenth was; medium, where any image or nearly all labels were, or an image looks alike; else low. "Formal" needs a
mechanism that proves something beside that. There is no grade without a measurement, and none that means safe.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from .recovery import RECOVERED

CAVEAT = (
    "No published scale exists for this risk. The grade is this project's own, and holds for these attacks, this "
    "knowledge and this budget only."
)
"""To be shown with every grade."""
NOT_COUNTED = "Whether a reconstruction identifies its image among others (IIP) is not measured, so it does not count."

VERBATIM = 30.0
"""dB from which a reconstruction counts as a copy."""
HALF, TENTH = 0.5, 0.1
"""Shares of recovered images from which on the grade is critical, and high."""
ALIKE = 0.4
"""SSIM from which on an image looks alike."""
LABELS_FOUND = 0.8
"""Share of the batches whose labels were found exactly, from which on that alone is a finding."""


class Grade(StrEnum):
    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low, empirical only"
    FORMAL = "low, with a formal mechanism"


@dataclass(frozen=True)
class Attacked:
    """What one attack on one batch came to. Per-image lists have the order of the private batch."""

    attack: str
    """What it is called."""
    method: str
    """The attack with all its settings and what it was granted: what is the same there is counted together."""
    psnr: Sequence[float | None]
    """dB."""
    guesses: Sequence[float | None]
    """dB of the closest blind guess; None where none was measured."""
    ssim: Sequence[float | None]
    label_accuracy: float | None
    """Share of the labels found; None where they were granted."""

    @property
    def recovered(self) -> list[bool]:
        """Whether each image came close enough to its original, and closer than every guess without a gradient."""
        return [
            psnr is not None and psnr >= RECOVERED and (guess is None or psnr > guess)
            for psnr, guess in zip(self.psnr, self.guesses, strict=True)
        ]

    @property
    def copied(self) -> bool:
        """Whether any image was recovered verbatim."""
        pairs = zip(self.recovered, self.psnr, strict=True)
        return any(recovered and (psnr or 0) >= VERBATIM for recovered, psnr in pairs)


@dataclass(frozen=True)
class Graded:
    """The grade and what it was made from."""

    grade: Grade | None
    """None where nothing was measured."""
    attack: str = ""
    """The strongest one."""
    images: int = 0
    """That it attacked."""
    recovered: float | None = None
    """Share of them."""
    copied: bool = False
    """Whether any attack copied an image."""
    closest: float | None = None
    """SSIM of the closest reconstruction; privacy is about the worst case."""
    labels: float | None = None
    """Share of the batches whose labels were found exactly; None where they were granted."""


def grade(attacked: Sequence[Attacked], *, formal: bool) -> Graded:
    """By the strongest of the attacks: the one that recovered the largest share of its images.

    ``formal`` tells whether a mechanism proves something: it turns a low grade into a formal one and no other.
    """
    groups = [[a for a in attacked if a.method == method] for method in dict.fromkeys(a.method for a in attacked)]
    if not groups:
        return Graded(None)
    strongest = max(groups, key=lambda group: (share_recovered(group), highest(group)))
    found = Graded(
        grade=None,
        attack=strongest[0].attack,
        images=sum(len(a.psnr) for a in strongest),
        recovered=share_recovered(strongest),
        copied=any(a.copied for a in attacked),
        closest=max((s for a in attacked for s in a.ssim if s is not None), default=None),
        labels=max((s for group in groups if (s := share_of_labels(group)) is not None), default=None),
    )
    return Graded(**{**vars(found), "grade": of(found, formal=formal)})


def of(found: Graded, *, formal: bool) -> Grade:
    """The scale."""
    share = found.recovered or 0.0
    if share >= HALF or found.copied:
        return Grade.CRITICAL
    if share >= TENTH:
        return Grade.HIGH
    if share > 0 or (found.closest or 0) >= ALIKE or (found.labels or 0) >= LABELS_FOUND:
        return Grade.MEDIUM
    return Grade.FORMAL if formal else Grade.LOW


def share_recovered(group: Sequence[Attacked]) -> float:
    """Of all images of these runs."""
    recovered = [image for a in group for image in a.recovered]
    return sum(recovered) / len(recovered) if recovered else 0.0


def highest(group: Sequence[Attacked]) -> float:
    """PSNR of the closest reconstruction."""
    return max((psnr for a in group for psnr in a.psnr if psnr is not None), default=0.0)


def share_of_labels(group: Sequence[Attacked]) -> float | None:
    """Of the batches whose labels were not granted, those of which every label was found."""
    known = [a.label_accuracy for a in group if a.label_accuracy is not None]
    return sum(accuracy == 1 for accuracy in known) / len(known) if known else None


def reason(found: Graded) -> str:
    """Why it is this grade, in a sentence."""
    match found.grade:
        case None:
            return "Nothing of this setup was measured yet, so there is no grade."
        case Grade.CRITICAL if found.copied:
            return f"An attack copied a private image: {VERBATIM:.0f} dB PSNR or more."
        case Grade.CRITICAL | Grade.HIGH:
            return f"{found.attack} recovered {percent(found.recovered)} of {found.images} images."
        case Grade.MEDIUM if found.recovered:
            return f"{found.attack} recovered some of {found.images} images."
        case Grade.MEDIUM if (found.closest or 0) >= ALIKE:
            return f"No image was recovered, but one looks alike: SSIM {found.closest:.2f}."
        case Grade.MEDIUM:
            return "No image was recovered, but the labels of nearly every batch were."
        case _ if not found.images:
            return f"Only labels were looked for, and {percent(found.labels)} of the batches gave all of theirs away."
    return f"No image was recovered of {found.images} by {found.attack}, the strongest attack that was tried."


def outlook(found: Graded) -> str:
    """What would change the grade, in a sentence."""
    match found.grade:
        case None:
            return "What would change that: one run of the strongest attack that applies."
        case Grade.CRITICAL:
            return "What would change it: a defense after which none is copied and less than half of them recovered."
        case Grade.HIGH:
            return "What would change it: fewer than a tenth of the images recovered, or half of them."
        case Grade.MEDIUM:
            return (
                f"What would change it: no image recovered, none with an SSIM of {ALIKE} or more, and labels that stay "
                "hidden; or a stronger attack that recovers a tenth."
            )
        case Grade.LOW:
            return (
                "What would change it: a stronger attack, a larger budget or another image; and upwards only a formal "
                "mechanism: epsilon of at most 8 under Poisson sampling, or secure aggregation that binds the model."
            )
    return "What would change it: a mechanism that is turned off, or an attack that gets around it."


def percent(share: float | None) -> str:
    return "—" if share is None else f"{100 * share:.0f} %"
