"""The first layer of a fully connected network: where it is, and what its gradient says about the images.

Imports torch: only for use inside ``run``. R rows are R neurons, n = C·H·W pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...models.layers import Normalize
from ...types import Observation, Table, Update
from ..labels.restore import restore_labels


@dataclass(frozen=True)
class FirstLayer:
    """A linear layer that receives every pixel, and how pixels become what it receives."""

    linear: nn.Linear
    mean: Tensor
    """(n,) float64; the layer receives (pixels − mean) / std."""
    std: Tensor
    image_shape: tuple[int, int, int]

    def pixels(self, inputs: Tensor) -> Tensor:
        """What the layer received, (R, n), as images (R, C, H, W)."""
        return (inputs * self.std + self.mean).reshape(-1, *self.image_shape)


def first_layer(model: nn.Module, image_shape: tuple[int, int, int]) -> FirstLayer:
    """Raises ValueError where the first layer is another one."""
    mean, std = torch.zeros(math.prod(image_shape)), torch.ones(math.prod(image_shape))
    for module in model.modules():
        if isinstance(module, Normalize):
            mean, std = (values.expand(image_shape).flatten() for values in (module.mean, module.std))
        elif isinstance(module, nn.Linear) and module.in_features == len(mean):
            return FirstLayer(module, mean.to(module.weight).double(), std.to(module.weight).double(), image_shape)
        elif next(module.children(), None) is None and not isinstance(module, nn.Flatten | nn.Identity):
            break
    raise ValueError("The first layer of this model does not see all pixels at once; choose the model mlp.")


def label_of_one(seen: Observation, rng: torch.Generator) -> tuple[Tensor | None, tuple[Table, ...]]:
    """The label of a batch of one image, (1,), and what tells it.

    None for more images, whose labels come in no order, or where nothing tells.
    """
    restored = restore_labels("auto", seen, rng) if seen.batch_size == 1 else None
    return (None, ()) if restored is None else (restored.labels, restored.tables())


@dataclass(frozen=True)
class Rows:
    """What one round says about the first layer of its model; a row with numbers that are not finite is zero."""

    model: nn.Module
    layer: FirstLayer
    weight: Tensor
    """(R, n) float64, of the update read as the gradient of a mean loss."""
    bias: Tensor | None
    """(R,) float64; None where the layer has none."""

    @property
    def strength(self) -> Tensor:
        """(R,), zero where a row says nothing."""
        return self.weight.norm(dim=1) if self.bias is None else self.bias.abs()


def rows(seen: Observation, model: nn.Module, update: Update) -> Rows:
    """The rows of what the client sent for ``model``. Raises ValueError as ``first_layer`` does."""
    layer = first_layer(model, seen.image_shape)
    gradient = seen.rule.mean_gradient(update, seen.batch_size)
    sent = {id(parameter): g for parameter, g in zip(model.parameters(), gradient, strict=True)}
    weight = sent[id(layer.linear.weight)].double()
    bias = None if layer.linear.bias is None else sent[id(layer.linear.bias)].double()
    finite = weight.isfinite().all(dim=1) & (True if bias is None else bias.isfinite())
    return Rows(model, layer, weight.where(finite[:, None], 0), None if bias is None else bias.where(finite, 0))


def common_input(layer: FirstLayer, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The one input that all rows share, (n,): ``weight`` (R, n) is ``bias`` (R,) times it.

    With a bias, weighted least squares (Phong et al., IEEE TIFS 2018, whose ratio is the case of one row); an entry of
    exactly zero counts as not sent, so that pruning only takes away equations. Without one the direction is known, but
    neither its length nor its sign.
    """
    if bias is None:
        return fill_range(layer, leading_direction(weight))
    there = (weight != 0).to(weight)
    return (bias @ weight) / (bias.square() @ there).clamp_min(torch.finfo(torch.float64).tiny)


def leading_direction(weight: Tensor, *, iterations: int = 20) -> Tensor:
    """The unit vector, (n,), that explains most of the rows, by power iteration from the longest one."""
    direction = weight[weight.norm(dim=1).argmax()]
    for _ in range(iterations):
        direction = nn.functional.normalize(weight.T @ (weight @ direction), dim=0)
    return direction


def fill_range(layer: FirstLayer, direction: Tensor) -> Tensor:
    """``direction`` (n,) with the sign and the length that let the picture span the most of [0, 1]."""

    def longest(sign: int) -> Tensor:
        step = sign * direction * layer.std
        room = torch.where(step > 0, 1 - layer.mean, layer.mean)
        return (room / step.abs()).nan_to_num(torch.inf).min()

    plus, minus = longest(1), longest(-1)
    length = plus if plus >= minus else -minus
    return direction * (length if length.isfinite() else 0)
