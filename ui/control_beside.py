"""Beside what a generator painted: what it paints without the update, so that nobody takes that for a leak, and how
much of it needs a generator that has learned such pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import streamlit as st

from gia_core import titles
from gia_core.control import control_of, out_of_domain
from gia_core.spec import AuditSpec
from gia_core.store import Run, Status, StoreError

from . import address, comparison, glossary, kinds, session
from .families import GENERATIVE, family
from .tables import table

SEARCHED = 50
"""Newest runs of the same attack, data and network that are looked through."""
WHY = (
    "A generator paints plausible pictures whatever it is shown, so a picture that looks right is no proof of a leak. "
    "The **control** is the same attack on random numbers of the same size in place of the update, by an attacker who "
    "is told the classes: only what comes closer than that was in the update. A second control repeats the attack on "
    "the **negatives** of the same pictures, white for black, which the generator has never learned."
)
SMALL = 1.0
"""Decibels that two runs of the same thing easily differ by."""


def without_update(real: float, random: float) -> str:
    """What the difference to the run on random numbers says; both are mean PSNRs in decibels."""
    if (gain := real - random) < SMALL:
        return (
            f"With the update the pictures are {abs(gain):.1f} dB {'closer' if gain > 0 else 'less close'} than "
            "without it, which is no more than chance makes: the generator paints pictures that close by itself. "
            "Nothing here shows a leak, and nothing shows that there is none."
        )
    return (
        f"**The update brings the pictures {gain:.1f} dB closer** than the same attack comes without it. One control "
        "is one throw of the dice: repeat both with other seeds."
    )


def unknown_kind(real: float, negative: float) -> str:
    """What the difference to the run on negatives says."""
    if (gain := real - negative) < SMALL:
        return (
            f"On negatives it comes {abs(gain):.1f} dB {'less close' if gain > 0 else 'closer'}, which is no more than "
            "chance makes: the attack does not lean on what its generator has learned."
        )
    return (
        f"**On negatives it comes {gain:.1f} dB less close:** that much it owes to knowing this kind of picture, and "
        "would lack against pictures of another kind."
    )


class Check(NamedTuple):
    """A control, and how the page speaks of it."""

    key: str
    """As in ``AuditSpec.control``."""
    of: Callable[[AuditSpec], AuditSpec]
    ask: str
    """On the button."""
    link: str
    row: str
    """In the table."""
    says: Callable[[float, float], str]


CHECKS = (
    Check("random-update", control_of, "Run its control", "Open the control", "From random numbers", without_update),
    Check("negatives", out_of_domain, "Run it on negatives", "Open the negatives", "Negatives", unknown_kind),
)


def draw(run: Run) -> None:
    """Nothing beside attacks that let no network draw."""
    spec = run.spec
    if spec is None or family(type(spec.attack)) is not GENERATIVE:
        return
    with st.container(border=True, key="control"):
        st.markdown("**Is this from the update, or only from the generator?**")
        st.caption(f"{WHY} In plain words: {glossary.link('control')}.")
        if spec.control == "none":
            beside_controls(run, spec)
        else:
            beside_original(run, spec)


def beside_controls(run: Run, spec: AuditSpec) -> None:
    """The controls' scores, the ways to them, and the buttons that ask for those that are missing."""
    found = {check: newest(run, check.of(spec).__eq__) for check in CHECKS}
    there = {check: one for check, one in found.items() if one is not None and one.status is not Status.FAILED}
    compare(run, there)
    with st.container(horizontal=True, gap="medium"):
        for check in CHECKS:
            if check in there:
                query = {address.RUN: there[check].id}
                st.page_link(kinds.LAB, label=check.link, icon=":material/science:", query_params=query)
            else:
                ask(check, spec)


def beside_original(control: Run, spec: AuditSpec) -> None:
    """A control says something only beside what it is the control of."""
    check = next(check for check in CHECKS if check.key == spec.control)
    original = newest(control, lambda one: one.control == "none" and check.of(one) == spec)
    if original is None:
        st.caption("There is no run of this attack on the real update yet. Set Control to none in the setup and start.")
        return
    compare(original, {check: control})
    st.page_link(
        kinds.LAB, label="Open the attack on the update", icon=":material/science:", query_params={"run": original.id}
    )


def newest(run: Run, wanted: Callable[[AuditSpec], bool]) -> Run | None:
    """Of the runs like this one, the newest whose setup is wanted."""
    assert run.spec is not None
    spec = run.spec
    found = session.store().runs(
        kind="audit", attack=spec.attack.name, model=spec.model.name, dataset=spec.dataset.name, limit=SEARCHED
    )
    return next((one for one in found if one.spec is not None and wanted(one.spec)), None)


def ask(check: Check, spec: AuditSpec) -> None:
    """The button that queues a control and goes to it."""
    if st.button(check.ask, icon=":material/science:", key=f"run-{check.key}"):
        try:
            session.select_run(session.store().submit(check.of(spec)))
        except (ValueError, StoreError) as error:
            st.error(str(error), icon=":material/block:")
            return
        st.rerun()


def compare(original: Run, controls: dict[Check, Run]) -> None:
    """The runs' means, and for each control a sentence on what it differs by."""
    if not controls:
        return
    real = original.scores or {}
    scored = {check: run.scores for check, run in controls.items() if run.scores and run.scores.get("psnr")}
    if not real.get("psnr") or not scored:
        st.caption(f"The {'control' if real.get('psnr') else 'attack on the update'} has no result yet.")
        return
    rows = [
        [name, *(titles.number(comparison.mean(scores.get(metric)), metric) for metric in titles.METRICS)]
        for name, scores in (("From the update", real), *((check.row, scores) for check, scores in scored.items()))
    ]
    table(["Mean over the batch", *titles.METRICS.values()], rows, caption="This attack beside its control")
    for check, scores in scored.items():
        st.markdown(in_words(check, comparison.mean(real["psnr"]), comparison.mean(scores["psnr"])))


def in_words(check: Check, real: float | None, other: float | None) -> str:
    """What the difference of two mean PSNRs, in decibels, says."""
    if real is None or other is None:
        return "One of the two has no score, so nothing can be said."
    return check.says(real, other)
