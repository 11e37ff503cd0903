"""How each kind of run is called, and on which page it is followed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gia_core.jobs import AUDIT, kind_of
from gia_core.spec import AuditSpec
from gia_core.store import Run

from . import titles

UNREADABLE = "A run of another version"


@dataclass(frozen=True)
class Kind:
    """What the pages know of one kind of run."""

    page: str
    """The script that shows it live, given ``?run=ID``."""
    title: str
    """What it is, in two words at most, as a filter and a listing say it."""
    heading: Callable[[Any], str]
    """One line that names a job of this kind."""
    in_short: Callable[[Any], str]
    """The same in a few words."""
    parts: Callable[[Any], list[str]]
    """What else a listing says of the job."""


def audited(spec: AuditSpec) -> str:
    images = titles.plural(spec.batch_size, "image")
    return f"{titles.title(type(spec.attack))} against {images} on {titles.title(type(spec.model))}"


def audited_in_short(spec: AuditSpec) -> str:
    return f"{titles.title(type(spec.attack))} on {titles.title(type(spec.dataset)).lower()}"


def audit_parts(spec: AuditSpec) -> list[str]:
    defended = " + ".join(titles.title(type(defense)) for defense in spec.defenses)
    return [
        titles.title(type(spec.dataset)),
        titles.title(type(spec.model)),
        titles.plural(spec.batch_size, "image"),
        defended or "no defense",
    ]


LAB, COMPARE = "pages/explore/lab.py", "pages/explore/compare.py"
KINDS = {AUDIT: Kind(LAB, "Attack", audited, audited_in_short, audit_parts)}
"""Like ``gia_core.jobs.KINDS``."""


def page_of(run: Run) -> str:
    """Where a run is shown; one that cannot be read is shown, as far as it can be, in the lab."""
    return LAB if run.job is None else KINDS[kind_of(run.job)].page


def heading(run: Run) -> str:
    return UNREADABLE if run.job is None else KINDS[kind_of(run.job)].heading(run.job)


def in_short(run: Run) -> str:
    return UNREADABLE if run.job is None else KINDS[kind_of(run.job)].in_short(run.job)


def parts(run: Run) -> list[str]:
    return [] if run.job is None else KINDS[kind_of(run.job)].parts(run.job)
