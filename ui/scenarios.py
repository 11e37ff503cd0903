"""Three questions that people ask, each with the setup that answers it; each takes less than a minute without a GPU."""

from __future__ import annotations

from dataclasses import dataclass

from gia_core.attacks import InvertingGradients
from gia_core.defenses import Pruning
from gia_core.spec import AuditSpec, Knowledge, Victim

CAT = 1
"""Class of the cat among the photographs; no question needs a person's face."""


@dataclass(frozen=True)
class Scenario:
    question: str
    icon: str
    look_for: str
    """What to watch on the screen, in one sentence."""
    spec: AuditSpec


SCENARIOS = (
    Scenario(
        question="Can one gradient give away my photo?",
        icon=":material/photo_camera:",
        look_for="Watch noise turn into the private photo, pixel by pixel: the gradient alone was enough.",
        spec=AuditSpec(victim=Victim(label=CAT)),
    ),
    Scenario(
        question="Does a bigger batch hide me?",
        icon=":material/groups:",
        look_for="Eight photos share one gradient: watch which of them you still recognize, and how close they get.",
        spec=AuditSpec(
            batch_size=8,
            victim=Victim(labels="different"),
            attack=InvertingGradients(iterations=3000),
            knowledge=Knowledge(labels=True),
        ),
    ),
    Scenario(
        question="Does pruning protect?",
        icon=":material/content_cut:",
        look_for="Nine tenths of the gradient are thrown away, and the attacker knows that: watch how much comes back.",
        spec=AuditSpec(
            victim=Victim(label=CAT),
            defenses=(Pruning(ratio=0.9),),
            attack=InvertingGradients(iterations=1500),
            knowledge=Knowledge(defense=True),
        ),
    ),
)
