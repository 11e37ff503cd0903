"""The catalog of defenses. To add one: write its file, add its name to the union."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ..types import Update, UpdateRule
from .gaussian_noise import GaussianNoise
from .pruning import Pruning

if TYPE_CHECKING:
    import torch

Defense = Annotated[GaussianNoise | Pruning, Field(discriminator="name")]


def defend(rule: UpdateRule, defenses: tuple[Defense, ...], rng: torch.Generator) -> UpdateRule:
    """Wrap ``rule`` in each defense; the first listed acts first on what the client computed."""
    return reduce(lambda inner, defense: defense.wrap(inner, rng), defenses, rule)


def expectation(defenses: tuple[Defense, ...], observed: Update) -> Callable[[Update], Update]:
    """What an attacker who knows the defenses expects them to leave of an update; the identity if there are none."""
    expects = [defense.expect(observed) for defense in defenses]
    return lambda update: reduce(lambda u, expect: expect(u), expects, update)
