"""What the user of a report decides about it."""

from __future__ import annotations

from enum import StrEnum


class Pictures(StrEnum):
    """What becomes of the pictures, which may show people."""

    SHOW = "show"
    BLUR = "blur"
    LEAVE_OUT = "leave-out"
