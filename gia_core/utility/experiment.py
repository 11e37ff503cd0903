"""The paired experiment as a story: one training after the other, and at any moment what is known so far."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from ..accounting import POISSON, epsilon, in_words
from ..chronicle import Advanced, Began, Body, Chapter, Ended
from ..defenses import Defense
from ..defenses.stacking import promise
from . import words
from .outcome import ARMS, Arm, Outcome, Trained, left, next_training, result
from .spec import UtilitySpec
from .training import Lap, Material, chance, gather, train

UNIT = {"dp-sgd": "for one image more or less of a client", "user-level-dp": "for one client more or less"}
"""Whom the epsilon of a defense protects."""


def tell(spec: UtilitySpec, *, device: str, home: Path, stopped: Callable[[], bool]) -> Iterator[Chapter]:
    """Began, Advanced after every client's update, Ended. Once ``stopped()``, it ends with what is complete.

    Raises ValueError with a sentence for the user where the spec cannot be carried out.
    """
    if objections := spec.objections(home):
        raise ValueError(objections[0].reason)
    material = gather(spec, home=home, device=device)
    trainings: list[Trained] = []
    guessing = chance(material.reporting)
    yield Began({"chance": guessing, "clients": spec.clients, "images": len(material.clients.images)})
    asked_to_stop = False
    while not asked_to_stop and (chosen := next_training(spec, trainings)) is not None:
        before, count = trainings, len(trainings) + left(spec, trainings)
        known = {"curves": [words.curve(one) for one in before], "rates": rates_so_far(spec, before)}
        for number, now in enumerate(followed(spec, material, *chosen), 1):
            yield advanced(spec, known, now, number, count)
            trainings = [*before, now]
            if asked_to_stop := stopped() and not now.complete:
                break
        asked_to_stop = asked_to_stop or stopped()
    outcome = concluded(spec, material, trainings, guessing)
    every = [words.curve(one) for one in trainings]
    yield Ended(asked_to_stop, {"curves": every, "scores": words.body(spec, outcome)})


def followed(spec: UtilitySpec, material: Material, arm: Arm, rate: float, seed: int) -> Iterator[Trained]:
    """One training as it goes; the last one is complete."""
    defenses = arm_defenses(spec, material, arm)
    last: Lap | None = None
    for lap in train(spec, material, defenses, rate=rate, seed=seed):
        if last is not None:
            yield trained(arm, rate, seed, last)
        last = lap
    assert last is not None  # a training has at least one round
    yield trained(arm, rate, seed, last, complete=True)


def arm_defenses(spec: UtilitySpec, material: Material, arm: Arm) -> tuple[Defense, ...]:
    return spec.at_budget(images=len(material.clients.images)) if arm == "defended" else ()


def trained(arm: Arm, rate: float, seed: int, lap: Lap, *, complete: bool = False) -> Trained:
    rounds = tuple(point.round for point in lap.points)
    choosing, reporting = tuple(p.choosing for p in lap.points), tuple(p.reporting for p in lap.points)
    return Trained(arm, rate, seed, rounds, choosing, reporting, lap.diverged, complete)


def rates_so_far(spec: UtilitySpec, trainings: list[Trained]) -> dict[Arm, float | None]:
    """The best learning rate of each arm; None where none was tried to the end."""
    return {arm: result(spec, arm, trainings).rate for arm in ARMS}


def advanced(spec: UtilitySpec, known: Body, now: Trained, updates: int, count: int) -> Advanced:
    """``known``: from earlier trainings; ``updates``: of clients in this one; ``count``: of trainings in all."""
    each, before = spec.rounds * spec.clients, len(known["curves"])
    body = {
        "training": before + 1,
        "trainings": count,
        "round": min(spec.rounds, -(-updates // spec.clients)),
        "rounds": spec.rounds,
        "arm": now.arm,
        "learning_rate": now.rate,
        "seed": now.seed,
        "rates": known["rates"],
        "curves": [*known["curves"], words.curve(now)],
    }
    done = before * each + (each if now.complete else min(updates, each))
    return Advanced(done, count * each, body)


def concluded(spec: UtilitySpec, material: Material, trainings: list[Trained], guessing: float) -> Outcome:
    arms = {arm: result(spec, arm, trainings) for arm in ARMS}
    return Outcome(arms, guessing, promised(spec, material))


def promised(spec: UtilitySpec, material: Material) -> str | None:
    """Epsilon of this very training for what the server sees of it, in words."""
    defenses = spec.at_budget(images=len(material.clients.images))
    release = promise(defenses)
    if release is None:
        return None
    unit = next(UNIT[defense.name] for defense in defenses if defense.name in UNIT)
    sampling = f" {POISSON}" if release.sample_rate < 1 else ""
    rounds = f"{release.steps:,} rounds at a sample rate of {release.sample_rate:.3g}"
    return f"{in_words(release, epsilon(release))} over {rounds}, {unit}.{sampling}"
