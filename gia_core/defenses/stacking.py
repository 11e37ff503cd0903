"""Which defenses may stand together, in which order and around what, and what they promise; pure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from .clipping import Clipping
from .dp_sgd import DPSGD
from .stages import ORDER, Stage
from .user_level_dp import UserLevelDP

if TYPE_CHECKING:
    from ..accounting import Release
    from . import Defense

TOO_LATE: dict[tuple[Stage, Stage], str] = {
    ("noise", "clip"): "a bound that is set after the noise bounds the noise, not what the data add",
    ("compression", "noise"): "what was selected or rounded before the noise shows what it was made from",
    ("noise", "model"): "what is chosen by looking at the images must not come after the noise that hides them",
}
"""Why something of the first stage may not come before something of the second."""


def promise(defenses: tuple[Defense, ...]) -> Release | None:
    """What epsilon depends on; None where nothing is promised, as by noise without clipping or clipping alone."""
    return next((defense.release() for defense in defenses if isinstance(defense, DPSGD | UserLevelDP)), None)


def without_promise(defenses: tuple[Defense, ...]) -> str | None:
    """Why there is no epsilon, in a sentence; None where there is one, or where nothing looks as if there were."""
    if promise(defenses) is not None:
        return None
    clips, noises = ([d.name for d in defenses if stage in getattr(d, "stages", ())] for stage in ("clip", "noise"))
    if clips and noises:
        return (
            f"No epsilon: {clips[0]} and {noises[0]} do not say how often and with which chance this client takes "
            "part. Take user-level-dp, which does the same and says it."
        )
    if noises:
        return (
            f"No epsilon: {noises[0]} is not differential privacy, because nothing bounds how much one image changes "
            "what it is added to. dp-sgd and user-level-dp clip first."
        )
    if clips:
        return f"No epsilon: {clips[0]} adds no noise, so whatever is sent still tells one image from another."
    return None


def objections(defenses: tuple[Defense, ...], *, client: str, normalization: str | None, rounds: int) -> Iterator[str]:
    """Every reason why these defenses, in this order, are not what they say they are; one sentence each.

    ``client`` is the name of the client's rule, ``normalization`` what the model uses, if it has a choice.
    """
    private = [defense for defense in defenses if isinstance(defense, DPSGD | UserLevelDP)]
    names = " and ".join(defense.name for defense in private)
    if len(private) > 1:
        yield f"{names} each clip and add noise of their own, and epsilon counts one mechanism: keep one of them."
    elif private and any(isinstance(defense, Clipping) for defense in defenses):
        yield f"{names} clips by itself: leave clipping out."
    else:
        yield from disorder(defenses)
    if private and normalization == "batch":
        yield (
            f"{names} needs a network in which no image changes what is computed from another, and whose statistics do "
            "not travel beside the update: set the model's normalization to group, which makes it another network."
        )
    if any(isinstance(defense, DPSGD) for defense in private) and client != "fedsgd":
        yield "dp-sgd clips the gradient of each image: choose a client of kind fedsgd, or take user-level-dp."
    for defense in private:
        if rounds > defense.steps:
            yield f"The attacker watches {rounds} rounds, but {defense.name} counts {defense.steps}: raise its steps."


def thin_noise(defenses: tuple[Defense, ...], together: int) -> Iterator[str]:
    """Where epsilon counts the noise of more clients than there are in the sum that can be read, ``together``."""
    for defense in defenses:
        if isinstance(defense, UserLevelDP) and defense.clients > together:
            seen = "a single update" if together == 1 else f"a sum of {together} updates"
            yield (
                f"user-level-dp counts the noise of {defense.clients} clients, but what the server is left with is "
                f"{seen}: set its clients to {together}, or let an aggregation hide as many updates in one sum."
            )


def disorder(defenses: tuple[Defense, ...]) -> Iterator[str]:
    """What to swap; a defense that names no stages may stand anywhere."""
    placed: list[tuple[str, tuple[Stage, ...]]] = [(d.name, getattr(d, "stages", ())) for d in defenses]
    for (first, earlier), (second, later) in pairwise(one for one in placed if one[1]):
        if ORDER.index(earlier[-1]) > ORDER.index(later[0]):
            why = TOO_LATE.get((earlier[-1], later[0]), f"{later[0]} comes before {earlier[-1]}")
            yield f"{second} has to act before {first}, since {why}: swap them."
