"""Generators of images that make an inversion easier, and how they are trained.

This package's ``spec``, ``card`` and ``shelf`` work without torch; ``training`` needs it.
"""

from __future__ import annotations

from .card import Card
from .methods import DCGAN, VAE, FromGradients, Method
from .spec import GradientsSpec, PriorSpec

__all__ = ["DCGAN", "VAE", "Card", "FromGradients", "GradientsSpec", "Method", "PriorSpec"]
