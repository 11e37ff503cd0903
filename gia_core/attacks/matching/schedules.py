"""How the learning rate changes over an attack, as a factor of the share of iterations that is done."""

from __future__ import annotations

import math
from typing import Literal

Schedule = Literal["constant", "step", "cosine"]


def factor(schedule: Schedule, done: float) -> float:
    """``done`` in [0, 1] to a factor in [0, 1].

    "step" falls to a tenth at 3/8, 5/8 and 7/8 of the iterations (Geiping et al., NeurIPS 2020); "cosine" falls
    smoothly to 0.
    """
    if schedule == "step":
        return float(0.1 ** sum(done > mark for mark in (3 / 8, 5 / 8, 7 / 8)))
    return (1 + math.cos(math.pi * done)) / 2 if schedule == "cosine" else 1.0
