"""What a defense costs the model that the clients train: a paired training experiment.

This package's ``spec`` and ``outcome`` work without torch; the others need it.
"""

from __future__ import annotations

from .spec import UtilitySpec

__all__ = ["UtilitySpec"]
