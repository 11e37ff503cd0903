"""Checks that a client runs on every model it receives, and on its own update before it sends that."""

from __future__ import annotations

from .findings import RefusedError
from .verification import Verification

__all__ = ["RefusedError", "Verification"]
