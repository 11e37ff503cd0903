"""A defense between its ceiling and the attacker who knows it: three setups that differ in nothing else; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from gia_core import protection
from gia_core.spec import AuditSpec
from gia_core.store import Run, Status

NONE = "No verdict"


class Trio(NamedTuple):
    undefended: AuditSpec
    """The ceiling: what the same attack finds where there is no defense."""
    naive: AuditSpec
    adaptive: AuditSpec


def trio(spec: AuditSpec) -> Trio:
    """The three setups that show what the defenses of ``spec`` are worth; everything else in them is equal."""
    aware, unaware = (spec.knowledge.model_copy(update={"defense": known}) for known in (True, False))
    return Trio(
        spec.model_copy(update={"defenses": (), "knowledge": unaware}),
        spec.model_copy(update={"knowledge": unaware}),
        spec.model_copy(update={"knowledge": aware}),
    )


def places(specs: Sequence[AuditSpec | None]) -> tuple[int, int, int] | None:
    """Where undefended, naive and adaptive are among the setups; None where one of the three is missing."""
    for spec in specs:
        if spec is not None and spec.defenses:
            wanted = trio(spec)
            bare = [known and (known if known.defenses else trio(known).undefended) for known in specs]
            if all(part in bare for part in wanted):
                return (bare.index(wanted.undefended), bare.index(wanted.naive), bare.index(wanted.adaptive))
    return None


def judged(runs: Sequence[Run], *, same_pictures: bool | None) -> str | None:
    """What the defense that all of these runs are about is worth, or why that cannot be told; None for other runs."""
    found = places([run.spec for run in runs])
    if found is None:
        return None
    three = [runs[place] for place in found]
    if not all(run.status.is_over for run in three):
        return "The verdict on the defense follows when all three runs are over."
    if not all(run.status is Status.FINISHED for run in three):
        return f"{NONE}: all three runs have to be carried out to their end, so that they have the same budget."
    if same_pictures is False:
        return f"{NONE}: the three runs were not after the same pictures."
    undefended, naive, adaptive = (complete(run.scores) for run in three)
    if undefended is None or naive is None or adaptive is None:
        return f"{NONE}: one of the three runs has no score for every image."
    return protection.verdict(undefended, naive, adaptive)


def complete(scores: Mapping[str, Any] | None) -> list[float] | None:
    """The PSNR of every image; None where one is not known."""
    psnr = (scores or {}).get("psnr")
    return None if not psnr or any(value is None for value in psnr) else list(psnr)
