"""What the survey's theory says of all this, in plain words, and what became of it when it was measured."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from gia_core import titles
from gia_core.theory import recorded, verdicts
from gia_core.theory.experiments import BATCH_SIZE, ROUNDS
from gia_core.theory.fits import root_line, unevenness
from gia_core.theory.levels import Level

from .. import glossary
from ..tables import table
from . import hardness_gradients
from . import hardness_source as source
from .hardness_question import ask
from .hardness_verdict import Question
from .page import claim

GUESS = "gray"
"""The control that the fit is compared with: every data set has it."""
SURVEY = "Guo et al., arXiv 2503.11514, Theorem 1"


def draw() -> None:
    st.header("What the theory says", anchor=False)
    theorem()
    ask(rounds())
    hardness_gradients.draw()


def theorem() -> None:
    with claim("Theorem 1: the error grows with the root of what is searched", key="hardness-theorem"):
        st.markdown(
            "In one sentence: **if the search were well-behaved, what is left of the error at its end would be at "
            "most some constant times √(pictures × colors × pixels).** The figures above test it: the blue line is "
            f"that {glossary.link('square-root-law', 'law')}. "
            "But every guess follows it too, because more pixels have more room for errors. So an attack that "
            "follows it tells nothing, and one that does not refutes the law as an explanation."
        )
        straight_line()
        with st.expander("For experts: what is printed, and what can be derived", key="hardness-theorem-expert"):
            st.markdown(EXPERT_THEOREM)


def straight_line() -> None:
    """What a good fit is worth, on the numbers of the first figure."""
    levels = source.levels(BATCH_SIZE, source.own(BATCH_SIZE))
    if len({level.unknowns for level in levels}) <= verdicts.FEWEST or any(GUESS not in one.controls for one in levels):
        return
    fit, guess = root_line(levels).r_squared, root_line([level.control(GUESS) for level in levels]).r_squared
    if fit is not None and guess is not None:
        st.markdown(
            "How well does √ fit? Drawn over √(pictures), the errors of the first figure lie on a straight line with "
            f"R² = {fit:.3f}, and those of a guess that never saw an update with R² = {guess:.3f}. Meanwhile the "
            f"largest error of one pixel is {verdicts.factor(unevenness(levels))} the smallest. **A good fit confirms "
            "nothing.**"
        )


EXPERT_THEOREM = rf"""
As printed ({SURVEY}): for a $\mu$-strongly convex and $L$-smooth objective, gradient descent with a step
$\eta \le 2/(\mu+L)$ and $\kappa \ge \lVert\nabla f - \tfrac1T\sum_t \nabla f_t\rVert$ has after $I$ steps

$$
\lVert\hat x_I - x^*\rVert_2 \le \Bigl(1-\tfrac{{\mu}}{{\mu+L}}\Bigr)^{{I}} \lVert\hat x_0 - x^*\rVert_2 +
\tfrac{{2\sqrt{{BCHW}}\,(\mu+L)}}{{\mu}}\,\kappa .
$$

**Derivable.** With $|e_j| \le \kappa_\infty$ for every coordinate of the gradient's error and $\eta \le 2/(\mu+L)$:

$$
\lVert\hat x_I - x^*\rVert_2 \le (1-\eta\mu)^I \lVert\hat x_0 - x^*\rVert_2 +
\bigl(1-(1-\eta\mu)^I\bigr)\,\tfrac{{\sqrt{{BCHW}}\,\kappa_\infty}}{{\mu}} ,
$$

so the error **of one pixel** is at most $\kappa_\infty/\mu$: neither batch size nor resolution is in it. What really
makes a pixel worse has to come through $\mu$ (how well the update determines the picture) and $\kappa$.

**Not derivable.** The printed constant is off by a factor of $\mu+L$: the recursion's own noise sums to
$2\sqrt{{BCHW}}\,\kappa/\mu$. The root comes in only where $\kappa$ bounds each coordinate; for the
norm in which it is defined, it is superfluous. And the rate is false for small steps: for $\eta \to 0$ nothing
moves, while the bound shrinks; it takes $\eta \ge 1/(\mu+L)$. For one round it promises exact recovery, since
then $\kappa = 0$.

**Not given in practice.** The distance between updates is not convex in the pictures, Adam is not gradient
descent, and a smoothness prior moves the minimum.
"""


def rounds() -> Question:
    return Question(
        ROUNDS,
        f"The theorem's κ tells how much the server's goal differs between {glossary.link('round', 'rounds')}. For a "
        "single one it is 0, with more of them it is not, so the bound gets worse. Yet the server also sees the same "
        "pictures more often.",
        axis="Rounds of the same batch",
        named=lambda cell: titles.plural(int(cell[0]), "round"),
        caveat="The same batch in every round, and the same number of iterations, however many rounds there are to "
        "match.",
        beside=kappas,
    )


def kappas(levels: Sequence[Level]) -> None:
    """κ as it was recorded, beside the errors."""
    known = recorded.sweep_of(ROUNDS.name)
    if known is None or not known.kappas:
        return
    measured = {level.cell: level for level in levels}
    rows = [
        [str(each.cell[0]), f"{kappa:.2g}", f"{measured[each.cell].rmse:.3f}" if each.cell in measured else "—"]
        for each, kappa in zip(known.recorded, known.kappas, strict=True)
    ]
    table(["Rounds", "κ̂, recorded", "Error of one pixel"], rows, caption="The theorem's κ and the measured error")
    one, two, *_ = [measured.get(each.cell) for each in known.recorded]
    if one is not None:
        st.markdown(
            "**Against the theorem:** for one round κ is 0, so it promises an exact copy; what is measured is an error "
            f"of {one.rmse:.3f}.{'' if two is None else second_round(one, two)}"
        )


def second_round(one: Level, two: Level) -> str:
    """What the second round brings, where κ is no longer 0."""
    if two.rmse < one.rmse:
        return " With the second round κ grows, so the promise gets weaker, and the pictures get better."
    return " With the second round κ grows, and the error does too."
