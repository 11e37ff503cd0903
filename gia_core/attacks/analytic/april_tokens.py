"""The equations of APRIL (Lu et al., CVPR 2022, section 3.2) and ours, in float64. Imports torch: only inside ``run``.

Letters: n + 1 tokens z of d numbers each, the first one the class token, the others E x + b + positions, where the
columns of x are the n patches of v values each; A = ∂ℓ/∂z (n + 1, d) is the gradient of the positions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...models.attention import Block, VisionTransformer
from ...models.layers import Normalize
from ...types import Update

Tensors: TypeAlias = dict[str, Tensor]
"""By the names of the transformer's parameters."""


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
    model: nn.Module,
    gradient: Update,
    image_shape: tuple[int, int, int],
    equations: Literal["embedding", "attention"],
    tolerance: float,
) -> tuple[Tensor, tuple[System, ...]]:
    """The image (1, C, H, W) as the network gets it, and the systems that were solved for it.

    Where one is deficient, the image is the shortest solution: the mean color where the update tells nothing.
    Raises ValueError where the model is no vision transformer, or has no first attention that gets the tokens as they
    are and ``equations`` are those of it.
    """
    network = transformer(model)
    gradients = {id(p): g.detach().double().cpu() for p, g in zip(model.parameters(), gradient, strict=True)}
    weights = {name: p.detach().double().cpu() for name, p in network.named_parameters()}
    slopes = {name: gradients[id(p)] for name, p in network.named_parameters()}
    if equations == "embedding":
        patches, systems = from_embedding(slopes, tolerance)
    else:
        refuse_unless_bare(network)
        patches, systems = from_attention(weights, slopes, tolerance)
    side = weights["embedding.weight"].shape[-1]
    return F.fold(patches[None], image_shape[1:], side, stride=side), systems


def from_embedding(slopes: Tensors, tolerance: float) -> tuple[Tensor, tuple[System, ...]]:
    """The patches (v, n) out of ∇E = Σ over them of ∂ℓ/∂token · patchᵀ, which is Aᵀ xᵀ without the class token.

    Holds whatever follows, since the positions are added right after the embedding. Ours; it takes rank(A) = n.
    """
    errors = slopes["positions"][0, 1:]
    patches, system = solved("all patches", errors.T, slopes["embedding.weight"].flatten(1), tolerance)
    return patches.T, (system,)


def from_attention(weights: Tensors, slopes: Tensors, tolerance: float) -> tuple[Tensor, tuple[System, ...]]:
    """The patches (v, n) as published: the tokens out of the first attention's gradient, the patches out of the tokens.

    With W the weights of queries, keys and values, ∇W = (∂ℓ/∂W z)ᵀ z and A = ∂ℓ/∂(W z) W, so that Wᵀ ∇W = Aᵀ z. The
    token that holds no patch is known and left out of the unknowns, which the paper does not do.
    """
    errors = slopes["positions"][0]
    products = weights["blocks.0.attention.qkv.weight"].T @ slopes["blocks.0.attention.qkv.weight"]
    known = weights["positions"][0].clone()
    known[0] += weights["class_token"][0, 0]
    known[1:] += weights["embedding.bias"]
    embedded, first = solved("all patches", errors[1:].T, products - errors.T @ known, tolerance)
    patches, second = solved("one patch", weights["embedding.weight"].flatten(1), embedded.T, tolerance)
    return patches, (first, second)


def transformer(model: nn.Module) -> VisionTransformer:
    """Raises ValueError where there is none."""
    for module in model.modules():
        if isinstance(module, VisionTransformer):
            return module
    raise ValueError("APRIL needs a vision transformer, whose positions are learned; choose vit.")


def refuse_unless_bare(network: VisionTransformer) -> None:
    first = next(iter(network.blocks), None)
    if not isinstance(first, Block) or not first.bare:
        raise ValueError(
            "APRIL's published equations need a first attention that gets the patches as they are; set the first block "
            "to bare, or the equations to embedding."
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
