"""What was measured of a remedy: the reader's own runs of it where there are any, else recordings of the gallery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from gia_core import gallery, report
from gia_core.advisor.evidence import Evidence
from gia_core.gallery import recordings
from gia_core.spec import AuditSpec
from gia_core.store import Run, RunStore, Status

from .. import session
from ..history import History
from .remedies import Remedy, Trial

SEARCHED = 300
"""Newest runs that are looked through."""


class Side(NamedTuple):
    """One run of a trial, with all that a lesson shows of it."""

    run: Run
    spec: AuditSpec
    history: History
    told: dict[str, Any]
    """As ``run --json`` prints it."""
    truth: bytes | None
    result: bytes | None
    """Sprites of the originals and of the reconstructions; None where there are none."""

    @property
    def closest(self) -> int:
        """Index of the image that came closest to its original."""
        return Evidence(self.run, self.spec, ()).closest

    def score(self, metric: str) -> float | None:
        """Of the closest image; None where nothing was reconstructed."""
        return Evidence(self.run, self.spec, ()).score(metric)

    @property
    def guess(self) -> float | None:
        """PSNR of the best blind guess for the closest image."""
        return report.best_guesses(self.told)[self.closest] if self.has_images else None

    @property
    def recovered(self) -> int | None:
        """How many images were."""
        return sum(report.recovered(self.told)) if self.has_images else None

    @property
    def has_images(self) -> bool:
        return bool((self.told["scores"] or {}).get("psnr"))


class Measured(NamedTuple):
    """A trial as far as it was carried out."""

    trial: Trial
    without: Side
    unaware: Side | None
    aware: Side | None

    @property
    def sides(self) -> list[Side]:
        return [side for side in (self.without, self.unaware, self.aware) if side is not None]

    @property
    def is_recorded(self) -> bool:
        """Whether any of it was carried out elsewhere: only recordings are, of all that is shown here."""
        return any(side.run.is_imported for side in self.sides)


def measured(remedy: Remedy) -> Measured | None:
    """The trial of which most was carried out, the reader's own first; None where there is none. May raise StoreError.

    A trial counts from the run without the remedy and one with it on.
    """
    store = session.store()
    finished = store.runs(kind="audit", statuses=(Status.FINISHED,), limit=SEARCHED)
    own = {run.spec: run.id for run in reversed(finished) if run.spec is not None and not run.is_imported}
    for known in (own, recorded_beside(own)):
        if (trial := most_complete(remedy, list(known), known)) is not None:
            return Measured(trial, *(side(store, known, spec) for spec in trial))  # type: ignore[arg-type]
    return None


def recorded_beside(own: Mapping[AuditSpec, str]) -> dict[AuditSpec, str]:
    """The same with every recording that there is, by its file."""
    files = {spec: file for card in gallery.EVERY_CARD for spec, file in zip(card.specs, card.files, strict=True)}
    return {spec: file for spec, file in files.items() if is_there(file)} | dict(own)


def is_there(file: str) -> bool:
    try:
        recordings.recording(file)
    except gallery.MissingError:
        return False
    return True


def most_complete(remedy: Remedy, specs: Sequence[AuditSpec], known: Mapping[AuditSpec, str]) -> Trial | None:
    """Of all trials that one of these setups belongs to; the newest among equals."""
    trials = dict.fromkeys(trial for spec in specs if (trial := remedy.trial(spec)) is not None)
    whole = [t for t in trials if t.without in known and (t.aware in known or t.unaware in known)]
    return max(reversed(whole), key=lambda trial: sum(spec in known for spec in trial), default=None)


def side(store: RunStore, known: Mapping[AuditSpec, str], spec: AuditSpec | None) -> Side | None:
    """What the run of a setup left behind; a recording is taken into the store first."""
    place = known.get(spec) if spec is not None else None
    if spec is None or place is None:
        return None
    run_id = recordings.take_in_one(place, store) if place.endswith(".zip") else place
    run = store.run(run_id)
    truth, result = store.thumbnails([run_id])[run_id]
    history, events = History(), store.events(run_id)
    history.add(events)
    return Side(run, spec, history, report.summary(run, events), truth, result)
