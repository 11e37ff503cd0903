"""What to know before Start: what the attacker is granted, how long it may take, what to be careful about."""

from __future__ import annotations

from statistics import median
from typing import get_args

from gia_core.clients import LocalTraining
from gia_core.component import Component
from gia_core.defenses.stacking import promise
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
    "dead_models": "the power to send all other clients a dead model",
    "colluding_clients": "what other clients know",
}
"""Fields of ``Knowledge`` as noun phrases."""
LIKE_RUNS = 20
"""Earlier runs that an estimate looks at."""


def granted(spec: AuditSpec) -> list[str]:
    """What the attacker knows, one phrase each."""
    batch = titles.plural(spec.images_attacked, "private image")
    known = [
        f"the model with all its weights{' in every round' if spec.rounds > 1 else ''}",
        sent(spec),
        f"that {'each comes' if not spec.left else 'it comes' if spec.rounds == 1 else 'they come'} from {batch}",
        "how many classes there are",
    ]
    for name, value in spec.knowledge:
        if value is True:
            known.append(in_words(name))
        elif isinstance(value, int) and value:
            known.append(f"{in_words(name)} ({value} of {spec.clients - 1})")
        elif isinstance(value, str) and value != "none" and matters(name, spec):
            known.append(f"{in_words(name)} ({value})")
    if hasattr(spec.attack, "prior"):
        known.append("a prior: a generator that has learned what pictures of some kind look like")
    return known


def sent(spec: AuditSpec) -> str:
    """What comes from the clients, once or again and again, as far as the server can read it."""
    kind = titles.title(type(spec.client))
    often = "" if spec.rounds == 1 else f" in {spec.rounds:,} rounds"
    if spec.clients == 1 and spec.left:
        what = "update that the client sends" if spec.rounds == 1 else "updates that the client sends"
        return f"the {what}{often} ({kind})"
    by = f"{kind}, {titles.title(type(spec.aggregation))}"
    if not spec.left:
        return f"encrypted or masked updates of {spec.clients} clients{often}, and no key to them ({by})"
    if len(spec.left) > 1:
        return f"the sum of the updates of {len(spec.left)} clients{often} ({by})"
    if spec.aggregation.sees == "updates":
        return f"the update of one of {spec.clients} clients{often}: each is sent in the open ({kind})"
    return f"the update of one of {spec.clients} clients{often}, singled out ({by})"


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
        case "dead_models" | "colluding_clients":
            return spec.clients > 1 and spec.aggregation.sees != "updates"
        case "batch_norm":
            return getattr(spec.model, "normalization", None) == "batch"
    return True


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
    if done is None or run.progress is None or done.model != spec.model:
        return False
    if done.images_attacked != spec.images_attacked:
        return False
    return getattr(done.dataset, "size", None) == getattr(spec.dataset, "size", None)


def planned_iterations(attack: Component) -> int:
    """If no trial ends early; closed forms take one, an attack that leaves the search to another as many as that."""
    own = int(getattr(attack, "iterations", 1) * getattr(attack, "restarts", 1))
    return max([own, *(planned_iterations(part) for _, part in attack if isinstance(part, Component))])
