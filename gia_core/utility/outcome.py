"""What came out of the trainings of an experiment: the rates that were chosen, the accuracies, the cost; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Literal, TypeAlias, get_args

from .spec import UtilitySpec

Arm: TypeAlias = Literal["undefended", "defended"]
ARMS: tuple[Arm, ...] = get_args(Arm)
LAST = 3
"""Evaluations whose mean is the result of a training: a single one, or the best one, would be luck."""
LEARNED = 0.05
"""Above chance by that much, a network has learned something."""


@dataclass(frozen=True)
class Trained:
    """One training, over or under way."""

    arm: Arm
    rate: float
    seed: int
    rounds: tuple[int, ...] = ()
    """After which it was evaluated."""
    choosing: tuple[float, ...] = ()
    """Accuracy on the images that choose the learning rate."""
    reporting: tuple[float, ...] = ()
    """Accuracy on the others."""
    diverged: bool = False
    complete: bool = False

    @property
    def accuracy(self) -> float:
        """What is reported of a complete one."""
        return fmean(self.reporting[-LAST:])

    @property
    def merit(self) -> float:
        """What the learning rate is chosen by."""
        return fmean(self.choosing[-LAST:])


@dataclass(frozen=True)
class ArmResult:
    """What one arm came to."""

    rate: float | None
    """The learning rate that was chosen; None where all diverged, or none was tried to the end."""
    accuracies: tuple[float, ...]
    """At this rate, one per seed, the first seeds first."""
    out: tuple[float, ...]
    """Learning rates at which a training diverged."""
    at_the_edge: bool
    """Whether the chosen rate is the smallest or the largest that was tried, so that others might be better."""

    @property
    def mean(self) -> float | None:
        return fmean(self.accuracies) if self.accuracies else None

    @property
    def spread(self) -> float | None:
        """Standard deviation over the seeds; None for fewer than two."""
        return spread(self.accuracies)


@dataclass(frozen=True)
class Outcome:
    """The answer, as far as it is known."""

    arms: dict[Arm, ArmResult]
    chance: float
    """Accuracy of who always guesses the most frequent class."""
    epsilon: str | None
    """What the defense promises for exactly this training, in words; None where it promises nothing."""

    @property
    def costs(self) -> tuple[float, ...]:
        """Undefended minus defended, one per seed that both were trained with."""
        both = (self.arms[arm].accuracies for arm in ARMS)
        return tuple(without - defended for without, defended in zip(*both, strict=False))

    @property
    def cost(self) -> float | None:
        return fmean(self.costs) if self.costs else None

    @property
    def learned(self) -> bool | None:
        """Whether the undefended network learned anything; None where it was not trained to the end."""
        mean = self.arms["undefended"].mean
        return None if mean is None else mean > self.chance + LEARNED


def spread(values: Sequence[float]) -> float | None:
    return stdev(values) if len(values) > 1 else None


def seeds(spec: UtilitySpec) -> range:
    return range(spec.seed, spec.seed + spec.seeds)


def result(spec: UtilitySpec, arm: Arm, trainings: Iterable[Trained]) -> ArmResult:
    """Of the complete trainings of this arm."""
    mine = [one for one in trainings if one.arm == arm and one.complete]
    rate = best_rate(spec, mine)
    at_rate = {one.seed: one.accuracy for one in mine if one.rate == rate}
    rates = sorted(set(spec.learning_rates))
    return ArmResult(
        rate=rate,
        accuracies=tuple(at_rate[seed] for seed in seeds(spec) if seed in at_rate),
        out=tuple(sorted({one.rate for one in mine if one.diverged})),
        at_the_edge=len(rates) > 1 and rate in (rates[0], rates[-1]),
    )


def best_rate(spec: UtilitySpec, mine: Iterable[Trained]) -> float | None:
    """The best with the first seed of those at which no training diverged; the smaller one where two are equal."""
    mine = list(mine)
    out = {one.rate for one in mine if one.diverged}
    tried = sorted((one for one in mine if one.seed == spec.seed and one.rate not in out), key=lambda one: one.rate)
    return max(tried, key=lambda one: one.merit).rate if tried else None


def next_training(spec: UtilitySpec, trainings: Sequence[Trained]) -> tuple[Arm, float, int] | None:
    """Arm, learning rate and seed of what to train next; None where all is done.

    First every learning rate with the first seed, then the best one with the others, both arms in turn. Where a rate
    turns out to diverge with another seed, it is out, and the next best takes its place.
    """
    return next(iter(untried(spec, trainings) or unrepeated(spec, trainings)), None)


def left(spec: UtilitySpec, trainings: Sequence[Trained]) -> int:
    """How many trainings are to come, if no rate diverges that is good with the first seed."""
    if unknown := untried(spec, trainings):
        return len(unknown) + len(ARMS) * (spec.seeds - 1)
    return len(unrepeated(spec, trainings))


def untried(spec: UtilitySpec, trainings: Iterable[Trained]) -> list[tuple[Arm, float, int]]:
    """Learning rates that are to be tried with the first seed."""
    done = complete(trainings)
    tried = [(arm, rate, spec.seed) for arm in ARMS for rate in dict.fromkeys(spec.learning_rates)]
    return [one for one in tried if one not in done]


def unrepeated(spec: UtilitySpec, trainings: Sequence[Trained]) -> list[tuple[Arm, float, int]]:
    """What the best rates are to be trained with beside the first seed."""
    done = complete(trainings)
    rates = {arm: result(spec, arm, trainings).rate for arm in ARMS}
    repeated = [(arm, rate, seed) for seed in seeds(spec)[1:] for arm, rate in rates.items() if rate is not None]
    return [one for one in repeated if one not in done]


def complete(trainings: Iterable[Trained]) -> set[tuple[Arm, float, int]]:
    return {(one.arm, one.rate, one.seed) for one in trainings if one.complete}
