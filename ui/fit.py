"""How well the parts of a setup fit together: what an option would lack, what the attack lacks, and what helps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st
from pydantic import ValidationError

from gia_core import titles
from gia_core.component import Component
from gia_core.spec import AuditSpec, Objection, unmet

from . import location
from .remedies import all_met, remedies


def misfits(spec: AuditSpec, name: str, kind: type[Component], home: Path) -> list[Objection]:
    """What stands against ``kind`` taking its place in ``spec``, but not against what is there now."""
    if getattr(spec, name).name == kind.model_fields["name"].default:
        return []
    try:
        other = spec.model_copy(update={name: kind()})
    except ValidationError:
        return []
    known = spec.objections(home)
    return [objection for objection in other.objections(home) if objection not in known]


def in_short(objections: Sequence[Objection]) -> str:
    """What stands against an option, as short as a list of options wants it; once it is taken, the form says it all."""
    fields = list(dict.fromkeys(objection.field for objection in objections))
    chosen = [field for field in fields if not field.startswith("knowledge.")]
    if not chosen:
        return "must be granted"
    more = "…" if len(fields) > 1 else ""
    return f"not with this {titles.label(chosen[0].rpartition('.')[2]).lower()}{more}"


def apart(
    objections: Sequence[Objection], spec: AuditSpec | None, home: Path
) -> tuple[list[Objection], list[Objection]]:
    """What the attack objects to, and what speaks against the rest of the setup."""
    classes = spec.dataset.class_count(home) if spec and not spec.dataset.absent(home) else None
    needs = unmet(spec.attack.needs, spec, classes) if spec else []
    own = [objection for objection in objections if objection in needs or objection.field.startswith("attack")]
    return own, [objection for objection in objections if objection not in own]


def titled(objection: Objection, spec: AuditSpec) -> str:
    """The sentence, with the attack called as everywhere on the page, not as in specs."""
    rest = objection.reason.removeprefix(f"{spec.attack.name} ")
    return objection.reason if rest == objection.reason else f"{titles.title(type(spec.attack))} {rest}"


def unmet_by_attack(spec: AuditSpec | None, objections: Sequence[Objection], home: Path) -> None:
    """What the chosen attack lacks, right under it, with what would help."""
    if spec is None or not objections:
        return
    with st.container(key="unmet", gap="xsmall"):
        listed(spec, objections, home)
        if len(objections) > 1 and (met := all_met(spec, home)) is not None:
            st.button("Do all of this", key="meet-all", icon=":material/done_all:", on_click=location.load, args=(met,))


def unmet_by_defenses(spec: AuditSpec | None, objections: Sequence[Objection], home: Path) -> None:
    """What speaks against the chosen defenses, right under them, with what would help."""
    if spec is None or not objections:
        return
    with st.container(key="unmet-by-defenses", gap="xsmall"):
        listed(spec, objections, home)


def listed(spec: AuditSpec, objections: Sequence[Objection], home: Path) -> None:
    for objection in objections:
        st.caption(f":material/block: {titled(objection, spec)}")
        offer(spec, objection, home)


def offer(spec: AuditSpec, objection: Objection, home: Path) -> None:
    """A button for each change that meets an objection."""
    found = remedies(spec, objection, home)
    if not found:
        return
    with st.container(horizontal=True, gap="small"):
        for remedy in found:
            st.button(
                remedy.words,
                key=f"remedy-{objection.field}-{remedy.words}",
                type="tertiary",
                icon=":material/arrow_forward:",
                on_click=location.load,
                args=(remedy.spec,),
            )
