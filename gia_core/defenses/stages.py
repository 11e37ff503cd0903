"""When a defense acts, so that a stack can be checked."""

from __future__ import annotations

from typing import Literal, get_args

Stage = Literal["data", "model", "clip", "noise", "compression", "encryption"]
"""In the order in which a client goes through them; a defense that does several things at once names them all."""
ORDER: tuple[Stage, ...] = get_args(Stage)
