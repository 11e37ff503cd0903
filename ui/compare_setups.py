"""Setups side by side: what they have in common, and what to call each of them; pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gia_core import titles
from gia_core.attacker_card import planned_iterations
from gia_core.setups import ABSENT, KNOWS_DEFENSE, WHOLE, Difference, differences
from gia_core.spec import AuditSpec

LETTERS = "ABCD"
MOST = len(LETTERS)
"""Setups side by side; more do not fit on a screen, and a sweep shows them better."""
METHODS = ("Attack", "Defense", KNOWS_DEFENSE, "Model", "Data set", "Client", "Aggregation")
"""Settings whose values need no label to be understood, the most telling first."""
ENOUGH = 2
"""Differences that a name tells, unless it takes more; the table of differences has them all."""
LONGEST = 40
"""Characters of a name that still fits into a legend."""


class Common(NamedTuple):
    """Whether one of the things that a fair comparison holds fixed is the same in all setups."""

    holds: bool
    words: str


def names(specs: Sequence[AuditSpec | None]) -> list[str]:
    """What to call each setup beside the others: its letter, and what is special about it, in a few words."""
    known = [spec for spec in specs if spec is not None]
    told = iter(described(known))
    found = ["another version" if spec is None else shortened(next(told)) for spec in specs]
    return [f"{letter} · {name}" for letter, name in zip(LETTERS, found, strict=False)]


def described(specs: Sequence[AuditSpec]) -> list[str]:
    """By the most telling differences, and as many more as it takes to tell the setups apart."""
    rows = telling(differences(specs))
    tried = [in_few_words(specs, rows[:most]) for most in range(ENOUGH, max(ENOUGH, len(rows)) + 1)]
    return next((names for names in tried if len(set(names)) == len(specs)), tried[0])


def in_few_words(specs: Sequence[AuditSpec], rows: Sequence[Difference]) -> list[str]:
    """What these differences say of each setup; the attack where they say nothing."""
    found = [", ".join(filter(None, (phrase(row, i) for row in rows))) for i in range(len(specs))]
    return [words or titles.title(type(spec.attack)) for words, spec in zip(found, specs, strict=True)]


def telling(rows: Sequence[Difference]) -> list[Difference]:
    """Differences that a name can hold: methods first; fields only of a method that all have, and not which images."""
    labels = {row.label for row in rows}
    own = [row for row in rows if row.label.rpartition(": ")[0] not in {*labels, WHOLE["victim"]}]
    return sorted(own, key=lambda row: METHODS.index(row.label) if row.label in METHODS else len(METHODS))


def phrase(row: Difference, index: int) -> str:
    """One difference as a part of a name: methods speak for themselves, numbers do not."""
    words = row.words[index]
    owner, _, name = row.label.rpartition(": ")
    if words == ABSENT:
        return ""
    if row.label == KNOWS_DEFENSE:
        return f"{'adaptive' if words == 'yes' else 'naive'} attacker"
    if row.label == "Defense":
        return "no defense" if words == "none" else words
    if row.label in METHODS:
        return words
    name = name if name.isupper() else name[:1].lower() + name[1:]
    if owner == WHOLE["knowledge"] and words in ("yes", "no"):
        return f"{name} {'known' if words == 'yes' else 'unknown'}"
    return f"{name} {words}"


def shortened(name: str) -> str:
    return name if len(name) <= LONGEST else name[: LONGEST - 1].rstrip(" ,") + "…"


def same_batch(specs: Sequence[AuditSpec]) -> bool:
    """Whether all setups draw the same private images."""
    return len({(s.dataset, s.victim, s.batch_size, s.images_attacked, s.seed) for s in specs}) == 1


def in_common(specs: Sequence[AuditSpec], *, same_pictures: bool | None) -> list[Common]:
    """Batch, seed and budget; ``same_pictures`` tells whether the private images proved equal, None as long as they
    are not there to be compared."""
    seeds = [spec.seed for spec in specs]
    budgets = [planned_iterations(spec.attack) for spec in specs]
    return [
        batch(specs, same_pictures),
        Common(True, f"same seed ({seeds[0]})") if len(set(seeds)) == 1 else Common(False, f"seeds: {listed(seeds)}"),
        budget(budgets),
    ]


def batch(specs: Sequence[AuditSpec], same_pictures: bool | None) -> Common:
    if same_pictures:
        return Common(True, "same batch, compared pixel by pixel")
    if same_pictures is None and same_batch(specs):
        return Common(True, "same batch")
    sizes = {spec.batch_size for spec in specs}
    nested = len(sizes) > 1 and same_batch([spec.model_copy(update={"batch_size": 1}) for spec in specs])
    return Common(
        False, "batches of different sizes, the larger begin with the smaller" if nested else "different batches"
    )


def budget(budgets: Sequence[int]) -> Common:
    searching = [most for most in budgets if most > 1]
    if len(set(budgets)) == 1:
        return Common(True, "same budget, " + (titles.plural(budgets[0], "iteration") if searching else "one step"))
    if len(set(searching)) == 1:
        words = f"same budget, {titles.plural(searching[0], 'iteration')}; what is computed in one step needs none"
        return Common(True, words)
    return Common(False, f"budgets: {listed(budgets)} iterations")


def listed(numbers: Sequence[int]) -> str:
    words = [f"{number:,}" for number in numbers]
    return f"{', '.join(words[:-1])} and {words[-1]}"
