"""The equations of APRIL (Lu et al., CVPR 2022, section 3.2), in float64. Imports torch: only for use inside ``run``.

Letters: n + 1 tokens z of d numbers each, the first one the class token, the others E x + b + positions, where the
columns of x are the n patches; A = ∂ℓ/∂z.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...models.attention import Block, VisionTransformer
from ...models.layers import Normalize
from ...types import Update


@dataclass(frozen=True)
class System:
    """A set of linear equations with several right sides, and how it went."""

    unknown: str
    equations: int
    unknowns: int
    rank: int
    condition: float | None
    """Largest over smallest singular value; None where the rank is deficient."""


def image_of(
    model: nn.Module, gradient: Update, image_shape: tuple[int, int, int], tolerance: float
) -> tuple[Tensor, tuple[System, System]]:
    """The image (1, C, H, W) as the network gets it, and the two systems that were solved for it.

    Where one is deficient, the image is the shortest solution: the mean color where the update tells nothing.
    Raises ValueError where the model has no first attention that gets the tokens as they are.
    """
    network = transformer(model)
    gradients = {id(p): g.detach().double().cpu() for p, g in zip(model.parameters(), gradient, strict=True)}
    weights = {name: p.detach().double().cpu() for name, p in network.named_parameters()}
    slopes = {name: gradients[id(p)] for name, p in network.named_parameters()}
    positions, errors = weights["positions"][0], slopes["positions"][0]

    # With W the weights of queries, keys and values, ∇W = (∂ℓ/∂W z)ᵀ z and A = ∂ℓ/∂(W z) W, so that Wᵀ ∇W = Aᵀ z.
    products = weights["blocks.0.attention.qkv.weight"].T @ slopes["blocks.0.attention.qkv.weight"]
    known = positions.clone()
    known[0] += weights["class_token"][0, 0]
    known[1:] += weights["embedding.bias"]
    embedded, first = solved("all patches", errors[1:].T, products - errors.T @ known, tolerance)
    kernel = weights["embedding.weight"]
    patches, second = solved("one patch", kernel.flatten(1), embedded.T, tolerance)
    side = kernel.shape[-1]
    return F.fold(patches[None], image_shape[1:], side, stride=side), (first, second)


def transformer(model: nn.Module) -> VisionTransformer:
    for module in model.modules():
        if isinstance(module, VisionTransformer):
            first = next(iter(module.blocks), None)
            if isinstance(first, Block) and first.bare:
                return module
    raise ValueError(
        "APRIL needs a vision transformer whose first attention gets the patches as they are; choose vit and set its "
        "first block to bare."
    )


def solved(unknown: str, matrix: Tensor, right_sides: Tensor, tolerance: float) -> tuple[Tensor, System]:
    """The shortest least-squares solutions, one per column."""
    left, strength, right = torch.linalg.svd(matrix, full_matrices=False)
    rank = int((strength > tolerance * strength[0]).sum())
    equations, unknowns = matrix.shape
    condition = float(strength[0] / strength[-1]) if rank == unknowns else None
    coordinates = (left[:, :rank].T @ right_sides) / strength[:rank, None]
    return right[:rank].T @ coordinates, System(unknown, equations, unknowns, rank, condition)


def pixels(model: nn.Module, image: Tensor) -> Tensor:
    """What the model's own normalization made into ``image``."""
    for module in model.modules():
        if isinstance(module, Normalize):
            return module.inverse(image.to(module.mean))
    return image
