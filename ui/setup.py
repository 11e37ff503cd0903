"""The setup: five visible choices, everything else folded away; all of it drawn from the catalogs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st
from pydantic import ValidationError
from streamlit.delta_generator import DeltaGenerator

from gia_core import titles
from gia_core.aggregation import Aggregation
from gia_core.attacks import Attack
from gia_core.clients import Client
from gia_core.component import Component
from gia_core.datasets import Dataset
from gia_core.defenses import Defense
from gia_core.models import Model
from gia_core.spec import MAX_BATCH, AuditSpec, Knowledge, Objection, Victim, kinds
from gia_core.verification import Verification

from . import fit, forms, preflight, privacy, uploads
from .families import FAMILIES, by_family, family
from .forms import PREFIX, Problems, seeded

CATALOGS = {"dataset": kinds(Dataset), "model": kinds(Model), "client": kinds(Client)}
CATALOGS["aggregation"] = kinds(Aggregation)
CATALOGS["attack"] = by_family(kinds(Attack))
DEFENSES = kinds(Defense)
OF_MANY_CLIENTS = ("dead_models", "colluding_clients")
"""Fields of ``Knowledge`` that mean nothing where there is one client."""
LABELS = {"dataset": "Data set", "model": "Model", "attack": "Attack", "client": "Client"}


@dataclass(frozen=True)
class Draft:
    """What the form describes now."""

    spec: AuditSpec | None
    """None where an input is not valid."""
    obstacles: tuple[str, ...]
    """Every reason why it cannot be started, one sentence each."""
    objections: tuple[Objection, ...]
    """Those of them that stand neither under the attack nor under the defenses, and that a change may meet."""


def draw(seed: AuditSpec, home: Path) -> Draft:
    """Draw the form, which begins as ``seed``, and return what it describes.

    The fields are drawn before the five choices that stand above them, since those mark what does not fit the rest.
    """
    problems = Problems()
    chosen = choices(seed)
    data, uploader, rest = st.container(), st.container(), st.container()
    with uploader:
        pictures = uploads.draw(chosen["dataset"], seed.dataset, problems)
    with st.expander("Advanced", icon=":material/tune:", key="advanced"):
        values, beside = advanced(chosen, seed, pictures, problems)
    spec = assembled(values, problems)
    objections = spec.objections(home) if spec else []
    refused = [objection for objection in objections if objection.field == "defenses"]
    for defense, place in zip(values["defenses"], beside, strict=True):
        with place:
            privacy.beside(defense, f"{PREFIX}defenses", holds=not refused)
    with data:
        pick("dataset", spec, home)
    with rest:
        model, batch = st.columns([3, 2], gap="small")
        with model:
            pick("model", spec, home)
        batch_help = AuditSpec.model_fields["batch_size"].description
        batch.number_input("Batch size", 1, MAX_BATCH, key=PREFIX + "batch_size", help=batch_help)
        pick("attack", spec, home)
        st.caption(titles.summary(chosen["attack"]))
        lacks, others = fit.apart(objections, spec, home)
        fit.unmet_by_attack(spec, lacks, home)
        pick_defenses()
        fit.unmet_by_defenses(spec, refused, home)
        if spec is not None:
            privacy.summary(spec.defenses, holds=not refused)
            for change in preflight.network_changes(spec):
                st.caption(f":material/account_tree: **The network changed:** {change}")
    reasons = dict.fromkeys((*problems.sentences, *(fit.titled(objection, spec) for objection in objections)))
    return Draft(spec, tuple(reasons), tuple(other for other in others if other not in refused))


def choices(seed: AuditSpec) -> dict[str, Any]:
    """The kind that is chosen of each catalog, the defenses in order, and the batch size: what the widgets hold now."""
    for name in CATALOGS:
        seeded(PREFIX + name, getattr(seed, name).name)
    seeded(PREFIX + "defenses", list(dict.fromkeys(defense.name for defense in seed.defenses)))
    seeded(PREFIX + "batch_size", seed.batch_size)
    held = st.session_state
    chosen: dict[str, Any] = {name: catalog[held[PREFIX + name]] for name, catalog in CATALOGS.items()}
    chosen["defenses"] = [DEFENSES[name] for name in held[PREFIX + "defenses"]]
    return chosen


def pick(name: str, spec: AuditSpec | None, home: Path) -> None:
    """One visible choice, with what each option would need if it does not fit the rest of the setup."""
    catalog = CATALOGS[name]
    marks = {option: fit.misfits(spec, name, kind, home) for option, kind in catalog.items()} if spec else {}

    def shown(option: str) -> str:
        kind, new = catalog[option], marks.get(option)
        if name != "attack":
            return titles.title(kind) + (f" · {new[0].reason}" if new else "")
        return f"{titles.title(kind)} · {family(kind).name}" + (f" · {fit.in_short(new)}" if new else "")

    st.selectbox(LABELS[name], catalog, key=PREFIX + name, format_func=shown, help=explained(catalog))


def pick_defenses() -> None:
    st.multiselect(
        "Defense",
        DEFENSES,
        key=PREFIX + "defenses",
        format_func=lambda name: titles.title(DEFENSES[name]),
        placeholder="None: the update is sent as it is",
        help="Several can be stacked; the first one acts first.\n\n" + explained(DEFENSES),
    )


def explained(catalog: dict[str, type[Component]]) -> str:
    """Every option in a sentence, as Markdown; attacks family by family."""
    lines = {kind: f"- **{titles.title(kind)}**: {titles.summary(kind)}" for kind in catalog.values()}
    if catalog is not CATALOGS["attack"]:
        return "\n".join(lines.values())
    groups = [(group, [line for kind, line in lines.items() if family(kind) is group]) for group in FAMILIES]
    return "\n\n".join(
        f"*{group.name.capitalize()}*: they {group.summary}.\n\n" + "\n".join(own) for group, own in groups if own
    )


def advanced(
    chosen: dict[str, Any], seed: AuditSpec, pictures: dict[str, Any] | None, problems: Problems
) -> tuple[dict[str, Any], list[DeltaGenerator]]:
    """Every field that is not one of the five visible choices: the values of a whole spec, and a place beside the
    fields of each defense for what only the whole spec tells."""
    values: dict[str, Any] = {"batch_size": st.session_state[PREFIX + "batch_size"]}
    for name in ("attack", "model", "dataset"):
        given = pictures if name == "dataset" else {}
        drawn = given is not None  # without its pictures there is nothing yet that the other fields could be about
        own = getattr(seed, name)
        values[name] = section(LABELS[name], chosen[name], PREFIX + name, own, problems, given) if drawn else None
    seeds = {type(defense): defense for defense in seed.defenses}
    values["defenses"], beside = [], []
    for kind in chosen["defenses"]:
        values["defenses"].append(section("Defense", kind, f"{PREFIX}defenses", seeds.get(kind), problems))
        beside.append(st.container())
    catalog = CATALOGS["client"]
    st.markdown("**Client**")
    st.selectbox("Update rule", catalog, key=PREFIX + "client", format_func=lambda name: titles.title(catalog[name]))
    values["client"] = section("", chosen["client"], PREFIX + "client", seed.client, problems)
    values["verification"] = section(
        "How the client checks the model", Verification, PREFIX + "verification", seed.verification, problems
    )
    values |= together(chosen, seed, problems)
    alone = values["clients"] == 1 and seed.clients == 1
    values["knowledge"] = section(
        "What the attacker is granted",
        Knowledge,
        PREFIX + "knowledge",
        seed.knowledge,
        problems,
        {name: getattr(seed.knowledge, name) for name in OF_MANY_CLIENTS} if alone else {},
    )
    values["victim"] = section("Which images are private", Victim, PREFIX + "victim", seed.victim, problems)
    values |= exchange(seed, problems)
    return values, beside


def together(chosen: dict[str, Any], seed: AuditSpec, problems: Problems) -> dict[str, Any]:
    """How many clients there are, how many of them fall silent, and how their updates are added up."""
    fields, catalog = AuditSpec.model_fields, CATALOGS["aggregation"]
    st.markdown("**Other clients, and how their updates are added up**")
    with st.grid(2, min_column_width=125, vertical_alignment="bottom"):
        values = {
            name: forms.field_input(name, fields[name], PREFIX + name, getattr(seed, name), problems)
            for name in ("clients", "dropouts")
        }
    st.selectbox(
        "Aggregation",
        catalog,
        key=PREFIX + "aggregation",
        format_func=lambda name: titles.title(catalog[name]),
        help=explained(catalog),
    )
    values["aggregation"] = section("", chosen["aggregation"], PREFIX + "aggregation", seed.aggregation, problems)
    return values


def exchange(seed: AuditSpec, problems: Problems) -> dict[str, Any]:
    """The fields of the spec itself that are no component: how many rounds, and the seed."""
    fields = AuditSpec.model_fields
    st.markdown("**How often, and by which chance**")
    with st.grid(2, min_column_width=125, vertical_alignment="bottom"):
        values = {
            name: forms.field_input(name, fields[name], PREFIX + name, getattr(seed, name), problems)
            for name in ("rounds", "seed", "control")
        }
        if values["rounds"] == 1:  # nothing follows that the server could move its model for
            return values | {"server_lr": seed.server_lr}
        name = "server_lr"
        values[name] = forms.field_input(name, fields[name], PREFIX + name, seed.server_lr, problems)
    return values


def section(
    heading: str,
    kind: type[Component],
    path: str,
    seed: Component | None,
    problems: Problems,
    given: dict[str, Any] | None = None,
) -> Component | None:
    """A heading and the fields of one component that are not ``given``; a component without fields takes no room."""
    named = "name" in kind.model_fields
    if forms.has_fields(kind) and heading:
        st.markdown(f"**{heading}: {titles.title(kind)}**" if named else f"**{heading}**")
    own = f"{path}.{kind.model_fields['name'].default}" if named else path
    return forms.component(kind, own, seed, problems, given or {})


def assembled(values: dict[str, Any], problems: Problems) -> AuditSpec | None:
    if any(part is None for value in values.values() for part in (value if isinstance(value, list) else [value])):
        return None
    try:
        return AuditSpec(**values | {"defenses": tuple(values["defenses"])})
    except ValidationError as error:
        problems.add(error, AuditSpec)
        return None
