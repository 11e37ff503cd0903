"""What the defenses promise: epsilon beside the noise control, the noise for a wanted epsilon, or why there is none."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager, suppress
from functools import partial

import streamlit as st

from gia_core.accounting import POISSON, Epsilon, Release, in_words, reconstruction_bound
from gia_core.component import Component
from gia_core.defenses import Defense
from gia_core.defenses.stacking import promise, without_promise
from gia_core.titles import plural

from .counting import answer, counting, follow
from .forms import PREFIX, seeded

WANTED = f"{PREFIX}wanted_epsilon"
USUAL = 3.0
"""The epsilon that is asked for until another one is."""
WEAK = 10.0
"""Above this epsilon the page says that it promises little."""
CANDIDATES = 10
"""Among how many images an attacker is to find the right one."""
COUNTING = "counting…"
"""In place of a number that is not there yet."""
NOT_COUNTED = "—"
PATIENCE = 10.0
"""Seconds that a click on the noise for a wanted epsilon waits for it."""
EITHER = "Epsilon bounds what the server can learn. RDP and PRV are two ways to count it; the smaller one holds."
PRV_LIMIT = "PRV is usually tighter. It is not counted where epsilon is so large that it promises nothing."
WANTED_HELP = (
    "The other way round: the noise multiplier with which epsilon, by RDP, is at most this. Sample rate, steps and "
    "delta stay as they are."
)


def summary(defenses: tuple[Defense, ...], *, holds: bool) -> None:
    """One line under the list of defenses: the epsilon of all of them together, or why there is none.

    ``holds`` is whether nothing speaks against these defenses in this setup; what does stands there already.
    """
    release = promise(defenses)
    if release is None:
        if reason := without_promise(defenses):
            st.caption(f":material/no_encryption: {reason}")
    elif holds:
        asked = (counting().rdp(release), counting().epsilon(release))
        follow(partial(in_a_line, release, *asked), asked, "counted")


def in_a_line(release: Release, rdp: Future[float], both: Future[Epsilon]) -> None:
    """What is known of the epsilon by now."""
    with refused():
        counted, first = answer(both), answer(rdp)
        words = f"epsilon: {COUNTING}" if first is None else in_words(release, counted or Epsilon(first, None))
        st.caption(f":material/lock: {words[:1].upper()}{words[1:]}. Noise, steps and delta are under Advanced.")


def beside(defense: Component | None, path: str, *, holds: bool) -> None:
    """Under the fields of a defense that clips and adds noise, drawn below ``path``: what they amount to."""
    if defense is None or not hasattr(defense, "release"):
        return
    release: Release = defense.release()
    place = f"{path}.{defense.name}"
    with st.container(border=True, key=f"promise-{defense.name}", gap="small"):
        if not holds:
            st.caption("No epsilon: what is counted would not hold, for the reason given under the defenses.")
            return
        seeded(WANTED, USUAL)
        noise = counting().noise_for(st.session_state[WANTED], release)
        asked = (counting().rdp(release), counting().epsilon(release), noise)
        follow(partial(in_full, release, defense.protects, *asked), asked, f"counted.{place}")
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            st.number_input(
                "Wanted epsilon", 0.01, 1000.0, step=0.5, format="%g", key=WANTED, width=130, help=WANTED_HELP
            )
            st.button("Set this noise", key=f"take.{place}", on_click=take_over, args=(place, noise))


def in_full(release: Release, protects: str, rdp: Future[float], both: Future[Epsilon], noise: Future[float]) -> None:
    """Both bounds side by side, what they mean and assume, and the noise for another one."""
    with refused():
        first, counted = answer(rdp), answer(both)
        left, right = st.columns(2)
        left.metric("Epsilon, by RDP", shown(first), help=f"{EITHER} RDP is the older and the quicker one.")
        prv = counted.prv if counted else None
        missing = COUNTING if counted is None else NOT_COUNTED
        right.metric("Epsilon, by PRV", missing if prv is None else shown(prv), help=f"{EITHER} {PRV_LIMIT}")
        for sentence in explained(release, protects, first if prv is None or first is None else min(first, prv)):
            st.caption(sentence)
    with refused():
        found = answer(noise)
        words = COUNTING if found is None else f"a noise multiplier of {rounded_up(found):g}"
        st.caption(f"**The other way round:** the wanted epsilon takes {words}.")


@contextmanager
def refused() -> Iterator[None]:
    """Say why there is no answer."""
    try:
        yield
    except ValueError as error:
        st.caption(str(error))


def shown(value: float | None) -> str:
    if value is None:
        return COUNTING
    return "∞" if math.isinf(value) else f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def explained(release: Release, protects: str, epsilon: float | None) -> Iterator[str]:
    """What the number means and what it assumes, in plain words, one paragraph each."""
    delta = f"{release.delta:g}".replace("e-0", "e-")
    if epsilon is not None and math.isinf(epsilon):
        yield "Without noise nothing is promised."
    elif epsilon is not None:
        little = f" An epsilon above {WEAK:g} promises little." if epsilon > WEAK else ""
        yield (
            f"**It means:** whether one {protects} took part or not makes anything that the server can see at most "
            f"{factor(epsilon)} times as likely (e to the power of epsilon), but for a chance of delta, {delta}."
            f"{little}"
        )
        if (chance := reconstruction_bound(release, CANDIDATES)) < 0.995:
            yield (
                f"Who knows everything but one {protects}, and that it is one of {CANDIDATES} that are equally likely, "
                f"names the right one with a chance of at most {chance:.0%}."
            )
    part = f"every {protects} takes part with a chance of {release.sample_rate:.3g}"
    if release.sample_rate == 1:
        part = f"every {protects} takes part"
    steps = f"{plural(release.steps, 'step')}, in {'each of which' if release.steps > 1 else 'which'} {part}"
    sampled = f" {POISSON}" if release.sample_rate < 1 else ""
    yield f"**It assumes:** {steps}. Sample rate, steps and delta are set above; a change counts anew.{sampled}"


def factor(epsilon: float) -> str:
    """e to that power with two or three digits, "astronomically many" where nobody could read it."""
    return f"{math.exp(epsilon):.2f}" if epsilon < 2 else f"{math.exp(epsilon):,.0f}" if epsilon < 20 else "countless"


def take_over(place: str, noise: Future[float]) -> None:
    """Set the noise that was found; where none was, the page says so already."""
    with suppress(ValueError, TimeoutError, CancelledError):
        st.session_state[f"{place}.noise_multiplier"] = rounded_up(noise.result(timeout=PATIENCE))


def rounded_up(noise: float) -> float:
    """To four digits, up: less noise would exceed the wanted epsilon."""
    step = 10.0 ** (math.floor(math.log10(noise)) - 3)
    return float(f"{math.ceil(noise / step) * step:.4g}")
