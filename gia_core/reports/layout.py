"""Pictures made of pictures and lines of text, one under or beside the other.

The font is the one that Pillow brings along: no machine lacks it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache

from PIL import Image, ImageDraw, ImageFont

PAPER, INK, FAINT = "#ffffff", "#15202b", "#51606f"
SMALLEST = 11
"""Pixels; a line that does not fit at this size ends early."""
HEIGHT = 1.4
"""Of a line, by the size of its letters."""
SPELLED = str.maketrans({"—": "-", "–": "-", "×": "x", "ε": "epsilon", "δ": "delta", "∞": "infinity"})
KNOWN = frozenset("·…“”")
"""All that the font has beyond ASCII, as far as it is used here."""


@cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def plain(text: str) -> str:
    """``text`` in letters that the font has: without accents, and with a question mark for any other script."""
    spelled = "".join(c if c in KNOWN else unicodedata.normalize("NFKD", c) for c in text.translate(SPELLED))
    bare = (c for c in spelled if not unicodedata.combining(c))
    return "".join(c if c in KNOWN or (c.isascii() and c.isprintable()) else "?" for c in bare)


def line(text: str, size: int, width: int, *, color: str = INK) -> Image.Image:
    """One line of ``width`` pixels; letters of ``size`` are made smaller and then fewer until they fit."""
    words, drawn = plain(text), Image.new("RGB", (width, round(HEIGHT * size)), PAPER)
    while size > SMALLEST and font(size).getlength(words) > width:
        size -= 1
    if font(size).getlength(words) > width:
        while words and font(size).getlength(f"{words}…") > width:
            words = words[:-1]
        words += "…"
    ImageDraw.Draw(drawn).text((0, 0), words, fill=color, font=font(size))
    return drawn


def paragraph(text: str, size: int, width: int, *, color: str = INK) -> Image.Image:
    """As many lines of whole words as it takes."""
    lines: list[str] = []
    for word in plain(text).split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font(size).getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return stacked([line(words, size, width, color=color) for words in lines])


def stacked(parts: Sequence[Image.Image], *, gap: int = 0) -> Image.Image:
    """One under the other, all beginning at the left."""
    width, height = max(part.width for part in parts), sum(part.height + gap for part in parts) - gap
    whole, y = Image.new("RGB", (width, height), PAPER), 0
    for part in parts:
        whole.paste(part, (0, y))
        y += part.height + gap
    return whole


def beside(parts: Sequence[Image.Image], *, gap: int = 0) -> Image.Image:
    """One beside the other, all beginning at the top."""
    width, height = sum(part.width + gap for part in parts) - gap, max(part.height for part in parts)
    whole, x = Image.new("RGB", (width, height), PAPER), 0
    for part in parts:
        whole.paste(part, (x, 0))
        x += part.width + gap
    return whole


def framed(part: Image.Image, margin: int) -> Image.Image:
    """With paper on all sides."""
    whole = Image.new("RGB", (part.width + 2 * margin, part.height + 2 * margin), PAPER)
    whole.paste(part, (margin, margin))
    return whole
