"""Reconstruct a batch by matching its update: the engine that most published attacks only configure.

This package needs torch; the attacks import it when they run.
"""

from __future__ import annotations

from .engine import Prior, Recipe, match_updates, mismatch

__all__ = ["Prior", "Recipe", "match_updates", "mismatch"]
