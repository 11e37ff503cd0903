"""What to know before Start: what the attacker is granted, how long it may take, what to be careful about."""

from __future__ import annotations

from statistics import median
from typing import get_args

from gia_core.clients import LocalTraining
from gia_core.component import Component
from gia_core.spec import AuditSpec
from gia_core.store import Run, RunStore, Status

from . import titles

IN_WORDS = {
    "labels": "the label of every image",
    "local_training": "how the client trains locally",
    "defense": "which defense the client uses",
    "batch_norm": "the statistics in the BatchNorm layers",
    "public_data": "other images of the same kind",
    "malicious_server": "the power to change the model that it sends",
}
"""Fields of ``Knowledge`` as noun phrases."""
LIKE_RUNS = 20
"""Earlier runs that an estimate looks at."""


def granted(spec: AuditSpec) -> list[str]:
    """What the attacker knows, one phrase each."""
    batch = titles.plural(spec.batch_size, "private image")
    known = [
        f"the model with all its weights{' in every round' if spec.rounds > 1 else ''}",
        sent(spec),
        f"that {'it comes' if spec.rounds == 1 else 'they come'} from {batch}",
        "how many classes there are",
    ]
    for name, value in spec.knowledge:
        if value is True:
            known.append(in_words(name))
        elif isinstance(value, str) and value != "none" and matters(name, spec):
            known.append(f"{in_words(name)} ({value})")
    return known


def sent(spec: AuditSpec) -> str:
    """What comes from the client, once or again and again."""
    kind = titles.title(type(spec.client))
    if spec.rounds == 1:
        return f"the update that the client sends ({kind})"
    return f"the updates that the client sends in {spec.rounds:,} rounds ({kind})"


def withheld(spec: AuditSpec) -> list[str]:
    """What the attacker has to do without."""
    missing = ["the images"]
    for name, value in spec.knowledge:
        if value in (False, "none") and matters(name, spec):
            missing.append(in_words(name))
    return missing


def in_words(name: str) -> str:
    """A field of ``Knowledge`` as a noun phrase."""
    return IN_WORDS.get(name, titles.label(name).lower())


def matters(name: str, spec: AuditSpec) -> bool:
    """Whether there is anything in this setup that the attacker could know of."""
    match name:
        case "local_training":
            return any(spec.client.believed(known) != spec.client for known in get_args(LocalTraining))
        case "defense":
            return bool(spec.defenses)
        case "batch_norm":
            return getattr(spec.model, "normalization", None) == "batch"
    return True


def cautions(spec: AuditSpec) -> list[str]:
    """Choices that change the model, or how easily it gives its data away, one sentence each."""
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
    if epochs := getattr(model, "training", 0):
        found.append(f"The model is trained for {titles.plural(epochs, 'epoch')} first; a trained model leaks less.")
    for defense in spec.defenses:
        if getattr(defense, "changes_network", False):
            title = titles.title(type(defense))
            found.append(f"{title} puts layers into the network: everyone uses another network than without it.")
    return found


def estimate(spec: AuditSpec, store: RunStore) -> str:
    """How long the attack may take, judging by earlier runs like it."""
    earlier = store.runs(
        limit=LIKE_RUNS,
        statuses=(Status.FINISHED, Status.STOPPED),
        attack=spec.attack.name,
        model=spec.model.name,
        dataset=spec.dataset.name,
    )
    same = [run for run in earlier if is_like(run, spec)]
    times = [
        run.progress["elapsed"] for run in same if run.status is Status.FINISHED and run.spec.attack == spec.attack
    ]
    if times:
        return f"About {titles.duration(median(times))}, judging by {titles.plural(len(times), 'run')} of this setup."
    rates = [rate for run in same if (rate := run.progress.get("rate"))]
    if not rates:
        return "First run of this kind: no estimate yet."
    seconds = planned_iterations(spec.attack) / median(rates)
    return f"Up to {titles.duration(seconds)}, judging by {titles.plural(len(rates), 'run')} of this kind."


def is_like(run: Run, spec: AuditSpec) -> bool:
    """Whether a run had the same model, image size and batch size, and recorded how fast it was."""
    done = run.spec
    if done is None or run.progress is None or done.model != spec.model or done.batch_size != spec.batch_size:
        return False
    return getattr(done.dataset, "size", None) == getattr(spec.dataset, "size", None)


def planned_iterations(attack: Component) -> int:
    """If no trial ends early; closed forms take one, an attack that leaves the search to another as many as that."""
    own = int(getattr(attack, "iterations", 1) * getattr(attack, "restarts", 1))
    return max([own, *(planned_iterations(part) for _, part in attack if isinstance(part, Component))])
