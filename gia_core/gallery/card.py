"""A question that people ask, and the recorded runs that answer it; pure."""

from __future__ import annotations

from dataclasses import dataclass

from ..spec import AuditSpec

MOST = 4
"""Runs that one card compares: more do not fit side by side."""


@dataclass(frozen=True)
class Take:
    """One run of a card."""

    caption: str
    """What is special about it, in a few words, under its picture."""
    spec: AuditSpec


@dataclass(frozen=True)
class Card:
    """A question with one run that answers it, or with two to four that are compared."""

    name: str
    """In addresses, on the command line and as the name of its files."""
    question: str
    icon: str
    look_for: str
    """What to watch on the screen, in one sentence."""
    answer: str
    """One sentence. In braces stand figures of the recorded runs: ``{0.psnr}`` is the first one's mean PSNR; see
    ``recordings.Figures``."""
    condition: str
    """In which setting, within which budget the answer holds; braces as in the answer."""
    takes: tuple[Take, ...]

    @property
    def specs(self) -> tuple[AuditSpec, ...]:
        return tuple(take.spec for take in self.takes)

    @property
    def files(self) -> tuple[str, ...]:
        """Of its recordings, one for each run."""
        return tuple(f"{self.name}-{number}.zip" for number in range(1, len(self.takes) + 1))
