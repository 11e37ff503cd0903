"""What words mean here: plain for everyone, then precise for those who want to check. Components explain themselves."""

from __future__ import annotations

from .attacking import ATTACKS, JUDGING
from .learning import IDEAS, NETWORKS
from .protecting import DEFENSES
from .term import Term, term

__all__ = ["FORMULAS", "HAND_WRITTEN", "Term", "term"]

HAND_WRITTEN = {
    "The idea": IDEAS,
    "Networks": NETWORKS,
    "Attacking": ATTACKS,
    "Judging a result": JUDGING,
    "Protecting": DEFENSES,
}
"""Sections of the glossary, in order."""

FORMULAS = {
    "psnr": "−10 log10 of the mean squared error of pixels in [0, 1], at most 100.",
    "ssim": "Wang et al., IEEE TIP 2004, with a Gaussian window of 11 pixels and sigma 1.5; the mean over the image.",
    "mse": "The mean over all pixels and channels of the squared difference.",
    "lpips": "Zhang et al., CVPR 2018, AlexNet, version 0.1; images under 64 pixels are enlarged to 64.",
    "labels": "The overlap of the restored and the true label counts, divided by the batch size.",
}
"""How each metric is computed."""
