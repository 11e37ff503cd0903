"""What the labels of the private batch are, read from the update before any image is searched.

One file per rule; ``restore.restore_labels`` carries one out and needs torch, ``choices`` does not.

Behind all of them is what softmax and cross-entropy do to the last layer: class i's row of its mean gradient is
(1/B) Σ (p_i − 1[label = i]) h over the images, and its bias entry the same without h. There p_i is the probability that
the model gives the class, and h the features: what the layer receives.
"""

from __future__ import annotations

from .choices import WITHOUT_BIAS, LabelStrategy, ReadLabels, SearchedLabels, objection

__all__ = ["WITHOUT_BIAS", "LabelStrategy", "ReadLabels", "SearchedLabels", "objection"]
