"""What all pages share: the settings, the store, the runner's liveness and which run is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import streamlit as st

from gia_core.settings import Settings
from gia_core.store import Run, RunStore, StoreError

from .keeper import Keeper

ASSETS = Path(__file__).parent.parent / "assets"
RUN = "run"
"""Where a session keeps the id of the run that it looks at."""


class SettingsError(Exception):
    """A variable of the environment is not what it should be; the message says which."""


@st.cache_resource(show_spinner=False)
def settings() -> Settings:
    try:
        return Settings.from_environment()
    except ValueError as error:
        raise SettingsError(str(error)) from error


@st.cache_resource(show_spinner=False)
def store() -> RunStore:
    chosen = settings()
    return RunStore(chosen.store_url, home=chosen.home)


@st.cache_resource(show_spinner=False)
def keeper() -> Keeper:
    return Keeper(store(), log=settings().home / "runner.log")


@contextmanager
def explained() -> Iterator[None]:
    """Show what is wrong with the store or the settings in one sentence; a fragment tries again at its next turn."""
    try:
        yield
    except (StoreError, SettingsError) as error:
        st.error(str(error), icon=":material/database_off:")


def ready() -> bool:
    """Whether the settings can be read and the store be opened; says why where not."""
    with explained():
        keeper()
        return True
    return False


def store_or_reason() -> RunStore | StoreError:
    """The store, or why there is none."""
    try:
        return store()
    except StoreError as error:
        return error


def selected_run() -> Run | None:
    """The run that this session looks at; None where there is none, or none any more."""
    run_id = st.session_state.get(RUN)
    try:
        return store().run(run_id) if run_id else None
    except KeyError:
        return None


def select_run(run_id: str | None) -> None:
    st.session_state[RUN] = run_id


def style() -> None:
    st.html(ASSETS / "style.css")
