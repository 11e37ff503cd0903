"""One phase of the defense pipeline: a remedy of the reader's choice, with and without, against two attackers."""

from __future__ import annotations

from concurrent.futures import Future
from functools import partial

import streamlit as st

from gia_core import report, titles
from gia_core.accounting import Epsilon, Release, in_words
from gia_core.aggregation.costs import TITLE
from gia_core.defenses import Defense
from gia_core.defenses.stacking import promise, without_promise
from gia_core.utility.spec import of_audit

from .. import address, compare_start, findings, glossary, images, kinds, utility_beside
from ..counting import answer, counting, follow
from ..tables import table
from ..wipe import Picture, wipe
from . import drawing
from .drawing import Shown
from .measured import Measured, Side, measured
from .page import beside, claim
from .remedies import Phase, Remedy

UNAWARE, AWARE = "does not know", "knows"
WIDTH = 320
"""Pixels of the wipe."""


def draw(phase: Phase) -> None:
    key = f"lesson-phase-{phase.heading[0]}"
    with claim(phase.heading, key=key):
        place = beside(phase.says)
        names = [remedy.name for remedy in phase.remedies]
        chosen = place.pills("Remedy", names, default=names[0], key=f"{key}-remedy", required=True)
        remedy = phase.named(str(chosen))
        st.markdown(f"**{glossary.link(remedy.term, remedy.name)}.** {remedy.what}")
        found = measured(remedy)
        if found is None:
            st.info("Nothing was measured of it here yet: run it, it takes a few minutes.", icon=":material/timer:")
        else:
            with_and_without(remedy, found, key)
        links(remedy, found, key)


def with_and_without(remedy: Remedy, found: Measured, key: str) -> None:
    who = attacker(remedy, found, key)
    shown = found.aware if who == AWARE else found.unaware
    with st.container(horizontal=True, gap="large", key=f"{key}-sides"):
        with st.container(key=f"{key}-told"):
            drawing.strip(pictures(found))
            numbers(remedy, found)
            verdict(shown, who)
            cost(remedy, found)
        with st.container(width=WIDTH, key=f"{key}-wipe"):
            st.markdown("**Before and after**: move the border, also with the arrow keys")
            before_and_after(found.without, shown, key)


def attacker(remedy: Remedy, found: Measured, key: str) -> str:
    """Which of the two attackers the wipe and the verdict are about; at first one of whom something was measured."""
    adaptive = glossary.link("adaptive-attacker", "knows of it")
    both = f"One who does not know **{remedy.unaware}**. One who knows **{remedy.aware}**."
    worth = f"Any defense is only worth what it leaves to an attacker who {adaptive}."
    place = beside(f"{worth} {both if remedy.unaware else f'Here **{remedy.aware}**.'}")
    options = (UNAWARE, AWARE) if remedy.unaware else (AWARE,)
    first = UNAWARE if found.unaware else AWARE
    chosen = place.segmented_control(
        "The attacker", options, default=first, key=f"{key}-{remedy.term}-attacker", required=True
    )
    return str(chosen)


def named(found: Measured) -> dict[str, Side | None]:
    """The three runs by what tells them apart; without those that cannot be."""
    both = {f"With it, attacker {UNAWARE}": found.unaware} if found.trial.unaware is not None else {}
    return {"Without it": found.without, **both, f"With it, attacker {AWARE}": found.aware}


def pictures(found: Measured) -> list[Shown]:
    """What the attacker was after, and what it made of it each time."""
    last = next((side for side in reversed(found.sides) if side.truth), found.without)
    original = [Shown("Original", counted(last), f"Original: {counted(last)}", uri=sprite(last.truth, last))]
    return original + [reconstruction(name, side) for name, side in named(found).items()]


def reconstruction(name: str, side: Side | None) -> Shown:
    if side is None:
        return Shown(name, "not measured here", f"{name}: not measured here", number="—")
    if side.result is None:
        return Shown(name, "nothing to invert", f"{name}: nothing to invert", number="—")
    words = f"PSNR {titles.number(side.score('psnr'), 'psnr')}" + (" at best" if count(side) > 1 else "")
    return Shown(name, words, f"Reconstruction, {name[:1].lower()}{name[1:]}: {words}", uri=sprite(side.result, side))


def count(side: Side) -> int:
    """Images in the sprite."""
    return side.spec.images_attacked


def counted(side: Side) -> str:
    return titles.plural(count(side), "image")


def sprite(png: bytes | None, side: Side) -> str:
    return images.grid(png, count(side)) if png is not None else ""


