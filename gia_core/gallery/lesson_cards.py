"""Recorded for the lesson "What helps" alone: attackers and defenses that no card of the gallery has."""

from __future__ import annotations

from ..defenses import DPSGD, GaussianNoise, Precode
from .card import Card, Take
from .cards import ADAPTIVE, BUDGET, SMALL, SMOOTH, searched

STRONG = GaussianNoise(std=0.1)
SETTING = f"In this setting: one of the {SMALL}, within {BUDGET}."

LESSON_CARDS: tuple[Card, ...] = (
    Card(
        name="bottleneck",
        question="Does a noisy bottleneck (PRECODE) protect?",
        icon=":material/filter_alt:",
        look_for="The gradients of the noisy layer are useless: watch the attacker who leaves them out.",
        answer="Not against who knows of it: {0.psnr} without, {1.psnr} with that knowledge.",
        condition=SETTING,
        takes=(
            Take("attacker unaware", searched(defenses=(Precode(),))),
            Take("attacker knows", searched(defenses=(Precode(),), knowledge=ADAPTIVE)),
        ),
    ),
    Card(
        name="noise",
        question="Does noise without clipping protect?",
        icon=":material/grain:",
        look_for="Random numbers on every part of the gradient: watch the search fit them, too.",
        answer="Strong noise stops this attack ({0.psnr}; {1.psnr} for who knows of it), but promises nothing.",
        condition=SETTING,
        takes=(
            Take("attacker unaware", searched(defenses=(STRONG,))),
            Take("attacker knows", searched(defenses=(STRONG,), knowledge=ADAPTIVE)),
        ),
    ),
    Card(
        name="epsilon-unaware",
        question="And if the attacker does not know of DP-SGD?",
        icon=":material/blur_on:",
        look_for="The same noise, and an attacker who does not correct for the clipping.",
        answer="It finds as little: {0.psnr}.",
        condition=SETTING,
        takes=(Take("attacker unaware", searched(attack=SMOOTH, defenses=(DPSGD(),))),),
    ),
)
"""Recorded by the same command as the gallery, and read the same way; no card of them is shown."""
