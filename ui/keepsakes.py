"""Pictures of a run to take along, drawn when somebody asks for them."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from gia_core.reports import film
from gia_core.store import Run

from . import session

WARNING = "It may contain recovered personal data."


def draw(run: Run) -> None:
    """The downloads of a run that has shown pictures."""
    about = "The original beside the reconstruction, as an animated PNG for slides and pages"
    download(run, "Animated picture", ":material/animation:", about, film.animated)
    about = "Every image with several moments of its reconstruction, as one PNG for print"
    download(run, "Contact sheet", ":material/photo_library:", about, film.contact_sheet)


def download(run: Run, label: str, icon: str, about: str, drawn: Callable[[film.Film], bytes]) -> None:
    name = label.lower().replace(" ", "-")
    st.download_button(
        label,
        data=lambda: drawn(film.shoot(session.store(), run.id)),
        file_name=f"gia-lab-{run.id}-{name}.png",
        mime="image/png",
        key=f"{name}-{run.id}",
        type="tertiary",
        icon=icon,
        on_click="ignore",
        help=f"{about}. {WARNING}",
    )
