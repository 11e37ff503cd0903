"""The user's own pictures: from the browser into the setup, without ever being stored as they came."""

from __future__ import annotations

from typing import Any

import streamlit as st

from gia_core import titles
from gia_core.component import Component
from gia_core.datasets.upload import MOST_PICTURES, Picture
from gia_core.datasets.uploads import FORMATS, decode_all

from . import images
from .forms import PREFIX, Problems

FIELD = "pictures"
MEGABYTES = 10


def draw(kind: type[Component], seed: Component, problems: Problems) -> dict[str, Any] | None:
    """The pictures for a data set that is made of them: to be ``given`` to its form; None where there are none yet."""
    if FIELD not in kind.model_fields:
        return {}
    files = st.file_uploader(
        "Your pictures",
        type=[ending.removeprefix(".") for ending in FORMATS],
        accept_multiple_files=True,
        max_upload_size=MEGABYTES,
        key=f"{PREFIX}{FIELD}",
        help=f"Up to {MOST_PICTURES} pictures. The central square of each is kept, made small and without metadata.",
    )
    st.caption("Use only pictures that you may use. They stay on this machine and are deleted with the run.")
    pictures = decoded(files, kind, problems) if files else getattr(seed, FIELD, ())
    if not pictures:
        problems.sentences.append("Add at least one picture.")
        return None
    with st.container(horizontal=True, key="uploaded", gap="small"):
        for picture in pictures:
            st.image(images.PNG_URI + picture.png, width=56, alt=f"Original: {picture.name}")
    st.caption(titles.plural(len(pictures), "picture") + " ready")
    return {FIELD: pictures}


def decoded(files: list[Any], kind: type[Component], problems: Problems) -> tuple[Picture, ...]:
    """All of them or none: the first one that cannot be taken is named."""
    name, default = kind.model_fields["name"].default, kind.model_fields["size"].default
    size = st.session_state.get(f"{PREFIX}dataset.{name}.size", default)
    try:
        return decode_all([(file.name, file.getvalue()) for file in files], size=size)
    except ValueError as error:
        problems.sentences.append(str(error))
        return ()
