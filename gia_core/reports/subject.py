"""What a report is about: a run with everything that it left behind."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import Any

from .. import report, titles
from ..jobs import kind_of
from ..spec import AuditSpec
from ..store import Event, Json, Run, RunStore
from ..utility.spec import of_audit
from . import protections

MOST_RUNS = 100
"""In one report; more would be slow to open."""


@dataclass(frozen=True)
class Subject:
    """One run. Scores are per-image lists in the order of the private batch."""

    run: Run
    events: Sequence[Event]
    truth: bytes | None
    """Sprite of the private batch, and below of what the attack made of it."""
    reconstruction: bytes | None
    utility: Run | None = None
    """The experiment that tells what the defenses of the run cost the model, where the store has one."""

    @cached_property
    def found(self) -> Json:
        """The object that ``run --json`` prints, without folders of this machine."""
        return report.without_folders(report.summary(self.run, self.events))

    @cached_property
    def started(self) -> Json:
        return report.body(self.events, "started")

    @cached_property
    def finished(self) -> Json:
        return report.body(self.events, "finished")

    @cached_property
    def spec(self) -> AuditSpec | None:
        """The job, where it is an audit, without folders of this machine."""
        return None if self.run.spec is None else AuditSpec.model_validate(self.found["spec"])

    @property
    def scores(self) -> Json:
        """Empty where nothing was measured."""
        return self.found["scores"] or {}

    def values(self, metric: str) -> list[float]:
        """Of all images for which it was measured."""
        return [value for value in self.scores.get(metric) or () if value is not None]

    @property
    def count(self) -> int:
        """Images that were reconstructed."""
        return len(self.scores.get("psnr") or ())

    @property
    def order(self) -> list[int]:
        """The images, the one closest to its original first: privacy is about the worst case."""
        psnr = self.scores.get("psnr") or ()
        return sorted(range(self.count), key=lambda i: -1.0 if psnr[i] is None else psnr[i], reverse=True)

    @property
    def recovered(self) -> int:
        return sum(report.recovered(self.found)) if self.count else 0

    @property
    def guesses(self) -> list[float | None]:
        """PSNR of the closest blind guess for each image."""
        return report.best_guesses(self.found) if self.count else []

    @property
    def verdict(self) -> str:
        """The answer in a sentence."""
        if self.run.error:
            return self.run.error
        return str(self.finished.get("nothing_to_invert") or report.verdict(self.found))

    @property
    def heading(self) -> str:
        """One line that names the run."""
        spec, job = self.spec, self.run.job
        if spec is not None:
            images = titles.plural(spec.images_attacked, "image")
            return f"{titles.title(type(spec.attack))} against {images} on {titles.title(type(spec.model))}"
        return "A run of another version" if job is None else f"{kind_of(job).capitalize()} run"

    @property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of what the run was asked and of what it left, as hexadecimal digits."""
        parts: dict[str, bytes | None] = {
            "setup": report.as_json(self.found["spec"]),
            "scores": report.as_json(self.found["scores"]),
            "originals": self.truth,
            "reconstruction": self.reconstruction,
        }
        return {name: hashlib.sha256(part).hexdigest() for name, part in parts.items() if part is not None}

    def label(self, index: int) -> str:
        """The class of an image; empty where it has no name."""
        names: Sequence[Any] = self.started.get("label_names") or ()
        return str(names[index]) if index < len(names) else ""


def read(store: RunStore, run_ids: Sequence[str]) -> list[Subject]:
    """Each run once, in this order. Raises KeyError where there is none of this id, and ValueError for too many."""
    wanted = list(dict.fromkeys(run_ids))
    if not 1 <= len(wanted) <= MOST_RUNS:
        raise ValueError(f"A report holds one to {MOST_RUNS} runs, not {len(wanted)}; choose fewer.")
    found = []
    costs = cache(partial(protections.measured, store))
    for run_id in wanted:
        run, frame = store.run(run_id), store.latest_frame(run_id)
        sprite = None if frame is None else frame.png
        utility = costs(of_audit(run.spec)) if run.spec is not None and run.spec.defenses else None
        found.append(Subject(run, store.events(run_id), store.truth(run_id), sprite, utility))
    return found
