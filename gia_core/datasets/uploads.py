"""From files a browser sent to pictures that are safe to keep: checked, stripped of metadata, made small."""

from __future__ import annotations

import base64
import io
import re
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .pictures import UNREADABLE, square, upright
from .upload import LARGEST_SIDE, LONGEST_NAME, MOST_PICTURES, Picture

if TYPE_CHECKING:
    from PIL import Image

MOST_BYTES = 10_000_000
MOST_PIXELS = 4_000_000
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


def decode_all(files: Sequence[tuple[str, bytes]], *, size: int) -> tuple[Picture, ...]:
    """Pictures of ``size`` pixels from (name, content) pairs, with names made unique.

    All or nothing: raises ValueError with one sentence about the first file that is not acceptable.
    """
    if len(files) > MOST_PICTURES:
        raise ValueError(f"{len(files)} pictures are too many; choose at most {MOST_PICTURES}.")
    pictures: list[Picture] = []
    for name, content in files:
        picture = decode(name, content, size=size)
        pictures.append(picture.model_copy(update={"name": unused(picture.name, {p.name for p in pictures})}))
    return tuple(pictures)


def decode(name: str, content: bytes, *, size: int) -> Picture:
    """The central square of one PNG, JPEG or WebP file as a PNG of ``size`` x ``size`` pixels without metadata.

    Raises ValueError with one sentence, in which the file's name has lost all that a page could mistake for markup.
    """
    if size > LARGEST_SIDE:
        raise ValueError(f"Pictures are kept at {LARGEST_SIDE} pixels at most.")
    if not content:
        raise ValueError(f'"{label(name)}" is empty; choose another file.')
    if len(content) > MOST_BYTES:
        raise ValueError(f'"{label(name)}" is larger than 10 MB; make it smaller first.')
    with header(name, content) as image:
        refuse_other_than_one_picture(name, image)
        cleaned = square(decoded(name, image), size)
    png = io.BytesIO()
    cleaned.save(png, "PNG", optimize=True)
    return Picture(name=label(name), png=base64.b64encode(png.getvalue()).decode("ascii"))


def header(name: str, content: bytes) -> Image.Image:
    """The file opened but not decoded yet; the content decides what it is, not the ending."""
    from PIL import Image

    try:
        return Image.open(io.BytesIO(content), formats=tuple(set(FORMATS.values())))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(too_many_pixels(name)) from error
    except UNREADABLE as error:
        raise ValueError(f'"{label(name)}" is not a PNG, JPEG or WebP picture, or is damaged.') from error


def refuse_other_than_one_picture(name: str, image: Image.Image) -> None:
    """Raises ValueError for what the header gives away: a wrong ending, too many pixels, several frames."""
    if image.width * image.height > MOST_PIXELS:
        raise ValueError(too_many_pixels(name))
    # Phones append a preview to a JPEG, which makes it an MPO; its first frame is the photograph.
    ending = "".join(name.rpartition(".")[1:]).lower()
    found = "JPEG" if image.format == "MPO" else image.format
    if FORMATS.get(ending) != found:
        raise ValueError(f'"{label(name)}" is a {found} inside, which its ending does not say; rename or convert it.')
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        raise ValueError(f'"{label(name)}" is animated; choose a picture with a single frame.')


def too_many_pixels(name: str) -> str:
    return f'"{label(name)}" has more than 4 million pixels; make it smaller first.'


def decoded(name: str, image: Image.Image) -> Image.Image:
    """All pixels of the file, and nothing of it but its pixels."""
    try:
        return upright(image)
    except UNREADABLE as error:
        raise ValueError(f'"{label(name)}" is damaged or incomplete; choose another file.') from error


def label(name: str) -> str:
    """A file's name without folders, ending and all but letters, digits, spaces, - and _; at most 40 characters."""
    file = unicodedata.normalize("NFC", re.split(r"[/\\]", name)[-1])
    kept = re.sub(r"[^\w-]+", " ", file.rpartition(".")[0] or file).strip(" -")[:LONGEST_NAME].strip()
    return kept or "picture"


def unused(name: str, taken: set[str]) -> str:
    """``name``, numbered if it is among ``taken``."""
    candidates = (f"{name[: LONGEST_NAME - 3]} {number}" for number in range(2, MOST_PICTURES + 2))
    return name if name not in taken else next(candidate for candidate in candidates if candidate not in taken)
