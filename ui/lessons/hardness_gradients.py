"""Proposition 1 of the survey: in plain words, and what was counted along one training."""

from __future__ import annotations

import streamlit as st

from gia_core import titles
from gia_core.theory import recorded
from gia_core.theory.recorded import Consecutive, RecordedGradients

from .. import glossary
from ..tables import table
from . import hardness_figures
from . import hardness_source as source
from .page import claim

SURVEY = "Guo et al., arXiv 2503.11514, Proposition 1"


def draw() -> None:
    with claim("Proposition 1: look-alike gradients hide the picture", key="hardness-proposition"):
        st.markdown(
            "In one sentence: **if training makes the "
            f"{glossary.link('gradient', 'gradients')} of different pictures more alike, more wrong pictures fit the "
            "update, so the right one is harder to find.** It asks that this holds for every picture and every "
            "distance. That can be counted."
        )
        known = recorded.gradients()
        if known is None:
            st.info("Nothing was recorded of this.", icon=":material/info:")
            return
        st.badge("Recorded", icon=":material/inventory_2:", color="gray", help=source.measured_in(known))
        st.markdown(judged(known))
        st.plotly_chart(
            hardness_figures.checkpoints(known.checkpoints),
            key="hardness-chart-gradients",
            config=hardness_figures.STILL,
        )
        st.caption(in_words(known))
        checkpoints(known)
        st.markdown(correlated(known))
        labels(known)
        st.caption(
            "In this data set a class is one photograph, so two pictures of a class are near twins: what holds for "
            "pictures of one class here may not hold for other data."
        )
        with st.expander("For experts: what is claimed, and what was counted", key="hardness-proposition-expert"):
            expert(known)


def judged(known: RecordedGradients) -> str:
    """Whether the premise holds from each checkpoint to the next."""
    most = max(known.steps, key=lambda step: step.fewer)
    if all(step.fewer == 0 for step in known.steps):
        return "**The premise holds** at every step of this training."
    always = all(step.fewer > 0 for step in known.steps)
    return (
        f"**The premise does not {'hold' if always else 'always hold'}.** From {between(most)} it is the other way "
        f"round in {percent(most.fewer)} of all cases, a case being a picture and a distance."
    )


def in_words(known: RecordedGradients) -> str:
    """The figure for those who cannot see it."""
    first, last = known.checkpoints[0], known.checkpoints[-1]
    return (
        f"Distance between the gradients of two pictures, median of all pairs: {first.median:.2f} before training, "
        f"{last.median:.2f} after {titles.plural(last.epochs, 'epoch')}."
    )


def between(step: Consecutive) -> str:
    return f"{step.earlier} to {titles.plural(step.later, 'epoch')} of training"


def checkpoints(known: RecordedGradients) -> None:
    rows = [
        [
            str(at.epochs),
            *(f"{value:.3f}" for value in (at.median, at.same_class, at.other_class)),
            f"{at.norm:.3g}",
            f"{at.swapped:.3f}",
        ]
        for at in known.checkpoints
    ]
    header = [
        "Epochs",
        "All pairs",
        "Same class",
        "Two classes",
        "Length of a gradient",
        "Batches, one picture swapped",
    ]
    table(
        header,
        rows,
        caption=f"How different the gradients of {known.images} pictures are: median of 1 − cosine, 0 for the same "
        "direction and 1 for unrelated ones",
    )


def correlated(known: RecordedGradients) -> str:
    """Whether pictures whose gradients stand alone are found better, as the proposition expects."""
    if known.correlation is None:
        return ""
    held = "" if known.partial is None else f", and {signed(known.partial)} with the length of the gradient held fixed"
    apart = known.checkpoints[-1].median > known.checkpoints[0].median
    against = (
        " **It is the other way round here:** training moved gradients apart, and the pictures became harder to find "
        "all the same. So look-alike gradients are not what made them hard."
    )
    return (
        "Are pictures whose gradients stand apart found better? The rank correlation of an image's distance to the "
        f"others and its PSNR is **{signed(known.correlation)}**{held} (training shrinks gradients, too). The "
        f"proposition expects it to be positive.{against if apart and known.correlation < 0 else ''}"
    )


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def signed(value: float) -> str:
    """With a real minus."""
    return f"{value:+.2f}".replace("-", "−")


def labels(known: RecordedGradients) -> None:
    """P1b: companions of the same class."""
    if not known.shared_labels:
        return
    first, last = known.shared_labels[0], known.shared_labels[-1]
    rows = [
        ["all different" if one.sharing == 0 else f"{one.sharing} of 4", f"{one.psnr:.1f} dB"]
        for one in known.shared_labels
    ]
    drop = first.psnr - last.psnr
    verb = "lower" if drop > 0 else "higher"
    st.markdown(
        f"The same {first.images} pictures in batches of four: when all four share a label, the PSNR is "
        f"{abs(drop):.1f} dB {verb} than when all labels differ."
    )
    table(
        ["Images that share the label", "PSNR"],
        rows,
        caption="Shared labels; the survey has 22.0, 20.0, 18.4 and 14.0 dB",
    )


def expert(known: RecordedGradients) -> None:
    st.markdown(
        f"As printed ({SURVEY}): if for every $i$ and every $\\varepsilon > 0$ the number of $j$ with "
        "$D(\\nabla\\ell(\\theta_1; x_i), \\nabla\\ell(\\theta_1; x_j)) < \\varepsilon$ exceeds that at "
        "$\\theta_2$, then "
        '$x_i$ is harder to recover at $\\theta_1$. "Harder" is not defined, only natural pictures are compared '
        'although the search goes through all of them, and "for every i and ε" is stochastic dominance, which has to '
        "be tested. Counted at the quantiles 1, 5, 10, 25, 50, 75 and 90 % of the distances of both checkpoints; a "
        "Kolmogorov–Smirnov statistic of 0 behind would be dominance."
    )
    rows = [
        [
            between(one),
            percent(one.more),
            percent(one.as_many),
            percent(one.fewer),
            f"{one.ahead:.2f}",
            f"{one.behind:.2f}",
        ]
        for one in known.steps
    ]
    table(
        ["From", "More neighbors", "As many", "Fewer", "KS ahead", "KS behind"],
        rows,
        caption="Share of pictures and radii at which the later checkpoint has more, as many or fewer neighbors",
    )
