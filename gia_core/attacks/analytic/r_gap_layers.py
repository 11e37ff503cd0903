"""A network as R-GAP needs it: a chain of linear maps and invertible activations (Zhu and Blaschko, ICLR 2021).

Letters: a linear map takes C × H × W numbers x to F filters at P positions, z = A x + bias; k = ∂ℓ/∂z, of z's shape.
Imports torch: only for use inside ``run``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.grad import conv2d_input

from ...models.layers import Normalize
from ...types import Update

EDGE = 2.0**-25
"""How close to the edge of its range an activation's value is believed: half the spacing of float32 below one."""

Activation: TypeAlias = nn.LeakyReLU | nn.Sigmoid | nn.Tanh | nn.ELU


@dataclass(frozen=True)
class Affine:
    """A convolution, or a linear layer taken as a convolution with one position. All tensors are float64."""

    name: str
    weight: Tensor
    """(F, C, kernel height, kernel width)."""
    bias: Tensor
    """(F,); zeros where the layer has none."""
    gradient: Tensor
    """∂ℓ/∂weight."""
    bias_gradient: Tensor | None
    inputs: tuple[int, int, int]
    """C, H, W."""
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)

    @cached_property
    def positions(self) -> tuple[int, int]:
        """How many high and wide; their product is P."""
        sides = zip(self.inputs[1:], self.weight.shape[2:], self.stride, self.padding, self.dilation, strict=True)
        high, wide = ((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in sides)
        return high, wide

    @property
    def outputs(self) -> int:
        return len(self.weight) * math.prod(self.positions)

    @property
    def equations(self) -> int:
        """From z, and from the gradient of every weight."""
        return self.outputs + self.weight.numel()

    def applied(self, images: Tensor, weight: Tensor | None = None) -> Tensor:
        """A x: (N, C, H, W) to (N, F, high, wide), with ``weight`` in place of its own."""
        used = self.weight if weight is None else weight
        return F.conv2d(images, used, stride=self.stride, padding=self.padding, dilation=self.dilation)

    def transposed(self, errors: Tensor) -> Tensor:
        """Aᵀ k: (F, high, wide) to (C, H, W)."""
        shape = (1, *self.inputs)
        moved: Tensor = conv2d_input(shape, self.weight, errors[None], self.stride, self.padding, self.dilation)
        return moved[0]

    def pixels_met(self) -> Tensor:
        """(kernel entries, P): the pixel that each entry of the kernel meets at each position; H × W in the padding."""
        _, height, width = self.inputs
        numbers = torch.arange(1, height * width + 1, dtype=torch.float64).reshape(1, 1, height, width)
        kernel = (self.weight.shape[2], self.weight.shape[3])
        met = F.unfold(numbers, kernel, self.dilation, self.padding, self.stride)[0].long() - 1
        return met.where(met >= 0, height * width)


@dataclass(frozen=True)
class Chain:
    parts: tuple[Affine | Activation, ...]
    """From the image on, without the classifier."""
    head: Affine
    """The classifier."""
    normalize: Normalize | None
    """What the network does to pixels first; None where it takes them as they are."""


def chain(model: nn.Module, gradient: Update, image_shape: tuple[int, int, int]) -> Chain:
    """Raises ValueError with a sentence about the first layer that cannot be undone."""
    modules = sequence(model)
    normalize = modules[0] if modules and isinstance(modules[0], Normalize) else None
    found = {id(p): g.detach().double().cpu() for p, g in zip(model.parameters(), gradient, strict=True)}
    parts: list[Affine | Activation] = []
    shape: tuple[int, ...] = image_shape
    for module in modules[normalize is not None :]:
        match module:
            case nn.Flatten(start_dim=1, end_dim=-1):
                shape = (math.prod(shape),)
            case nn.Conv2d() | nn.Linear():
                layer = affine(module, found, shape, f"{sum(isinstance(part, Affine) for part in parts) + 1}")
                shape = (len(layer.weight), *(layer.positions if isinstance(module, nn.Conv2d) else ()))
                parts.append(layer)
            case nn.Sigmoid() | nn.Tanh() | nn.ELU():
                parts.append(module)
            case nn.LeakyReLU() if module.negative_slope > 0:
                parts.append(module)
            case _:
                raise ValueError(
                    "R-GAP undoes chains of convolutions, linear layers and activations that can be inverted, but this "
                    f"model has a layer of kind {type(module).__name__}; choose cnn6, lenet or mlp with leaky-relu, "
                    "sigmoid, tanh or elu."
                )
    if len(found) < sum(len(list(module.parameters())) for module in modules):
        raise ValueError("R-GAP needs the gradient of every layer, but two layers of this model share their weights.")
    match parts:
        case [*before, Affine(inputs=(_, 1, 1), positions=(1, 1)) as head] if len(shape) == 1:
            return Chain(tuple(before), head, normalize)
    raise ValueError("R-GAP starts at the linear layer that scores the classes, but this model does not end in one.")


def sequence(module: nn.Module) -> list[nn.Module]:
    """The layers of nested ``nn.Sequential``s in order, without those that do nothing."""
    if isinstance(module, nn.Sequential):
        return [layer for part in module for layer in sequence(part)]
    return [] if isinstance(module, nn.Identity) else [module]


def affine(module: nn.Conv2d | nn.Linear, found: dict[int, Tensor], shape: tuple[int, ...], number: str) -> Affine:
    weight, gradient = module.weight.detach().double().cpu(), found[id(module.weight)]
    bias = weight.new_zeros(len(weight)) if module.bias is None else module.bias.detach().double().cpu()
    bias_gradient = None if module.bias is None else found[id(module.bias)]
    name = f"{number}: {type(module).__name__} {weight.shape[1]} → {weight.shape[0]}"
    if isinstance(module, nn.Linear):
        if len(shape) != 1:
            raise ValueError("R-GAP needs a Flatten layer in front of the first linear layer.")
        square, slope = weight[:, :, None, None], gradient[:, :, None, None]
        return Affine(name, square, bias, slope, bias_gradient, (shape[0], 1, 1))
    if len(shape) != 3 or module.groups > 1 or isinstance(module.padding, str) or module.padding_mode != "zeros":
        raise ValueError("R-GAP needs convolutions over all channels, with a stated number of zeros around the image.")
    inputs, stride, padding = (shape[0], shape[1], shape[2]), pair(module.stride), pair(module.padding)
    return Affine(name, weight, bias, gradient, bias_gradient, inputs, stride, padding, pair(module.dilation))


def pair(sizes: tuple[int, ...]) -> tuple[int, int]:
    high, wide = sizes
    return high, wide


def undone(activation: Activation, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What an activation received, its slope there, and the values themselves, moved into its range where needed."""
    match activation:
        case nn.LeakyReLU():
            slope = values.new_full(values.shape, activation.negative_slope).masked_fill(values > 0, 1.0)
            return values / slope, slope, values
        case nn.Sigmoid():
            values = values.clamp(EDGE, 1 - EDGE)
            return values.logit(), values * (1 - values), values
        case nn.Tanh():
            values = values.clamp(EDGE - 1, 1 - EDGE)
            return values.atanh(), 1 - values**2, values
        case _:
            values = values.clamp(min=activation.alpha * (EDGE - 1))
            negative = values.clamp(max=0)
            slope = (negative + activation.alpha).masked_fill(values > 0, 1.0)
            return values.where(values > 0, (negative / activation.alpha).log1p()), slope, values
