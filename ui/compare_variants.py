"""From one setup to two, three or four that differ in exactly what was chosen to vary; pure.

Whatever is varied, the batch, the seed and the budget stay those of the setup, as far as what is varied leaves them: a
larger batch begins with the images of the smaller one, and an attack that is computed in one step needs no budget.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import ValidationError

from gia_core import titles
from gia_core.attacker_card import planned_iterations
from gia_core.attacks.inversion import InStages
from gia_core.component import Component
from gia_core.spec import MAX_BATCH, AuditSpec

from .compare_protection import trio
from .forms import bounds

PROTECTION, ATTACK, DEFENSE, STRENGTH, BATCH, MODEL = (
    "protection",
    "attack",
    "defense",
    "strength",
    "batch_size",
    "model",
)
WAYS = {
    PROTECTION: "the defense, naive and adaptive",
    ATTACK: "the attack",
    DEFENSE: "the defense",
    STRENGTH: "the strength of the defense",
    BATCH: "the batch size",
    MODEL: "the model",
}
"""What may vary, as the end of "Vary …"."""


def ways(spec: AuditSpec) -> list[str]:
    """Those of ``WAYS`` that this setup has something to vary for."""
    return [way for way in WAYS if spec.defenses or way not in (PROTECTION, STRENGTH)]


def protections(spec: AuditSpec) -> tuple[AuditSpec, ...]:
    """Without the defense, against an attacker who does not know it, and against one who does."""
    return tuple(trio(spec))


def attacks(spec: AuditSpec, kinds: Sequence[type[Component]], budget: int) -> tuple[AuditSpec, ...]:
    """One setup for each kind of attack, with ``budget`` iterations for everything that searches.

    Raises ValueError, one sentence, where an attack cannot have this budget.
    """
    own = [spec.attack if isinstance(spec.attack, kind) else kind() for kind in kinds]
    return tuple(spec.model_copy(update={"attack": with_budget(attack, budget)}) for attack in own)


def with_budget(attack: Component, budget: int) -> Component:
    """The same attack with so many iterations in all its restarts; one that searches nothing stays as it is."""
    if planned_iterations(attack) in (1, budget):
        return attack
    restarts = getattr(attack, "restarts", 1)
    restarts = restarts if budget % restarts == 0 else 1
    if isinstance(attack, InStages):
        changes: dict[str, Any] = attack.shared_out(budget)
    elif "iterations" in type(attack).model_fields:
        changes = {"iterations": budget // restarts}
        changes |= {"restarts": restarts} if hasattr(attack, "restarts") else {}
    else:
        changes = {name: with_budget(part, budget) for name, part in attack if isinstance(part, Component)}
    try:
        return type(attack).model_validate(dict(attack) | changes)
    except ValidationError:
        raise ValueError(f"{titles.title(type(attack))} cannot make {budget:,} iterations.") from None


def largest_budget(spec: AuditSpec, kinds: Sequence[type[Component]]) -> int:
    """What the most demanding of these attacks takes by default, so that none is cut short."""
    own = [spec.attack if isinstance(spec.attack, kind) else kind() for kind in kinds]
    return max([planned_iterations(attack) for attack in own], default=1)


def defended(spec: AuditSpec, kinds: Sequence[type[Component] | None]) -> tuple[AuditSpec, ...]:
    """One setup for each defense, alone; None stands for no defense at all."""
    held: dict[type, Component] = {type(defense): defense for defense in spec.defenses}
    chosen = [() if kind is None else (held.get(kind) or kind(),) for kind in kinds]
    return tuple(spec.model_copy(update={"defenses": defenses}) for defenses in chosen)


def strengths(spec: AuditSpec) -> dict[tuple[int, str], str]:
    """Every number of every defense, by the defense's place and the field, with what to call it."""
    return {
        (place, name): f"{titles.title(type(defense))}: {titles.label(name).lower()}"
        for place, defense in enumerate(spec.defenses)
        for name, value in defense
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def stronger(spec: AuditSpec, place: int, name: str, values: Sequence[float]) -> tuple[AuditSpec, ...]:
    """One setup for each value. Raises ValueError, one sentence, where the defense cannot have it."""
    return tuple(spec.model_copy(update={"defenses": replaced(spec, place, name, value)}) for value in values)


def replaced(spec: AuditSpec, place: int, name: str, value: float) -> tuple[Component, ...]:
    defense = spec.defenses[place]
    try:
        changed = type(defense).model_validate(dict(defense) | {name: as_wanted(value)})
    except ValidationError as error:
        label = f"{titles.title(type(defense))}: {titles.label(name).lower()}"
        reason = error.errors()[0]["msg"].removeprefix("Value error, ").removeprefix("Input ")
        raise ValueError(f"{label} {value:g} is not possible; it {reason}.") from None
    return (*spec.defenses[:place], changed, *spec.defenses[place + 1 :])


def as_wanted(value: float) -> float:
    """A whole number stays one, for the fields that take no other."""
    return int(value) if float(value).is_integer() else value


def usual_strengths(spec: AuditSpec, place: int, name: str) -> list[float]:
    """Something to begin with: what the setup has, something weaker and something stronger, as far as allowed."""
    field = type(spec.defenses[place]).model_fields[name]
    now, highest = float(getattr(spec.defenses[place], name)), bounds(field)[1]
    tried = (now / 2, now, now * 2 if highest is None else (now + highest) / 2)
    values = (round(value) if field.annotation is int else float(f"{value:.3g}") for value in tried)
    return [value for value in dict.fromkeys(values) if is_possible(spec, place, name, value)]


def is_possible(spec: AuditSpec, place: int, name: str, value: float) -> bool:
    try:
        replaced(spec, place, name, value)
    except ValueError:
        return False
    return True


def batches(spec: AuditSpec, sizes: Sequence[int]) -> tuple[AuditSpec, ...]:
    """One setup for each size. Raises ValueError, one sentence, where a batch cannot have it."""
    if wrong := [size for size in sizes if not 1 <= size <= MAX_BATCH]:
        raise ValueError(f"A batch cannot have {wrong[0]:,} images; it has 1 to {MAX_BATCH}.")
    return tuple(spec.model_copy(update={"batch_size": size}) for size in sizes)


def models(spec: AuditSpec, kinds: Sequence[type[Component]]) -> tuple[AuditSpec, ...]:
    own = [spec.model if isinstance(spec.model, kind) else kind() for kind in kinds]
    return tuple(spec.model_copy(update={"model": model}) for model in own)


def numbers(text: str) -> Iterator[float]:
    """Numbers with commas or spaces between them. Raises ValueError, one sentence, for anything else."""
    for part in text.replace(",", " ").split():
        try:
            yield float(part)
        except ValueError:
            raise ValueError("Write numbers with commas between them, for example 0.5, 0.9, 0.99.") from None
