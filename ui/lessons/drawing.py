"""Numbers → pictures of a lesson, each with its alternative text; every pixel is a square."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import numpy as np
import streamlit as st

from .. import images
from .network import KERNEL, Array, Gradient

COLUMNS = 4
"""Of a grid of kernels."""


class Shown(NamedTuple):
    """A picture, or a number in the place of one."""

    name: str
    words: str
    """One line under the name; may hold Markdown where it is not part of a strip."""
    alt: str
    uri: str = ""
    number: str = ""
    sign: str = ""
    """What stands before it in a strip."""


def picture(values: Array, shape: tuple[int, ...]) -> str:
    """Numbers from 0, black, to 1, white; what is beyond is clipped."""
    levels = np.clip(np.round(values.reshape(shape) * 255), 0, 255).astype(np.uint8)
    return images.uri(images.png(levels))


def signed(values: Array, shape: tuple[int, ...]) -> str:
    """Numbers of both signs: 0 is mid-gray, the largest magnitude black or white."""
    largest = float(np.abs(values).max()) or 1.0
    return picture(0.5 + values / largest / 2, shape)


def kernels(gradient: Gradient, channels: int) -> str:
    """The gradient of a convolution's weights as colored noise: one square for each filter."""
    weights = gradient[0].weights
    largest = float(np.abs(weights).max()) or 1.0
    squares = np.round((0.5 + weights / largest / 2) * 255).astype(np.uint8)
    tiles = squares.reshape(-1, KERNEL, KERNEL, channels)
    return images.uri(images.spaced(tiles))


def strip(parts: Sequence[Shown]) -> None:
    """Pictures and numbers in a row, with signs between them where they have any, as HTML."""
    st.html(f'<div class="gia-strip">{"".join(cell(part) for part in parts)}</div>')


def cell(part: Shown) -> str:
    sign = f'<span class="gia-sign" aria-hidden="true">{escape(part.sign)}</span>' if part.sign else ""
    shown = (
        f'<img src="{part.uri}" alt="{escape(part.alt)}">'
        if part.uri
        else f'<div class="gia-number" role="img" aria-label="{escape(part.alt)}">{escape(part.number)}</div>'
    )
    caption = f"<figcaption><strong>{escape(part.name)}</strong><br>{escape(part.words)}</figcaption>"
    return f"{sign}<figure>{shown}{caption}</figure>"


def row(parts: Sequence[Shown], *, key: str) -> None:
    """Pictures in a row that change in place, without being built anew."""
    with st.container(key=key):
        grid = st.grid(len(parts), min_column_width=120, gap="small")
        for part in parts:
            with grid.cell():
                if part.uri:
                    st.image(part.uri, width="stretch", alt=part.alt)
                else:
                    st.html(f'<div class="gia-number" role="img" aria-label="{escape(part.alt)}">{part.number}</div>')
                st.caption(f"**{part.name}**  \n{part.words}")
