"""Small tables as HTML: read by screen readers cell by cell, and drawn without importing pandas."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

import streamlit as st


def table(header: Sequence[str], rows: Iterable[Sequence[object]], *, caption: str, prose: bool = False) -> None:
    """Numbers on the right, or ``prose`` on the left; ``caption`` says what it holds, for those who cannot see it."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    body = "".join(f"<tr>{''.join(cell(value, first=i == 0) for i, value in enumerate(row))}</tr>" for row in rows)
    kind = "gia-table gia-prose" if prose else "gia-table"
    st.html(
        f'<div class="{kind}" tabindex="0" role="region" aria-label="{escape(caption)}">'
        f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def cell(value: object, *, first: bool) -> str:
    """A cell; what stands between backticks is a command."""
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(str(value)))
    return f'<th scope="row">{text}</th>' if first else f"<td>{text}</td>"
