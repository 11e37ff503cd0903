"""The recorded runs that come with GIA Lab: what they show, and how they get into a store. Nothing here needs torch.

A recording is a bundle, as ``report`` writes and ``import`` reads it. Its content decides the id that its run has in
every store, so it is taken in once, and known for a recording wherever it is shown.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import statistics
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from .. import bundle, report
from ..store import RunStore, StoreError
from .card import Card

FOLDER = Path(__file__).parent.parent.parent / "assets" / "gallery"
ACROSS = 3
"""Images in a row and a column of a card's picture at most."""


class MissingError(ValueError):
    """A recording cannot be played; the message says what to do about it."""


@dataclass(frozen=True)
class Figures:
    """What a recorded run came to, in words that fit into a sentence. Scores are means over the batch."""

    psnr: str
    highest: str
    """PSNR of the image that came closest."""
    guess: str
    """PSNR of the best blind guess for each image."""
    recovered: int
    images: int
    iterations: str
    took: str


@dataclass(frozen=True)
class Recording:
    """One recorded run, without its frames."""

    run_id: str
    """The id that it has in every store."""
    figures: Figures
    scores: Mapping[str, Any]
    """Per-image lists, as ``run --json`` prints them."""
    original: bytes
    """PNG of the private images, the first ``ACROSS`` rows and columns of a large batch."""
    result: bytes
    """The same of the reconstruction."""
    frames: int
    recorded_at: float
    """Seconds since the epoch."""
    made_with: Mapping[str, Any]
    """Versions and device, as ``provenance`` tells them."""
    size: int
    """Bytes of the file."""


def recording(file: str, folder: Path | None = None) -> Recording:
    """Raises MissingError where the file is absent or damaged; ``folder``: another one than that of those shipped."""
    try:
        return _recording((folder or FOLDER) / file)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise MissingError(
            f"The recording {file} is missing or damaged; to make it anew: python -m gia_core gallery record"
        ) from error


@cache
def _recording(path: Path) -> Recording:
    content = path.read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        manifest, told = (json.loads(archive.read(name)) for name in (report.MANIFEST, "scores.json"))
        last = max(map(int, manifest["frames"]))
        pictures = [archive.read(name) for name in ("truth.png", f"frames/{last}.png")]
    images = len(told["scores"]["psnr"])
    original, result = (thumbnail(picture, images) for picture in pictures)
    return Recording(
        run_id=hashlib.sha256(content).hexdigest()[:16],
        figures=figures(told),
        scores=told["scores"],
        original=original,
        result=result,
        frames=len(manifest["frames"]),
        recorded_at=manifest["started_at"],
        made_with=told["provenance"],
        size=len(content),
    )


def figures(told: Mapping[str, Any]) -> Figures:
    """Of what ``run --json`` prints of a run that reconstructed images."""
    psnr = told["scores"]["psnr"]
    guesses = [guess for guess in report.best_guesses(dict(told)) if guess is not None]
    return Figures(
        psnr=report.decibels(statistics.fmean(psnr)),
        highest=report.decibels(max(psnr)),
        guess=report.decibels(statistics.fmean(guesses) if guesses else None),
        recovered=sum(report.recovered(dict(told))),
        images=len(psnr),
        iterations=f"{told['iterations']:,}",
        took=f"{told['seconds']:.0f} s" if told["seconds"] >= 1 else "less than a second",
    )


def thumbnail(sprite: bytes, images: int) -> bytes:
    """The sprite of a batch, cut to its first ``ACROSS`` rows and columns."""
    from PIL import Image

    columns = math.ceil(math.sqrt(images))
    rows = math.ceil(images / columns)
    if columns <= ACROSS:
        return sprite
    with Image.open(io.BytesIO(sprite), formats=["PNG"]) as grid:
        width, height = grid.width // columns, grid.height // rows
        file = io.BytesIO()
        grid.crop((0, 0, ACROSS * width, min(ACROSS, rows) * height)).save(file, "PNG", optimize=True)
    return file.getvalue()


def told(card: Card) -> tuple[str, str]:
    """The card's answer and its condition, with the figures of its recorded runs in them. Raises MissingError."""
    found = [recording(file).figures for file in card.files]
    return card.answer.format(*found), card.condition.format(*found)


def run_ids(card: Card) -> tuple[str, ...]:
    """The ids that the card's runs have in every store. Raises MissingError."""
    return tuple(recording(file).run_id for file in card.files)


def take_in(card: Card, store: RunStore) -> tuple[str, ...]:
    """Put the card's runs into ``store``, as far as they are not there yet, and return their ids.

    Raises MissingError, and StoreError where the store cannot be written.
    """
    return tuple(take_in_one(file, store) for file in card.files)


def take_in_one(file: str, store: RunStore, folder: Path | None = None) -> str:
    run_id = recording(file, folder).run_id
    if not is_in(store, run_id):
        taken = bundle.read(((folder or FOLDER) / file).read_bytes())
        try:
            store.adopt(taken.spec, taken.left, run_id=run_id)
        except StoreError:
            if not is_in(store, run_id):  # else somebody else has opened the same card meanwhile
                raise
    return run_id


def is_in(store: RunStore, run_id: str) -> bool:
    try:
        store.run(run_id)
    except KeyError:
        return False
    return True
