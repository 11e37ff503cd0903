"""Reconstruct a batch by matching its update: the engine that most published attacks only configure.

This package needs torch; the attacks import it when they run.
"""

from __future__ import annotations

from .candidate import ContextPrior, Prior
from .engine import match_updates
from .objective import mismatch
from .recipe import Recipe

__all__ = ["ContextPrior", "Prior", "Recipe", "match_updates", "mismatch"]
