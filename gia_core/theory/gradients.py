"""How alike the gradients of single images are, at one state of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..types import Batch


def per_sample(network: nn.Module, batch: Batch) -> Tensor:
    """(B, d) gradient of the cross-entropy of each image alone; for networks that treat each image on its own."""
    import torch
    import torch.nn.functional as F
    from torch.func import functional_call, grad, vmap

    parameters = {name: parameter.detach() for name, parameter in network.named_parameters()}

    def loss(parameters: dict[str, Tensor], image: Tensor, label: Tensor) -> Tensor:
        logits = functional_call(network, parameters, (image[None],))
        return F.cross_entropy(logits, label[None])

    found = vmap(grad(loss), in_dims=(None, 0, 0))(parameters, batch.images, batch.labels)
    return torch.cat([gradient.flatten(1) for gradient in found.values()], dim=1)


def cosine_distances(gradients: Tensor) -> Tensor:
    """(B, B) of (B, d): 1 − cos, 0 for two gradients of the same direction."""
    import torch.nn.functional as F

    directions = F.normalize(gradients.double(), dim=1)
    return (1 - directions @ directions.T).clamp_min(0).fill_diagonal_(0)


def swapped_distance(gradients: Tensor, batch: list[int], out: int, into: int) -> float:
    """1 − cos between the gradients of two batches that differ in one image: what matters for more than one image."""
    import torch

    other = [into if index == out else index for index in batch]
    means = torch.stack([gradients[which].double().mean(dim=0) for which in (batch, other)])
    return float(cosine_distances(means)[0, 1])
