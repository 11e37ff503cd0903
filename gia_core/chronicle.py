"""The events of every run that is no audit, and of audits with nothing to invert: each brings along what is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor

Body: TypeAlias = dict[str, Any]
"""JSON, where numbers may be not finite and lists tuples; without ``kind``, ``elapsed`` and what fields say."""


@dataclass(frozen=True)
class Began:
    """What is known before the first step."""

    body: Body


@dataclass(frozen=True)
class Advanced:
    """One step; of many in a short time only the latest is kept."""

    iteration: int
    iterations: int
    """How many there will be if nobody stops it."""
    body: Body
    images: Tensor | None = None
    """(B, C, H, W) in [0, 1], what there is to see at this step."""


@dataclass(frozen=True)
class Ended:
    """The result, whether it was reached or the run was stopped with what it had."""

    stopped: bool
    body: Body = field(default_factory=dict)
    images: Tensor | None = None


Chapter: TypeAlias = Began | Advanced | Ended
