"""How each kind of run is called, and on which page it is followed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gia_core import titles
from gia_core.jobs import AUDIT, kind_of
from gia_core.priors import PriorSpec
from gia_core.spec import AuditSpec
from gia_core.store import Run
from gia_core.utility import UtilitySpec

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
    images = titles.plural(spec.images_attacked, "image")
    line = f"{titles.title(type(spec.attack))} against {images} on {titles.title(type(spec.model))}"
    return line if spec.control == "none" else f"Control of {line}"


def audited_in_short(spec: AuditSpec) -> str:
    short = f"{titles.title(type(spec.attack))} on {titles.title(type(spec.dataset)).lower()}"
    return short if spec.control == "none" else f"Control of {short}"


def audit_parts(spec: AuditSpec) -> list[str]:
    defended = " + ".join(titles.title(type(defense)) for defense in spec.defenses)
    return [
        titles.title(type(spec.dataset)),
        titles.title(type(spec.model)),
        titles.plural(spec.batch_size, "image"),
        defended or "no defense",
        *([f"{spec.clients} clients, {titles.title(type(spec.aggregation))}"] if spec.clients > 1 else []),
    ]


def trained(spec: PriorSpec) -> str:
    return f"Prior {spec.name}, learned from {titles.title(type(spec.dataset)).lower()}"


def trained_in_short(spec: PriorSpec) -> str:
    return f"Prior {spec.name}"


def prior_parts(spec: PriorSpec) -> list[str]:
    by_class = ["by class"] if spec.conditional else []
    return [titles.title(type(spec.dataset)), titles.title(type(spec.method)), *by_class]


def weighed(spec: UtilitySpec) -> str:
    model, data = titles.title(type(spec.model)), titles.title(type(spec.dataset)).lower()
    return f"What {defended_by(spec)} costs {model} on {data}"


def weighed_in_short(spec: UtilitySpec) -> str:
    return f"Cost of {defended_by(spec)}"


def defended_by(spec: UtilitySpec) -> str:
    return " + ".join(titles.title(type(defense)) for defense in spec.defenses)


def utility_parts(spec: UtilitySpec) -> list[str]:
    return [
        titles.title(type(spec.dataset)),
        titles.title(type(spec.model)),
        titles.plural(spec.clients, "client"),
        titles.plural(spec.rounds, "round"),
        titles.plural(spec.seeds, "seed"),
    ]


LAB, COMPARE, SWEEP = "pages/explore/lab.py", "pages/explore/compare.py", "pages/explore/sweep.py"
REPORT, PRESENT = "pages/review/report.py", "pages/explore/present.py"
PRIORS, UTILITY = "pages/explore/priors.py", "pages/explore/utility.py"
KINDS = {
    AUDIT: Kind(LAB, "Attack", audited, audited_in_short, audit_parts),
    "prior": Kind(PRIORS, "Prior", trained, trained_in_short, prior_parts),
    "utility": Kind(UTILITY, "Cost", weighed, weighed_in_short, utility_parts),
}
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
