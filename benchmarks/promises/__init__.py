"""What every attack is promised to reach, one module per family."""

from __future__ import annotations

from .batch_norm import PROMISES as BATCH_NORM
from .cafe import PROMISES as CAFE
from .cocktail_party import PROMISES as COCKTAIL_PARTY
from .first_layers import PROMISES as FIRST_LAYERS
from .fishing import PROMISES as FISHING
from .labels import PROMISES as LABELS
from .local_training import PROMISES as LOCAL_TRAINING
from .promise import Outcome, Promise, carried_out
from .recursive import PROMISES as RECURSIVE
from .single_images import PROMISES as SINGLE_IMAGES

PROMISES: tuple[Promise, ...] = (
    *SINGLE_IMAGES,
    *LOCAL_TRAINING,
    *BATCH_NORM,
    *FIRST_LAYERS,
    *LABELS,
    *RECURSIVE,
    *CAFE,
    *COCKTAIL_PARTY,
    *FISHING,
)

__all__ = ["PROMISES", "Outcome", "Promise", "carried_out"]
