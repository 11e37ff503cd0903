"""What a run that is no audit has told so far; pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Chapters:
    """Grows by ``add``; reading it changes nothing."""

    seq: int = 0
    """Sequence number of the last event taken in: the cursor for the next read."""
    training: dict[str, Any] | None = None
    """Where a model is trained first, the last that was told of it."""
    began: dict[str, Any] | None = None
    steps: list[dict[str, Any]] = field(default_factory=list)
    """Bodies of what is kept of the steps, in order."""
    ended: dict[str, Any] | None = None

    def add(self, events: Iterable[Any]) -> None:
        """Take in events with ``seq`` and ``body``, in order."""
        for event in events:
            match event.body["kind"]:
                case "training":
                    self.training = event.body
                case "started":
                    self.began = event.body
                case "progress":
                    self.steps.append(event.body)
                case "finished":
                    self.ended = event.body
            self.seq = event.seq

    @property
    def share(self) -> float:
        """How far it is, from 0 to 1."""
        return min(1.0, self.last["iteration"] / self.last["iterations"]) if self.last else 0.0

    @property
    def last(self) -> dict[str, Any] | None:
        return self.steps[-1] if self.steps else None
