"""A batch at a glance: which image came closest, which stayed furthest, and which were not found at all; pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gia_core import titles

from . import images

GRAYS = (127, 128)
"""Mid-gray as eight bits: what an attack leaves where it found nothing."""
BEST, WORST = "▲", "▼"


@dataclass(frozen=True)
class Glance:
    count: int
    best: int | None
    """Of the images that were found, the one closest to its original; None where there is no difference to show."""
    worst: int | None
    """The one furthest from it; None where it is the best one too."""
    missing: tuple[bool, ...]
    """Whether each image is exactly and uniformly mid-gray."""

    @property
    def found(self) -> str:
        """ "12 of 64 found"; empty where nothing is missing, since noise is no finding either."""
        return f"{self.count - sum(self.missing)} of {self.count} found" if any(self.missing) else ""

    @property
    def places(self) -> dict[str, int]:
        """The images to be marked, by their sign."""
        return {sign: i for sign, i in ((BEST, self.best), (WORST, self.worst)) if i is not None}


def glance(sprite: bytes | None, psnr: np.ndarray | None, count: int) -> Glance:
    missing = not_found(sprite, count) if sprite else (False,) * count
    if psnr is None or len(psnr) != count or count == 1:
        return Glance(count, None, None, missing)
    order = [int(i) for i in np.argsort(np.nan_to_num(psnr, nan=-np.inf)) if not missing[i]]
    if len(order) > 1 and psnr[order[0]] == psnr[order[-1]]:  # all of them are perfect: none is furthest
        order = []
    best, worst = (order[-1], order[0]) if order else (None, None)
    return Glance(count, best, worst if worst != best else None, missing)


@lru_cache(maxsize=64)
def not_found(sprite: bytes, count: int) -> tuple[bool, ...]:
    tiles = images.tiles(sprite, count).reshape(count, -1)
    return tuple(bool(gray) for gray in np.isin(tiles[:, 0], GRAYS) & (tiles == tiles[:, :1]).all(axis=1))


def described(at: Glance, psnr: np.ndarray | None) -> str:
    """For those who cannot see the marks; empty where there is nothing to say."""
    names = {BEST: "closest to", WORST: "furthest from"}
    words = [
        f"{names[sign]} its original is image {i + 1} ({titles.number(float(psnr[i]), 'psnr')})"
        for sign, i in at.places.items()
        if psnr is not None
    ]
    return "; ".join([*words, *([at.found] if at.found else [])])


def frames(at: Glance, sprite: bytes) -> str:
    """HTML to lie over the grid of this sprite: a frame with a sign around the best and the worst image."""
    height, width = images.tiles(sprite, at.count).shape[1:3]
    columns = math.ceil(math.sqrt(at.count))
    rows = math.ceil(at.count / columns)
    whole = (columns * (width + images.GAP) - images.GAP, rows * (height + images.GAP) - images.GAP)
    marks = ""
    for sign, i in at.places.items():
        left, top = i % columns * (width + images.GAP), i // columns * (height + images.GAP)
        place = {"left": left / whole[0], "top": top / whole[1], "width": width / whole[0], "height": height / whole[1]}
        style = "; ".join(f"{side}: {share:.3%}" for side, share in place.items())
        kind = "gia-best" if sign == BEST else "gia-worst"
        marks += f'<div class="{kind}" style="{style}"><span>{sign}</span></div>'
    return f'<div class="gia-marks" aria-hidden="true">{marks}</div>'