def before_and_after(without: Side, shown: Side | None, key: str) -> None:
    """Both reconstructions in one place; the original on the left where they were not after the same pictures."""
    if shown is None or shown.result is None or shown.truth is None or without.result is None:
        st.caption("There is no second picture to wipe over the first one.")
        return
    after = Picture("With it", sprite(shown.result, shown), "Reconstruction with the remedy")
    if without.truth == shown.truth:
        before = Picture("Without it", sprite(without.result, without), "Reconstruction without the remedy")
    else:
        before = Picture("Original", sprite(shown.truth, shown), "Original")
    wipe(before, after, key=f"{key}-border")


def numbers(remedy: Remedy, found: Measured) -> None:
    rows = [[name, *([] if side is None else row(side))] for name, side in named(found).items()]
    header = ["", "PSNR", "Blind guess", "SSIM", "Recovered"]
    filled = [[*cells, *["—"] * (len(header) - len(cells))] for cells in rows]
    table(header, filled, caption=f"{remedy.name}: the image that came closest, and how many were recovered")
    setting = found.sides[-1].spec
    attacks = " and ".join(dict.fromkeys(titles.title(type(side.spec.attack)) for side in found.sides))
    parts = f"{attacks} on {titles.title(type(setting.model))} · {titles.title(type(setting.dataset))}"
    recording = glossary.link("recording", "recording")
    source = f"A {recording} that comes with GIA Lab" if found.is_recorded else "Measured here"
    psnr, ssim = glossary.link("psnr", "PSNR"), glossary.link("ssim", "SSIM")
    guess, recovered = glossary.link("blind-guess", "blind guess"), glossary.link("recovered", "recovered")
    st.caption(
        f"{source}: {parts}. {psnr} and {ssim} are of the image that came closest, beside the {guess} for it; "
        f"{recovered} are images that come closer than any such guess, at 19 dB or more."
    )


def row(side: Side) -> list[str]:
    recovered = "—" if side.recovered is None else f"{side.recovered} of {count(side)}"
    psnr, guess, ssim = side.score("psnr"), side.guess, side.score("ssim")
    return [titles.number(psnr, "psnr"), titles.number(guess, "psnr"), titles.number(ssim, "ssim"), recovered]


def verdict(shown: Side | None, who: str) -> None:
    """One sentence on the chosen attacker; whatever it says is about this attack and this budget."""
    if shown is None:
        st.markdown(f"**An attacker who {who} was not tried here yet.**")
        return
    st.markdown(f"**{shown.history.nothing_to_invert or report.verdict(shown.told)}**")


def cost(remedy: Remedy, found: Measured) -> None:
    """What it costs: as far as it needs no measurement, then what was measured."""
    spec = (found.aware or found.unaware or found.without).spec
    st.markdown(f"**Its cost.** {remedy.price}")
    if spec.defenses:
        promised(spec.defenses)
        known = utility_beside.measured(of_audit(spec))
        if known is not None and known.scores:
            st.caption(f":material/balance: {known.scores['sentence']}")
        else:
            st.caption(":material/balance: What it costs in accuracy was not measured here; the page Cost does that.")
    for told in (found.sides[-1].history.started or {}).get("exchange") or ():
        if told["title"] == TITLE:
            findings.shown(told)


def promised(defenses: tuple[Defense, ...]) -> None:
    """The epsilon of these defenses, once it is counted, or why there is none."""
    release = promise(defenses)
    if release is None:
        if reason := without_promise(defenses):
            st.caption(f":material/no_encryption: {reason}")
        return
    asked = counting().epsilon(release)
    follow(partial(in_a_line, release, asked), (asked,), "lesson-epsilon")


def in_a_line(release: Release, asked: Future[Epsilon]) -> None:
    counted = answer(asked)
    words = f"{in_words(release, counted)}." if counted else "epsilon is being counted…"
    st.caption(f":material/lock: {words[:1].upper()}{words[1:]}")


def links(remedy: Remedy, found: Measured | None, key: str) -> None:
    """To everything about these runs, and to runs of one's own."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        ids = list(dict.fromkeys(side.run.id for side in found.sides)) if found else []
        if len(ids) > 1:
            query = {address.COMPARE: ",".join(ids)}
            st.page_link(kinds.COMPARE, label="Compare them", icon=":material/compare:", query_params=query)
        trial = found.trial if found else remedy.trial(remedy.usual)
        if st.button("Run it live", icon=":material/play_arrow:", key=f"{key}-live") and trial is not None:
            started = compare_start.submit([spec for spec in trial if spec is not None])
            if started:
                st.switch_page(kinds.COMPARE, query_params={address.COMPARE: ",".join(started)})
