"""What a setup in the lab cannot tell about a real system."""

from __future__ import annotations

from ..component import Component


class Deployment(Component):
    """Facts of a real system that no audit in the lab depends on, but advice does; all of them unknown at first."""

    shallow_wide_residual: bool = False
    """The network has at most five convolutions, at least 64 channels, shortcuts, and normalization in front of the
    activation."""
    learned_embeddings: bool = False
    """The network trains an embedding table, as for words or categories, and its gradient is shared."""
    dropout_as_defense: bool = False
    """Dropout is counted on to protect the data."""
    adapters_only: bool = False
    """Only adapters (LoRA and the like) are trained and shared, on small images or with a small network behind them."""
    fixed_batches: bool = False
    """Batches have a fixed size and come from a shuffled data set, instead of being drawn by a coin toss per image."""
    entries_cut_off: bool = False
    """More than one in a thousand entries of the updates is larger than the clip of the secure aggregation."""
    predictable_masks: bool = False
    """The masks of the secure aggregation come from a generator that is not cryptographic, or from fewer than 128
    random bits."""
    same_cohort: bool = False
    """The same clients take part together in every round."""
    no_reference_model: bool = False
    """Clients have no agreed architecture or signed first model to compare with what they receive."""
