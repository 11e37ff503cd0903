"""What a run has told so far, kept small enough to draw again twice a second; pure."""

from __future__ import annotations

import math
from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

MAX_POINTS = 800
"""Points in one curve: more cost the browser time and show nothing."""

MOST_KEPT = 4_000
"""Points that a session holds."""


@dataclass(frozen=True)
class Point:
    """One recorded iteration."""

    iteration: int
    iterations: int
    elapsed: float
    rate: float | None
    losses: dict[str, float]
    scores: dict[str, np.ndarray | None]
    """(B,) float32 per metric, in the order of the private batch; None where it was not measured."""
    label_accuracy: float | None
    labels: tuple[int, ...]
    """Class indices that the attack found, ``UNKNOWN`` where it does not tell."""
    weighted: dict[str, float] = field(default_factory=dict)
    """What each term of ``losses`` adds to the total."""

    def mean(self, metric: str) -> float | None:
        """Over the batch."""
        values = self.scores.get(metric)
        return None if values is None or not len(values) else finite(float(np.mean(values)))

    def highest(self, metric: str) -> float | None:
        """Of the batch."""
        values = self.scores.get(metric)
        return None if values is None or not len(values) else finite(float(np.max(values)))


@dataclass(frozen=True)
class Samples:
    """What a generator drew, at one iteration."""

    iteration: int
    count: int
    sprite: bytes


@dataclass
class History:
    """Grows by ``add``; reading it changes nothing."""

    seq: int = 0
    """Sequence number of the last event taken in: the cursor for the next read."""
    training: dict[str, Any] | None = None
    started: dict[str, Any] | None = None
    finished: dict[str, Any] | None = None
    tables: list[dict[str, Any]] = field(default_factory=list)
    """What the attack found out beside the images, as it told last."""
    samples: list[Samples] = field(default_factory=list)
    """What a generator drew that learned meanwhile, in order."""
    points: list[Point] = field(default_factory=list)
    """Of a very long run every second one is dropped again and again, but never the first and the last."""

    def add(self, events: Iterable[Any]) -> None:
        """Take in events with ``seq`` and ``body``, in order."""
        for event in events:
            body = event.body
            match body["kind"]:
                case "progress":
                    self.points.append(point(body))
                    if len(self.points) > MOST_KEPT:
                        self.points = [*self.points[:-1:2], self.points[-1]]
                    if drawn := body.get("samples"):
                        self.samples.append(Samples(body["iteration"], drawn["count"], b64decode(drawn["png"])))
                case "training":
                    self.training = body
                case "started":
                    self.started = body
                case "finished":
                    self.finished = body
            self.tables = body.get("tables", self.tables)
            self.seq = event.seq

    @property
    def nothing_to_invert(self) -> str:
        """Why no attack took place although the run came to its end; empty where one did."""
        return str((self.finished or {}).get("nothing_to_invert") or "")

    @property
    def share(self) -> float:
        """How far it is, from 0 to 1."""
        return min(1.0, self.last.iteration / self.last.iterations) if self.last else 0.0

    @property
    def last(self) -> Point | None:
        return self.points[-1] if self.points else None

    @property
    def minimizes(self) -> bool:
        """Whether there is a loss to follow."""
        return any(point.losses for point in self.points)

    @property
    def in_one_step(self) -> bool:
        """Whether the attack computes its images at once, and searches for nothing."""
        return self.last is not None and self.last.iterations == 1 and not self.minimizes

    def at(self, iteration: int) -> Point | None:
        """The last point not after ``iteration``; the first one where all are."""
        before = [p for p in self.points if p.iteration <= iteration]
        return before[-1] if before else self.points[0] if self.points else None

    def drawn_at(self, iteration: int) -> Samples | None:
        """The last samples not after ``iteration``; the first ones where all are; None where nothing learns."""
        before = [samples for samples in self.samples if samples.iteration <= iteration]
        return before[-1] if before else self.samples[0] if self.samples else None

    def thinned(self, limit: int = MAX_POINTS) -> list[Point]:
        """At most ``limit`` points, evenly chosen, the first and the last among them."""
        if len(self.points) <= limit:
            return self.points
        chosen = np.unique(np.linspace(0, len(self.points) - 1, limit).round().astype(int))
        return [self.points[i] for i in chosen]

    def blind_guess(self, metric: str, *, higher: bool) -> dict[str, float]:
        """Mean score of every baseline by its name."""
        baselines = (self.started or {}).get("baselines") or {}
        scores = {name: values.get(metric) for name, values in baselines.items()}
        means = {name: float(np.mean(values)) for name, values in scores.items() if values}
        return dict(sorted(means.items(), key=lambda item: item[1], reverse=higher))


def point(body: Mapping[str, Any]) -> Point:
    """A progress event's body as a point."""
    scores = {k: v for k, v in body["scores"].items() if k != "label_accuracy"}
    return Point(
        iteration=body["iteration"],
        iterations=body["iterations"],
        elapsed=body.get("elapsed", 0.0),
        rate=body.get("rate"),
        losses=body["losses"],
        scores={
            k: None if v is None else np.array([as_float(x) for x in v], dtype=np.float32) for k, v in scores.items()
        },
        label_accuracy=body["scores"].get("label_accuracy"),
        labels=tuple(body.get("labels") or ()),
        weighted=body.get("weighted") or {},
    )


def as_float(value: float | None) -> float:
    """JSON has no number for what diverged; here it is NaN."""
    return math.nan if value is None else float(value)


def finite(value: float | None) -> float | None:
    """None for what no chart and no text can show."""
    return value if value is not None and math.isfinite(value) else None
