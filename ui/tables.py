"""Small tables as HTML: read by screen readers cell by cell, and drawn without importing pandas."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

import streamlit as st


def table(
    header: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    caption: str,
    prose: bool = False,
    numeric: Sequence[bool] = (),
) -> None:
    """Numbers on the right, or ``prose`` on the left; ``caption`` says what it holds, for those who cannot see it.

    Where columns differ, ``numeric`` tells which of them hold numbers.
    """
    sides = [' class="gia-text"' if numeric and not numeric[i] else "" for i in range(len(header))]
    head = "".join(f'<th scope="col"{side}>{escape(name)}</th>' for name, side in zip(header, sides, strict=True))
    body = "".join(f"<tr>{''.join(map(cell, row, sides, range(len(row))))}</tr>" for row in rows)
    kind = "gia-table gia-prose" if prose else "gia-table"
    st.html(
        f'<div class="{kind}" tabindex="0" role="region" aria-label="{escape(caption)}">'
        f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def cell(value: object, side: str, index: int) -> str:
    """A cell; what stands between backticks is a command."""
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(str(value)))
    return f"<td{side}>{text}</td>" if index else f'<th scope="row"{side}>{text}</th>'
