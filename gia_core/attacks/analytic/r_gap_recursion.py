"""R-GAP's way from the classifier back to the image (Zhu and Blaschko, ICLR 2021), in float64.

Imports torch: only for use inside ``run``.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from .r_gap_head import Candidate, last_layer
from .r_gap_layers import Activation, Affine, Chain, undone
from .r_gap_solve import ROUNDING, solve


def followed_back(chain: Chain, tolerance: float, label: int | None = None) -> list[Candidate]:
    """All candidates of the last layer, followed back to the image, the best fit first; empty without any.

    One whose equations contradict each other much more than another's is followed no further, and comes last. Where the
    ``label`` is known, only candidates with it are followed, if there are any.
    """
    kept, dropped = last_layer(chain.head), []
    kept = [one for one in kept if one.label == label] or kept
    for part in reversed(chain.parts):
        if isinstance(part, Affine):
            kept = [through_affine(part, one, tolerance) for one in kept]
        else:
            kept = [through_activation(part, one) for one in kept]
        limit = 100 * min((one.residual for one in kept), default=0.0) + ROUNDING
        dropped += [one for one in kept if one.residual > limit]
        kept = [one for one in kept if one.residual <= limit]
    return sorted(kept, key=lambda one: one.residual) + dropped


def likeliest(found: list[Candidate], chain: Chain, image_shape: tuple[int, ...]) -> tuple[Candidate, Tensor]:
    """The candidate to believe, and its image (C, H, W).

    The best fit; but without biases and with leaky-relu, an image and the same one with more contrast give the same
    update, and with tanh its negative does too. Of several that fit alike, the one that stays closest to black and
    white, or else has the contrast that is common in the data set.
    """
    alike = [one for one in found if one.residual <= 10 * found[0].residual and len(one.layers) == len(found[0].layers)]

    def oddity(one: Candidate) -> tuple[float, float]:
        image = pixels(one, chain, image_shape)
        outside = (image - image.clamp(0, 1)).abs().mean()
        contrast = one.values.std() if chain.normalize is not None else torch.ones(())
        return round(float(outside), 3), abs(math.log(max(float(contrast), 1e-300)))

    best = min(alike, key=oddity)
    return best, pixels(best, chain, image_shape)


def pixels(one: Candidate, chain: Chain, image_shape: tuple[int, ...]) -> Tensor:
    image = one.values.reshape(image_shape)
    if chain.normalize is None:
        return image
    return chain.normalize.inverse(image.float().to(chain.normalize.mean.device)).cpu()


def through_activation(activation: Activation, one: Candidate) -> Candidate:
    values, slope, possible = undone(activation, one.values)
    impossible = float((one.values - possible).norm() / possible.norm().clamp(min=1e-300))
    return replace(one, values=values, errors=one.errors * slope, residual=max(one.residual, impossible))


def through_affine(layer: Affine, one: Candidate, tolerance: float) -> Candidate:
    shape = (len(layer.weight), *layer.positions)
    outputs = one.values.reshape(shape) - layer.bias[:, None, None]
    errors = one.errors.reshape(shape)
    values, solved = solve(layer, outputs, errors, tolerance)
    back = layer.transposed(errors).flatten()
    residual = max(one.residual, solved.residual)
    return replace(one, values=values.flatten(), errors=back, residual=residual, layers=(*one.layers, solved))
