"""What an attack needs before it can draw: the attacker's generator, and the labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...types import Observation

if TYPE_CHECKING:
    import torch

    from ...priors.generator import Generator
    from ..labels import ReadLabels
    from ..labels.restored import RestoredLabels


def opened(seen: Observation, name: str) -> Generator:
    """The prior called ``name`` on the device of the observation.

    Raises ValueError with one sentence where the attacker has none of that name, or where its images have another
    shape than the victims'.
    """
    from ...priors.generator import Generator

    if seen.prior is None:
        raise ValueError("The attacker has no priors; give it some.")
    generator = seen.prior(name).to(seen.device)
    assert isinstance(generator, Generator)
    if generator.image_shape != seen.image_shape:
        raise ValueError("The prior draws images of another shape than the victims have; choose another prior.")
    return generator


def read_labels(seen: Observation, strategy: ReadLabels, rng: torch.Generator) -> RestoredLabels:
    """Raises ValueError with one sentence where they cannot be had before the images are known."""
    from ..labels.restore import restore_labels

    restored = restore_labels(strategy, seen, rng)
    if restored is None:
        raise ValueError("The labels cannot be read from this update; grant them to the attacker.")
    return restored
