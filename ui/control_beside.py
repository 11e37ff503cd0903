"""Beside what a generator painted: what it paints without the update, so that nobody takes that for a leak."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from gia_core import titles
from gia_core.control import control_of
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
    "is told the classes: only what comes closer than that was in the update."
)
SMALL = 1.0
"""Decibels that two runs of the same thing easily differ by."""


def draw(run: Run) -> None:
    """Nothing beside attacks that let no network draw."""
    spec = run.spec
    if spec is None or family(type(spec.attack)) is not GENERATIVE:
        return
    with st.container(border=True, key="control"):
        st.markdown("**Is this from the update, or only from the generator?**")
        st.caption(f"{WHY} In plain words: {glossary.link('control')}.")
        if spec.control == "none":
            beside_control(run, spec)
        else:
            beside_original(run, spec)


def beside_control(run: Run, spec: AuditSpec) -> None:
    """The control's scores, the way to it, or the button that asks for it."""
    control = newest(run, lambda one: one == control_of(spec))
    if control is None or control.status is Status.FAILED:
        ask(spec)
        return
    compare(run, control)
    st.page_link(kinds.LAB, label="Open the control", icon=":material/science:", query_params={address.RUN: control.id})


def beside_original(control: Run, spec: AuditSpec) -> None:
    """A control says something only beside what it is the control of."""
    original = newest(control, lambda one: one.control == "none" and control_of(one) == spec)
    if original is None:
        st.caption("There is no run of this attack on the real update yet. Set Control to none in the setup and start.")
        return
    compare(original, control)
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


def ask(spec: AuditSpec) -> None:
    """The button that queues the control and goes to it."""
    if st.button("Run its control", icon=":material/science:", key="run-control"):
        try:
            session.select_run(session.store().submit(control_of(spec)))
        except (ValueError, StoreError) as error:
            st.error(str(error), icon=":material/block:")
            return
        st.rerun()


def compare(original: Run, control: Run) -> None:
    """Both runs' means, and in a sentence what they differ by."""
    real, random = original.scores or {}, control.scores or {}
    if not real.get("psnr") or not random.get("psnr"):
        st.caption(f"The {'control' if real.get('psnr') else 'attack on the update'} has no result yet.")
        return
    rows = [
        [name, *(titles.number(comparison.mean(scores.get(metric)), metric) for metric in titles.METRICS)]
        for name, scores in (("From the update", real), ("From random numbers", random))
    ]
    table(["Mean over the batch", *titles.METRICS.values()], rows, caption="This attack beside its control")
    st.markdown(in_words(comparison.mean(real["psnr"]), comparison.mean(random["psnr"])))


def in_words(real: float | None, random: float | None) -> str:
    """What the difference of two mean PSNRs, in decibels, says."""
    if real is None or random is None:
        return "One of the two has no score, so nothing can be said."
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
