"""What came out of a run: the verdict, scores in context, the best and the worst image, likely causes of a failure."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from gia_core import attacker_card, report, titles
from gia_core.store import Run, Status
from gia_core.types import UNKNOWN

from . import add_defense, address, comparison, control_beside, glossary, images, keepsakes, kinds, utility_beside
from .glance import BEST, WORST, Glance, glance
from .history import History
from .tables import table

ADVISOR = "pages/review/advisor.py"


def headline(run: Run, history: History) -> None:
    """The verdict in one sentence; a leak is the warning, and nothing is ever called safe."""
    if run.status is Status.FAILED:
        st.error(run.error or "The run failed without saying why.", icon=":material/error:")
        return
    if history.nothing_to_invert:
        st.info(f"**{history.nothing_to_invert}**", icon=":material/lock:")
        return
    scores, baselines = final_scores(run, history), known_baselines(history)
    if scores is None and labels_alone(history):
        st.info(f"**{report.verdict({'scores': history.finished['scores']})}**", icon=":material/label:")
        return
    if scores is None:
        st.info("Stopped before the attack had found anything.", icon=":material/info:")
        return
    made = {"control": run.spec.control if run.spec else "none"}
    sentence = report.verdict({"scores": scores, "baselines": baselines, "spec": made})
    begun = stopped_early(history) if run.status is Status.STOPPED else ""
    if sentence.startswith("Recovered"):
        st.warning(f"**{begun}{sentence}**", icon=":material/visibility:")
    else:
        st.info(f"**{begun}{sentence}**", icon=":material/visibility_off:")
    if run.spec is not None:
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            add_defense.draw(run)
            query = {"run": run.id}
            st.page_link(ADVISOR, label="What would help?", icon=":material/shield_question:", query_params=query)
            query = {address.REPORT: run.id}
            st.page_link(kinds.REPORT, label="Write a report", icon=":material/description:", query_params=query)
            keepsakes.draw(run)


def labels_alone(history: History) -> bool:
    """Whether the attack looked for labels and for nothing else."""
    scores = (history.finished or {}).get("scores") or {}
    return scores.get("psnr") is None and scores.get("label_accuracy") is not None


def stopped_early(history: History) -> str:
    last = history.last
    return f"Stopped after {last.iteration:,} of {last.iterations:,} iterations. " if last else ""


def self_test(history: History) -> None:
    """Whether the attack looked for the right gradient; said first where it did not."""
    capture = (history.started or {}).get("capture")
    if capture and not capture["passed"]:
        st.error(capture["message"], icon=":material/rule:")


def final_scores(run: Run, history: History) -> dict[str, Any] | None:
    """Per-image lists of the result; the last recorded ones of a run that ended without any."""
    found = (history.finished or {}).get("scores") or run.scores
    if found is None and history.last is not None:
        found = {name: None if v is None else v.tolist() for name, v in history.last.scores.items()}
    return found if found and found.get("psnr") else None


def known_baselines(history: History) -> dict[str, Any]:
    return (history.started or {}).get("baselines") or {}


def details(run: Run, history: History, truth: bytes | None, reconstruction: bytes | None) -> None:
    """Below the charts of a run that is over."""
    scores, baselines = final_scores(run, history), known_baselines(history)
    if scores is None:
        return
    if flagged := comparison.disagreement(scores, baselines):
        st.warning(flagged, icon=":material/balance:")
    causes = (history.finished or {}).get("diagnosis") or []
    if causes:
        st.markdown("**Where it failed: likely causes**\n" + "\n".join(f"- {cause}" for cause in causes))
    st.markdown("**Scores in context**")
    rows = [
        [name, *map(titles.number, means, titles.METRICS)] for name, means in comparison.in_context(scores, baselines)
    ]
    table(["Mean over the batch", *titles.METRICS.values()], rows, caption="Scores of this attack and of blind guesses")
    if not scores.get("lpips"):
        st.caption("LPIPS is not available: run `python -m gia_core fetch lpips` once.")
    explained = ", ".join(glossary.link(anchor) for anchor in (*titles.METRICS, "blind-guess"))
    st.caption(f"In plain words: {explained}.")
    at = glance(reconstruction, np.array(scores["psnr"], dtype=float), len(scores["psnr"]))
    if at.places and truth and reconstruction:
        extremes(scores["psnr"], truth, reconstruction, at)
    per_image(scores, history, at)
    control_beside.draw(run)
    utility_beside.draw(run)
    about(run)


def extremes(psnr: list[float], truth: bytes, reconstruction: bytes, at: Glance) -> None:
    """The images that came closest and that stayed furthest: privacy is about the worst case, the former."""
    words = {BEST: "Closest to its original", WORST: "Furthest from its original"}
    for column, (sign, index) in zip(st.columns(2), at.places.items(), strict=False):
        with column, st.container(border=True, key=f"extreme-{index}"):
            st.markdown(f"{sign} **{words[sign]}**: image {index + 1}, {titles.number(psnr[index], 'psnr')}")
            for cell, (name, sprite) in zip(
                st.columns(2), {"Original": truth, "Reconstruction": reconstruction}.items(), strict=True
            ):
                cell.image(
                    images.single(sprite, at.count, index), width="stretch", alt=f"{name} {index + 1}", caption=name
                )


def per_image(scores: dict[str, Any], history: History, at: Glance) -> None:
    """Every image of the batch with its scores, its class and the class that the attack took it for."""
    started = history.started or {}
    names, true = started.get("label_names") or [], started.get("labels") or []
    found = (history.finished or {}).get("labels") or (history.last.labels if history.last else [])
    words = {UNKNOWN: "—"} | dict(zip(true, names, strict=False))
    with st.expander("Every image of the batch", icon=":material/table_rows:"):
        rows = []
        for i in range(len(scores["psnr"])):
            values = [titles.number(scores[m][i] if scores.get(m) else None, m) for m in titles.METRICS]
            label = words.get(found[i], f"class {found[i]}") if i < len(found) else "—"
            number = f"{i + 1}, not found" if at.missing[i] else f"{i + 1}"
            rows.append([number, names[i] if i < len(names) else "—", label, *values])
        table(["Image", "Class", "Taken for", *titles.METRICS.values()], rows, caption="Scores of every image")


def about(run: Run) -> None:
    """Under which assumptions, and with what, the run was carried out: what a report has to say too."""
    with st.expander("What the attacker was granted, and what it ran on", icon=":material/policy:"):
        if run.spec is not None:
            st.markdown(f"Granted: {', '.join(attacker_card.granted(run.spec))}.")
            st.markdown(f"Withheld: {', '.join(attacker_card.withheld(run.spec))}.")
        rows = [(titles.label(name), "—" if value is None else value) for name, value in (run.provenance or {}).items()]
        table(["With", "Version or kind"], rows, caption="What the run was carried out with", prose=True)
