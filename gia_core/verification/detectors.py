"""Every check, in the order of the list. Imports torch: only for use inside ``Verification``'s methods."""

from __future__ import annotations

from .activity import activity
from .architecture import architecture, same_model
from .biases import thresholds
from .canary import canary
from .findings import Detector
from .gradients import concentration, image_dominates
from .kernels import transmission
from .rows import balance, stable_rank, twins
from .scale import moved, weight_scale

DETECTORS = (
    Detector("V1", "the agreed network", architecture),
    Detector("V2", "rows that are twins", twins),
    Detector("V3", "directions in the rows", stable_rank),
    Detector("V4", "biases like thresholds", thresholds),
    Detector("V5", "balance of the rows", balance),
    Detector("V6", "size of the weights", weight_scale),
    Detector("V7", "neurons for one image", activity),
    Detector("V8", "one image dominates", image_dominates),
    Detector("V9", "kernels that copy", transmission),
    Detector("V10", "concentrated gradient", concentration),
    Detector("V11", "the same for all", same_model),
    Detector("V12", "sudden jump", moved),
    Detector("V13", "own images in the update", canary, before_training=False),
)
"""V1 to V13: names that never change."""
