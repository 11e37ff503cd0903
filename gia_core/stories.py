"""What happens in a run of any kind, as events."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

from .audit import Event, audit
from .chronicle import Chapter
from .jobs import Job
from .priors import PriorSpec
from .priors import story as prior
from .utility import UtilitySpec
from .utility import experiment as utility

Told: TypeAlias = Event | Chapter
"""Of an audit, or of a run of another kind."""


def story(job: Job, *, device: str, home: Path, stopped: Callable[[], bool]) -> Iterator[Told]:
    """The events of a job, as they happen. Raises ValueError with a sentence for the user where it fails."""
    match job:
        case PriorSpec():
            return prior.tell(job, device=device, home=home, stopped=stopped)
        case UtilitySpec():
            return utility.tell(job, device=device, home=home, stopped=stopped)
        case _:
            return audit(job, device=device, home=home, stopped=stopped)
