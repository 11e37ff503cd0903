"""An outcome in words and as the store keeps it; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .outcome import ARMS, LEARNED, Arm, ArmResult, Outcome, Trained, spread
from .spec import UtilitySpec


def body(spec: UtilitySpec, outcome: Outcome) -> dict[str, Any]:
    """What a run keeps as its result; accuracies are shares, costs too."""
    return {
        "arms": {arm: arm_body(found) for arm, found in outcome.arms.items()},
        "chance": outcome.chance,
        "costs": outcome.costs,
        "cost": outcome.cost,
        "cost_spread": spread(outcome.costs),
        "epsilon": outcome.epsilon,
        "sentence": sentence(spec, outcome),
        "notes": list(notes(outcome)),
    }


def arm_body(found: ArmResult) -> dict[str, Any]:
    return {
        "learning_rate": found.rate,
        "accuracies": found.accuracies,
        "accuracy": found.mean,
        "spread": found.spread,
        "out": found.out,
    }


def curve(one: Trained) -> dict[str, Any]:
    """A training as the live view draws it."""
    return {
        "arm": one.arm,
        "learning_rate": one.rate,
        "seed": one.seed,
        "rounds": one.rounds,
        "accuracy": one.reporting,
        "diverged": one.diverged,
        "complete": one.complete,
    }


def names(spec: UtilitySpec) -> str:
    """For example "clipping + gaussian-noise"."""
    return " + ".join(defense.name for defense in spec.defenses)


def sentence(spec: UtilitySpec, outcome: Outcome) -> str:
    """The answer, or why there is none."""
    what, arms = names(spec), outcome.arms
    for arm in ARMS:
        if arms[arm].out and arms[arm].rate is None:
            return all_diverged(what, arm, arms[arm].out)
    if outcome.cost is None:
        return "Stopped before both arms were trained to the end once: there is nothing to compare."
    without, defended = (share(arms[arm].mean) for arm in ARMS)
    if not outcome.learned:
        return (
            f"The undefended network did not learn at this budget: its accuracy is {without}, and always guessing the "
            f"most frequent class gives {share(outcome.chance)}. So what {what} costs cannot be told; give it more "
            "rounds, other learning rates or another network."
        )
    around = around_in_words(outcome.costs)
    compared = f"{defended} instead of {without}"
    where = f"on {spec.dataset.name} at this budget, relative to undefended at the same budget"
    if within_spread(outcome.costs):
        return (
            f"A cost of {what} cannot be told from chance: the accuracy is {compared}, a difference of "
            f"{points(-outcome.cost)} {around}, {where}."
        )
    verb = "costs" if outcome.cost > 0 else "adds"
    return f"{what} {verb} {points(abs(outcome.cost))} of accuracy {around}: {compared}, {where}."


def all_diverged(what: str, arm: Arm, rates: Sequence[float]) -> str:
    tried = ", ".join(f"{rate:g}" for rate in rates)
    which = f"With {what} the" if arm == "defended" else "The undefended"
    return f"{which} training diverged at every learning rate that was tried ({tried}); try smaller ones."


def within_spread(costs: Sequence[float]) -> bool:
    """Whether the mean of the paired differences is no larger than their standard deviation."""
    mean, around = sum(costs) / len(costs), spread(costs)
    return mean == 0 or (around is not None and abs(mean) <= around)


def around_in_words(costs: Sequence[float]) -> str:
    around = spread(costs)
    return (
        "(one seed, so its spread is unknown)" if around is None else f"(± {100 * around:.1f} over {len(costs)} seeds)"
    )


def notes(outcome: Outcome) -> Iterator[str]:
    """What else one has to know to read the answer."""
    for arm, found in outcome.arms.items():
        if found.out and found.rate is not None:
            rates = ", ".join(f"{rate:g}" for rate in found.out)
            yield f"The {arm} training diverged at the learning rate {rates}, which is out."
        if found.at_the_edge:
            yield (
                f"The best learning rate of the {arm} training, {found.rate:g}, is at the end of those that were "
                "tried: one beyond it may be better."
            )
    defended = outcome.arms["defended"].mean
    if outcome.learned and defended is not None and defended <= outcome.chance + LEARNED:
        yield "The defended network did not learn anything at this budget."
    if outcome.epsilon:
        yield f"For exactly this training: {outcome.epsilon}"


def points(value: float) -> str:
    """A difference of shares: "4.2 points"."""
    return f"{100 * value:.1f} points"


def share(value: float | None) -> str:
    return "—" if value is None else f"{100 * value:.1f} %"
