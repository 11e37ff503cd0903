"""The address of the page is its state: which run is shown, and the setup beside it.

A link, a refresh and the browser's back and forward buttons arrive as a query string that this session did not write.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import PurePath
from urllib.parse import urlencode, urlsplit, urlunsplit

import streamlit as st

from gia_core.gallery import CARDS
from gia_core.spec import AuditSpec
from gia_core.store import Run

from . import address, forms, kinds, session

SEED = "seed"
"""The setup that was last loaded; the widgets show it until they are changed."""
DRAFT = "draft"
"""The setup that the form described when it was last drawn."""
NOTICE = "notice"
"""One sentence about a link that could not be read."""
WRITTEN = "address written"
WRITTEN_AT = "address written at"
PAGE = "page"
SETTLED = 1.5
"""Seconds after which the browser has taken over an address; a click that it sends before still carries the old one."""


def enter_page(name: str) -> None:
    """Note which page is drawn; Streamlit drops the query string when a page is chosen from the menu."""
    if st.session_state.get(PAGE) != name:
        st.session_state[PAGE] = name
        st.session_state.pop(WRITTEN, None)


def arrive() -> None:
    """Load what the address says, where it is not what this session wrote itself."""
    query = st.query_params.to_dict()
    if address.COMPARE in query:
        st.switch_page(kinds.COMPARE, query_params={address.COMPARE: query[address.COMPARE]})
    if address.SWEEP in query:
        st.switch_page(kinds.SWEEP, query_params={address.SWEEP: query[address.SWEEP]})
    if address.PRESENT in query:
        st.switch_page(kinds.PRESENT, query_params={name: query[name] for name in query if name != address.PRESENT})
    if SEED in st.session_state and st.session_state.get(WRITTEN) is None and not query:
        return_to_draft()
        return
    if not is_own(query):
        visit(query)


def is_own(query: Mapping[str, str]) -> bool:
    """Whether this session wrote the address itself, or has just done so and the browser is about to follow."""
    known = st.session_state.get(WRITTEN)
    return known is not None and (query == known or time.monotonic() - st.session_state[WRITTEN_AT] < SETTLED)


def return_to_draft() -> None:
    """Back from another page, where Streamlit has forgotten what the widgets of this one held."""
    st.session_state[SEED] = st.session_state.get(DRAFT) or st.session_state[SEED]


def visit(query: Mapping[str, str]) -> None:
    session.select_run(query.get(address.RUN))
    st.session_state.pop(NOTICE, None)
    try:
        spec = address.from_query(query)
    except ValueError as error:
        st.session_state[NOTICE] = str(error)
        spec = None
    load(spec or implied())


def load(spec: AuditSpec) -> None:
    """Let the form show ``spec``."""
    st.session_state[SEED] = st.session_state[DRAFT] = spec
    forms.forget()


def implied() -> AuditSpec:
    """The setup that an address without one means: the run's own, else that of the first question."""
    run = session.selected_run()
    return run.spec if run is not None and run.spec is not None else CARDS[0].specs[0]


def write(spec: AuditSpec | None) -> None:
    """Put the run and the setup into the address, the latter only where the run does not imply it."""
    run_id = st.session_state.get(session.RUN)
    query = {address.RUN: run_id} if run_id else {}
    if spec is not None and spec != implied():
        query |= address.to_query(spec)
    put(query)


def put(query: dict[str, str]) -> None:
    """Let the address of the page say this."""
    if query != st.query_params.to_dict():
        st.query_params.from_dict(query)
        st.session_state[WRITTEN_AT] = time.monotonic()
    st.session_state[WRITTEN] = query
    st.session_state.setdefault(WRITTEN_AT, 0.0)


def link(spec: AuditSpec) -> str:
    """The whole address of a setup."""
    return absolute("/", address.to_query(spec))


def link_to(run: Run) -> str:
    """The whole address of a run."""
    page = kinds.page_of(run)
    return absolute("/" if page == kinds.LAB else f"/{PurePath(page).stem}", {address.RUN: run.id})


def absolute(path: str, query: Mapping[str, str]) -> str:
    here = urlsplit(st.context.url or "http://127.0.0.1:8501")
    return urlunsplit((here.scheme, here.netloc, path, urlencode(query, safe=","), ""))
