"""Several runs at once, from one setup that differs in exactly what the user chooses to vary."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import streamlit as st

from gia_core import titles
from gia_core.protection import FEWEST
from gia_core.spec import AuditSpec
from gia_core.store import StoreError

from . import (
    address,
    compare_choice,
    compare_setups,
    compare_variants,
    fit,
    glossary,
    kinds,
    location,
    preflight,
    session,
    setup,
)
from .compare_setups import MOST
from .compare_variants import ATTACK, BATCH, DEFENSE, MODEL, PROTECTION, STRENGTH, WAYS
from .tables import table

WAY = "compare-way"
NO_DEFENSE = "none"


def draw(*, first: bool) -> None:
    """The form; folded where runs are compared already."""
    with st.expander("Vary one thing", icon=":material/call_split:", expanded=first, key="vary"):
        spec = st.session_state.get(location.DRAFT) or location.implied()
        origin(spec)
        possible = compare_variants.ways(spec)
        if st.session_state.get(WAY) not in possible:
            st.session_state[WAY] = possible[0]
        columns = st.grid(2, min_column_width=290, gap="medium")
        with columns.cell():
            way = st.selectbox("Vary", possible, key=WAY, format_func=WAYS.__getitem__)
        try:
            with columns.cell():
                variants = list(dict.fromkeys(FORMS[way](spec)))
        except ValueError as error:
            st.warning(str(error), icon=":material/block:")
            return
        preview(variants)


def origin(spec: AuditSpec) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        data, _, _, *protected = kinds.audit_parts(spec)
        words = " · ".join([kinds.audited(spec), data, *protected])
        st.caption(f"From the setup in the lab: {words}", width="content")
        st.page_link(kinds.LAB, label="Change it")


def protections(spec: AuditSpec) -> Sequence[AuditSpec]:
    adaptive = glossary.link("adaptive-attacker", "adaptive")
    st.caption(
        "The same attack three times: without the defense, which is the ceiling; against the defense by an attacker "
        f"who does not know of it (naive); and by one who does ({adaptive}). What counts is the last one."
    )
    if spec.images_attacked < FEWEST:
        st.caption(
            f":material/info: A verdict takes at least {FEWEST} images to be told from chance; "
            f"this setup has {titles.plural(spec.images_attacked, 'image')}."
        )
    return compare_variants.protections(spec)


def attacks(spec: AuditSpec) -> Sequence[AuditSpec]:
    catalog, home = setup.CATALOGS["attack"], session.settings().home
    wrong = {name: fit.misfits(spec, "attack", kind, home) for name, kind in catalog.items()}
    fitting = [name for name in catalog if not wrong[name]]
    usual = [spec.attack.name, *(name for name in fitting if name != spec.attack.name)][:2]

    def shown(name: str) -> str:
        return titles.title(catalog[name]) + (f" · {fit.in_short(wrong[name])}" if wrong[name] else "")

    names = several("Attacks", catalog, usual, shown)
    most = compare_variants.largest_budget(spec, [catalog[name] for name in names])
    key = f"compare-budget-{'-'.join(names)}"
    budget = st.number_input(
        "Iterations for each",
        1,
        max(most, 1_000_000),
        most,
        key=key,
        help="The same for all, counted over all restarts; an attack that is computed in one step needs none. "
        "An iteration does not cost every attack the same time, which is why the table lists that too.",
    )
    return compare_variants.attacks(spec, [catalog[name] for name in names], int(budget))


def defenses(spec: AuditSpec) -> Sequence[AuditSpec]:
    own = [defense.name for defense in spec.defenses]
    usual = [NO_DEFENSE, *(own or list(setup.DEFENSES)[:1])][:MOST]
    options = [NO_DEFENSE, *setup.DEFENSES]
    names = several("Defenses", options, usual, lambda n: titles.title(setup.DEFENSES[n]) if n in setup.DEFENSES else n)
    return compare_variants.defended(spec, [setup.DEFENSES.get(name) for name in names])


def strengths(spec: AuditSpec) -> Sequence[AuditSpec]:
    fields = compare_variants.strengths(spec)
    if not fields:
        raise ValueError("This defense has no strength that could be varied; vary the defense instead.")
    place, name = st.selectbox("Of what", list(fields), key="compare-strength", format_func=fields.__getitem__)
    usual = compare_variants.usual_strengths(spec, place, name)
    values = written(f"Values of {fields[place, name]}", usual, key=f"compare-values-{place}-{name}")
    return compare_variants.stronger(spec, place, name, values)


def batches(spec: AuditSpec) -> Sequence[AuditSpec]:
    sizes = written("Batch sizes", sorted({spec.batch_size, 1, 4, 8})[:MOST], key="compare-batches")
    if any(not size.is_integer() for size in sizes):
        raise ValueError("A batch has a whole number of images.")
    return compare_variants.batches(spec, [int(size) for size in sizes])


def models(spec: AuditSpec) -> Sequence[AuditSpec]:
    catalog = setup.CATALOGS["model"]
    usual = [spec.model.name, *(name for name in catalog if name != spec.model.name)][:2]
    names = several("Models", catalog, usual, lambda name: titles.title(catalog[name]))
    return compare_variants.models(spec, [catalog[name] for name in names])


FORMS: dict[str, Callable[[AuditSpec], Sequence[AuditSpec]]] = {
    PROTECTION: protections,
    ATTACK: attacks,
    DEFENSE: defenses,
    STRENGTH: strengths,
    BATCH: batches,
    MODEL: models,
}
"""What asks for the setups, for each way to vary one. Each raises ValueError, one sentence, for what cannot be."""


def several(label: str, options: Iterable[str], usual: list[str], shown: Callable[[str], str]) -> list[str]:
    return st.multiselect(label, options, usual, key=f"compare-{label.lower()}", format_func=shown, max_selections=MOST)


def written(label: str, usual: Sequence[float], *, key: str) -> list[float]:
    """Numbers that were typed in. Raises ValueError, one sentence."""
    text = st.text_input(label, ", ".join(f"{value:g}" for value in usual), key=key, help="With commas between them.")
    values = list(compare_variants.numbers(text))
    if len(values) > MOST:
        raise ValueError(f"At most {MOST} values fit side by side; a sweep takes more.")
    return values


def preview(variants: Sequence[AuditSpec]) -> None:
    """What would be started, what it would have in common, and Start."""
    if len(variants) < 2:
        st.caption("Choose at least two that differ.")
        return
    home = session.settings().home
    reasons = [[fit.titled(objection, spec) for objection in spec.objections(home)] for spec in variants]
    names = compare_setups.names(variants)
    rows = [
        [name, " ".join(why) or preflight.estimate(spec, session.store())]
        for name, spec, why in zip(names, variants, reasons, strict=True)
    ]
    table(["Run", "How long"], rows, caption="Runs that would be started", prose=True)
    found = compare_setups.in_common(variants, same_pictures=None)
    st.caption(f"All of them: {' · '.join(common.words for common in found)}")
    st.button(
        f"Start {len(variants)} runs",
        type="primary",
        icon=":material/play_arrow:",
        key="start-together",
        disabled=any(reasons),
        on_click=start,
        args=(variants,),
    )


def start(variants: Sequence[AuditSpec]) -> None:
    if run_ids := submit(variants):
        compare_choice.compare(run_ids)


def submit(variants: Sequence[AuditSpec]) -> list[str]:
    """Queue all of them, or say why not and queue none."""
    home = session.settings().home
    reasons = [fit.titled(objection, spec) for spec in variants for objection in spec.objections(home)]
    if reasons:
        st.toast(reasons[0], icon=":material/block:")
        return []
    try:
        return [session.store().submit(spec) for spec in variants]
    except (ValueError, StoreError) as error:
        st.toast(str(error), icon=":material/database_off:")
        return []


def offer(spec: AuditSpec) -> None:
    """Beside Start: what may be compared with this setup."""
    if spec.defenses:
        pressed = st.button(
            "Naive and adaptive side by side",
            icon=":material/compare:",
            key="protection-side-by-side",
            width="stretch",
            help="Starts this attack three times with the same batch, seed and budget: without the defense, by an "
            "attacker who does not know of it, and by one who does.",
        )
        if pressed and (run_ids := submit(compare_variants.protections(spec))):
            st.switch_page(kinds.COMPARE, query_params={address.COMPARE: ",".join(run_ids)})
    st.page_link(kinds.COMPARE, label="Vary one thing, side by side", icon=":material/call_split:")
    st.page_link(kinds.SWEEP, label="Vary one or two things in many runs", icon=":material/grid_on:")
