"""Sprites → pictures inside a report: as they are, blurred beyond recognition, or left out."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image, ImageChops

from .. import titles
from .choice import Pictures
from .subject import Subject

SHOWN = {1: 8, 4: 4}
"""How many images of each run are shown, where there are at most so many runs."""
SHOWN_OF_MANY = 2
EDGES = {1: 224, 4: 128}
"""Longest edge in pixels, by the number of runs: the file has to stay small enough to be mailed."""
EDGE_OF_MANY = 64
BLURRED = 4
"""Edge in pixels of what is left of a blurred picture: averages over large squares, which nothing undoes."""


@dataclass(frozen=True)
class Picture:
    """One picture of a row."""

    caption: str
    alt: str
    uri: str


@dataclass(frozen=True)
class Row:
    """One image of the batch: the original, what was made of it, and a guess that looks at no update."""

    title: str
    pictures: tuple[Picture, ...]


def rows(subject: Subject, runs: int, choice: Pictures) -> list[Row]:
    """The images that came closest, and the one that stayed furthest; none where there are none, or none wanted.

    ``runs``: how many the report is about.
    """
    if choice is Pictures.LEAVE_OUT or subject.truth is None or subject.reconstruction is None or not subject.count:
        return []
    originals, found = (list(tiles(sprite, subject.count)) for sprite in (subject.truth, subject.reconstruction))
    edge, order = limit(EDGES, runs, EDGE_OF_MANY), subject.order
    most = limit(SHOWN, runs, SHOWN_OF_MANY)
    chosen = order if len(order) <= most else [*order[: most - 1], order[-1]]
    return [row(subject, index, originals[index], found[index], edge, choice) for index in chosen]


def limit(by_runs: dict[int, int], runs: int, otherwise: int) -> int:
    return next((value for most, value in by_runs.items() if runs <= most), otherwise)


def row(subject: Subject, index: int, original: Image.Image, found: Image.Image, edge: int, choice: Pictures) -> Row:
    number = f"image {index + 1}"
    guess = (subject.found["baselines"] or {}).get("mean-color") or {}
    reached, guessed = (scores.get("psnr") or [None] * subject.count for scores in (subject.scores, guess))
    shown = [
        ("Original", original, "never seen by the attack"),
        ("Reconstruction", found, titles.number(reached[index], "psnr")),
        ("Difference", ImageChops.difference(original, found), "black where equal"),
        ("Blind guess", mean_color(original), f"mean color, {titles.number(guessed[index], 'psnr')}"),
    ]
    if choice is Pictures.BLUR:
        shown = [one for one in shown if one[0] != "Difference"]  # it would show the outlines
    note = ", blurred" if choice is Pictures.BLUR else ""
    pictures = (
        Picture(f"{name}: {words}", f"{name} of {number}{note}: {words}", uri(prepared(image, edge, choice)))
        for name, image, words in shown
    )
    label = subject.label(index)
    return Row(f"Image {index + 1}" + (f", class {label}" if label else ""), tuple(pictures))


def tiles(sprite: bytes, count: int) -> Iterator[Image.Image]:
    """The images of a sprite: ceil(sqrt(count)) columns, filled row by row."""
    with Image.open(io.BytesIO(sprite), formats=["PNG"]) as opened:
        grid = opened.convert("RGB")
    columns = math.ceil(math.sqrt(count))
    width, height = grid.width // columns, grid.height // math.ceil(count / columns)
    for index in range(count):
        left, top = index % columns * width, index // columns * height
        yield grid.crop((left, top, left + width, top + height))


def mean_color(image: Image.Image) -> Image.Image:
    return image.resize((1, 1), Image.Resampling.BOX).resize(image.size)


def prepared(image: Image.Image, edge: int, choice: Pictures) -> Image.Image:
    if choice is Pictures.BLUR:
        return image.resize((BLURRED, BLURRED), Image.Resampling.BOX)
    if max(image.size) > edge:
        image = image.copy()
        image.thumbnail((edge, edge), Image.Resampling.LANCZOS)
    return image


def uri(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
