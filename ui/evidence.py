"""A run as evidence: its closest image beside the original, what it came to, what it took, and the way to it."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from gia_core import report, titles
from gia_core.advisor.evidence import Evidence

from . import images, kinds, session

WIDTH = 64
"""Pixels of a picture."""


def thumbnails(found: list[Evidence]) -> dict[str, tuple[bytes | None, bytes | None]]:
    """The pictures of these runs, by run."""
    return session.store().thumbnails({e.run.id for e in found})


def draw(evidence: Evidence, sprites: Mapping[str, tuple[bytes | None, bytes | None]], key: str) -> None:
    truth, reconstruction = sprites.get(evidence.run.id, (None, None))
    with st.container(horizontal=True, gap="small", key=f"evidence-{key}"):
        with st.container(horizontal=True, width="content", gap="xsmall", key=f"thumbnails-{key}"):
            picture(evidence, "Original", truth)
            picture(evidence, "Reconstruction", reconstruction)
        with st.container(width="stretch", gap="xxsmall"):
            st.markdown(outcome(evidence))
            st.caption(" ".join(filter(None, (budget(evidence), knew(evidence), unlike(evidence)))))
            st.page_link(kinds.page_of(evidence.run), label="Open the run", query_params={"run": evidence.run.id})


def picture(evidence: Evidence, name: str, sprite: bytes | None) -> None:
    if sprite is None:
        st.html(f'<div class="gia-nothing" role="img" aria-label="{name}: not there"></div>', width=WIDTH)
        return
    image = images.single(sprite, evidence.spec.images_attacked, evidence.closest)
    st.image(image, width=WIDTH, alt=f"{name} {evidence.closest + 1} of run {evidence.run.id}")


def outcome(evidence: Evidence) -> str:
    """What the attack came to, by the image that came closest to its original."""
    attack = f"**{titles.title(type(evidence.spec.attack))}**"
    if evidence.score("psnr") is None:
        return f"{attack}: {without_images(evidence)}"
    psnr, ssim = (titles.number(evidence.score(metric), metric) for metric in ("psnr", "ssim"))
    count = evidence.spec.images_attacked
    return f"{attack}: {psnr} PSNR, SSIM {ssim}{'' if count == 1 else f' for the closest of {count} images'}."


def without_images(evidence: Evidence) -> str:
    """What came of a run that reconstructed nothing."""
    if evidence.labels is not None:
        return f"{evidence.labels:.0%} of the labels found."
    events = session.store().events(evidence.run.id)
    return str(report.body(events, "finished").get("nothing_to_invert") or "nothing could be inverted.")


def budget(evidence: Evidence) -> str:
    """What the attack was given."""
    progress = evidence.run.progress or {}
    if "iteration" not in progress or "elapsed" not in progress:
        return ""
    time = titles.duration(progress["elapsed"]) if progress["elapsed"] >= 1 else "less than a second"
    return f"{titles.plural(progress['iteration'], 'iteration')} in {time}."


def knew(evidence: Evidence) -> str:
    """Whether the attacker adapted to the defense; empty where there was none."""
    if not evidence.spec.defenses:
        return ""
    return "The attacker knew the defense." if evidence.is_adaptive else "The attacker did not know the defense."


def unlike(evidence: Evidence) -> str:
    """Where its setup is another one than the setup in question; empty where it is the same."""
    if not evidence.differs:
        return ""
    names = dict.fromkeys(titles.label(place.rpartition(".")[2]).lower() for place in evidence.differs)
    return f"It differs in: {', '.join(names)}."
