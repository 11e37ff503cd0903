"""What stands around every page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import location, session, sidebar

if TYPE_CHECKING:
    from streamlit.navigation.page import Page

NEEDS_NO_STORE = "Doctor"
ON_STAGE = "Present"
"""Nothing stands around this one."""


def draw(page: Page) -> None:
    """The page beside the sidebar; only the doctor is of use without a store."""
    session.style()
    ready = session.ready()
    with session.explained():
        if ready:
            location.enter_page(page.title)
            if page.title != ON_STAGE:
                sidebar.draw()
        if ready or page.title == NEEDS_NO_STORE:
            page.run()
