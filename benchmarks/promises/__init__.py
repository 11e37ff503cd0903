"""What every attack is promised to reach, one module per family."""

from __future__ import annotations

from .promise import Outcome, Promise, carried_out
from .single_images import PROMISES as SINGLE_IMAGES

PROMISES: tuple[Promise, ...] = SINGLE_IMAGES

__all__ = ["PROMISES", "Outcome", "Promise", "carried_out"]
