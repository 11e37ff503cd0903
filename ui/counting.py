"""Questions to the accountant that no page waits for: it answers in the background, and the page looks again."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

import streamlit as st

from gia_core.accounting import Accountant, Epsilon, Release

KEPT = 500
"""Questions whose answers are remembered."""
AT_ONCE = 0.05
"""Seconds that a page waits for an answer, which is enough for most; more would be felt."""
EVERY = 0.2
"""Seconds between two looks for one that took longer."""
SETTLED = 3.0
"""Seconds after which a browser has drawn a page."""

Answer = TypeVar("Answer")


class Counting:
    """One accountant for all sessions. Its process begins with the first question."""

    def __init__(self) -> None:
        self._accountant = Accountant()
        self._thread = ThreadPoolExecutor(1, "accountant")
        self._asked: dict[tuple[Any, ...], Future[Any]] = {}

    def rdp(self, release: Release) -> Future[float]:
        return self._ask("rdp", release)

    def epsilon(self, release: Release) -> Future[Epsilon]:
        return self._ask("epsilon", release)

    def noise_for(self, wanted: float, release: Release) -> Future[float]:
        """For every noise multiplier that ``release`` may have, the same question."""
        return self._ask("noise_for", wanted, release._replace(noise_multiplier=0.0))

    def close(self) -> None:
        """End it without waiting for what was not begun."""
        self._thread.shutdown(cancel_futures=True)
        self._accountant.close()

    def _ask(self, name: str, *about: Any) -> Future[Any]:
        question = (name, *about)
        known = self._asked.get(question)
        if known is None or known.cancelled():
            known = self._asked[question] = self._thread.submit(getattr(self._accountant, name), *about)
            while len(self._asked) > KEPT:
                del self._asked[next(iter(self._asked))]
        return known


@st.cache_resource(show_spinner=False, on_release=Counting.close)
def counting() -> Counting:
    return Counting()


def answer(future: Future[Answer]) -> Answer | None:
    """None while it is not there; raises ValueError with a sentence where there is none."""
    return future.result() if is_there(future) else None


def is_there(future: Future[Any]) -> bool:
    return future.done() and not future.cancelled()


def follow(draw: Callable[[], None], asked: tuple[Future[Any], ...], key: str) -> None:
    """Draw what depends on answers, which get a moment first; draw it again until none is missing.

    What was asked under ``key`` at an earlier turn and is not asked now, such as the epsilon of a number that has been
    changed since, is not counted any more if it was not begun.
    """
    before, _ = st.session_state.get(key, ((), None))
    for old in before:
        if old not in asked:
            old.cancel()
    st.session_state[key] = asked, None
    missing = wait(asked, timeout=AT_ONCE).not_done
    st.fragment(look, run_every=EVERY if missing else None)(draw, asked, key)


def look(draw: Callable[[], None], asked: tuple[Future[Any], ...], key: str) -> None:
    """One turn. Only a new drawing of the whole page ends the turns.

    It has to wait until the browser shows the page: of two drawings in quick succession it takes in only the later one,
    in which no input carries its value any more.
    """
    draw()
    if not all(future.done() for future in asked):
        return
    _, since = st.session_state[key]
    if since is None:
        st.session_state[key] = asked, time.monotonic()
    elif time.monotonic() - since > SETTLED:
        st.rerun()
