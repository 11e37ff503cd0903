"""What to know before Start: how long it may take, what to be careful about."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from gia_core import titles
from gia_core.attacker_card import planned_iterations
from gia_core.defenses.stacking import promise
from gia_core.spec import AuditSpec
from gia_core.store import Run, RunStore, Status

LIKE_RUNS = 20
"""Earlier runs that an estimate looks at."""


def cautions(spec: AuditSpec) -> list[str]:
    """Choices that decide how easily the model gives its data away, one sentence each."""
    model = spec.model
    found = []
    if getattr(model, "normalization", None) == "batch":
        if getattr(model, "mode", None) == "eval":
            found.append(
                "BatchNorm is in eval mode: the client uses stored statistics that the attacker has too. "
                "This is the easiest case for the attack; real clients train in train mode."
            )
        else:
            found.append(
                "BatchNorm is in train mode: the client uses statistics of its private batch that the attacker "
                "does not have, so the attack simulates them."
            )
    needed = getattr(spec.aggregation, "needed", lambda clients: 1)(spec.clients)
    if spec.clients - spec.dropouts < needed:
        found.append(f"So many clients drop out that there will be no sum: it takes {needed} of {spec.clients}.")
    if spec.aggregation.name == "paillier":
        found.append("Paillier takes a third of a second per thousand weights and client; choose a small model.")
    found += [condition.because for condition in spec.attack.fails_unless if condition.lacking(spec, None)]
    if epochs := getattr(model, "training", 0):
        found.append(f"The model is trained for {titles.plural(epochs, 'epoch')} first; a trained model leaks less.")
    return found


def network_changes(spec: AuditSpec) -> list[str]:
    """What the defenses make of the network, one sentence each: the undefended run of the same setup has another."""
    found = []
    for defense in spec.defenses:
        if getattr(defense, "changes_network", False):
            title = titles.title(type(defense))
            found.append(f"{title} puts layers into it. Everyone uses another network than without it.")
    usual = type(spec.model).model_fields.get("normalization")
    if promise(spec.defenses) is not None and usual is not None and usual.default == "batch":
        others = {"group": "GroupNorm takes the place of BatchNorm", "none": "BatchNorm is left out"}
        if instead := others.get(getattr(spec.model, "normalization", "")):
            found.append(
                f"{instead}, which mixes the images and so allows no epsilon. It leaks and learns differently: compare "
                "with an undefended run of this network, not of the one with BatchNorm."
            )
    return found


class Expected(NamedTuple):
    """How long an attack may take, judging by earlier runs like it."""

    seconds: float
    runs: int
    """Earlier ones that it is judged by."""
    same_setup: bool
    """Whether those had the same attack with the same settings, so that this is no upper bound."""


def estimate(spec: AuditSpec, store: RunStore) -> str:
    """How long the attack may take, in a sentence."""
    found = expected(spec, earlier(spec, store))
    if found is None:
        return "First run of this kind: no estimate yet."
    how, kind = ("About", "setup") if found.same_setup else ("Up to", "kind")
    return f"{how} {titles.duration(found.seconds)}, judging by {titles.plural(found.runs, 'run')} of this {kind}."


def earlier(spec: AuditSpec, store: RunStore) -> list[Run]:
    """The newest runs of the same attack, model and data set, whatever their settings."""
    return store.runs(
        limit=LIKE_RUNS,
        statuses=(Status.FINISHED, Status.STOPPED),
        attack=spec.attack.name,
        model=spec.model.name,
        dataset=spec.dataset.name,
    )


def expected(spec: AuditSpec, earlier: Sequence[Run]) -> Expected | None:
    """Judged by ``earlier`` runs; None where none of them is like it."""
    same = [run for run in earlier if is_like(run, spec) and not run.is_imported]  # others have other machines
    times = [
        run.progress["elapsed"] for run in same if run.status is Status.FINISHED and run.spec.attack == spec.attack
    ]
    if times:
        return Expected(median(times), len(times), same_setup=True)
    rates = [rate for run in same if (rate := run.progress.get("rate"))]
    if not rates:
        return None
    return Expected(planned_iterations(spec.attack) / median(rates), len(rates), same_setup=False)


def is_like(run: Run, spec: AuditSpec) -> bool:
    """Whether a run had the same model, image size and batch size, and recorded how fast it was."""
    done = run.spec
    if done is None or run.progress is None or done.model != spec.model:
        return False
    if done.images_attacked != spec.images_attacked:
        return False
    return getattr(done.dataset, "size", None) == getattr(spec.dataset, "size", None)
