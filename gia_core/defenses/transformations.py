"""The steps of ATS' policies, and how to undo them. Imports torch and torchvision: only for use inside methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.v2 import functional

from .encoding import Key

Operation: TypeAlias = Literal["contrast", "brightness", "sharpness", "translate-x", "translate-y"]

LIBRARY: dict[int, tuple[Operation, int]] = {
    1: ("contrast", 6),
    3: ("translate-x", 9),
    4: ("sharpness", 1),
    7: ("translate-y", 2),
    13: ("brightness", 5),
    15: ("brightness", 9),
    18: ("contrast", 7),
    21: ("translate-x", 5),
    43: ("translate-y", 3),
}
"""Of the authors' fifty steps those that the published policies use: what they do, and how much, from 0 to 9."""
FARTHEST = 150 / 331
"""The largest shift as a share of the image's side; that of AutoAugment on its largest images."""
STRONGEST = 0.5
"""The largest change of a factor from 1."""
SMOOTHNESS = 1e-3
"""How much a jump between neighboring pixels counts beside an error, where a shift has pushed the picture out."""
ITERATIONS = 100


@dataclass(frozen=True)
class Step:
    """One operation on one image."""

    operation: Operation
    amount: float
    """Share of the side for shifts, change of the factor from 1 for the others; negative for the other direction."""

    def __call__(self, image: Tensor) -> Tensor:
        """(C, H, W) in [0, 1] to the same, differentiable; what a shift uncovers is mid-gray."""
        match self.operation:
            case "translate-x":
                return shifted(image, round(self.amount * image.shape[2]), 0)
            case "translate-y":
                return shifted(image, 0, round(self.amount * image.shape[1]))
            case "sharpness":
                return sharpened(image, 1 + self.amount)
            case "contrast":
                contrasted: Tensor = functional.adjust_contrast(image, 1 + self.amount)
                return contrasted
            case "brightness":
                lit: Tensor = functional.adjust_brightness(image, 1 + self.amount)
                return lit


def sharpened(image: Tensor, factor: float) -> Tensor:
    """(C, H, W) away from its blurred self by ``factor``; below 1 towards it. Border pixels stay.

    As torchvision's function of this name, which writes over its own intermediate results and so has no gradient.
    """
    kernel = torch.ones(3, 3).to(image)
    kernel[1, 1] = 5
    blurred = F.conv2d(image[:, None], (kernel / 13)[None, None])[:, 0]
    inside = image[:, 1:-1, 1:-1]
    return (image + F.pad((factor - 1) * (inside - blurred), (1, 1, 1, 1))).clamp(0, 1)


def shifted(image: Tensor, right: int, down: int) -> Tensor:
    """(C, H, W) moved by whole pixels."""
    fill = [0.5] * len(image)
    moved: Tensor = functional.affine(image, angle=0.0, translate=[right, down], scale=1.0, shear=[0.0, 0.0], fill=fill)
    return moved


@dataclass(frozen=True)
class Altered(Key):
    """Every image went through steps of its own."""

    steps: tuple[tuple[Step, ...], ...]
    """One tuple for each of the B images."""

    def apply(self, images: Tensor) -> Tensor:
        """(B, C, H, W) private images to encoded ones, differentiable."""
        altered = []
        for image, steps in zip(images, self.steps, strict=True):
            for step in steps:
                image = step(image)
            altered.append(image)
        return torch.stack(altered)

    def decode(self, images: Tensor, earlier: Sequence[tuple[Key, Tensor]]) -> Tensor:
        """Pictures that the same steps turn into what arrived, in all rounds, and smooth where that leaves them open.

        Searched with L-BFGS from mid-gray, where no step has cut anything off.
        """
        told = [(key, image) for key, image in (*earlier, (self, images)) if isinstance(key, Altered)]
        found = torch.full_like(images, 0.5).requires_grad_()
        optimizer = torch.optim.LBFGS([found], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

        def evaluate() -> Tensor:
            error = torch.stack([(key.apply(found) - image).square().sum() for key, image in told]).sum()
            loss = error + SMOOTHNESS * roughness(found)
            (found.grad,) = torch.autograd.grad(loss, (found,))
            return loss

        optimizer.step(evaluate)
        return found.detach().clamp(0, 1)


def roughness(images: Tensor) -> Tensor:
    """Sum of squared differences between neighboring pixels."""
    return images.diff(dim=2).square().sum() + images.diff(dim=3).square().sum()


def draw(policy: str, strength: float, rng: torch.Generator) -> tuple[Step, ...]:
    """One of the policies in ``policy`` ("3-1-7+43-18-18"), each step in a random direction."""
    choices = policy.split("+")
    chosen = choices[int(torch.randint(len(choices), (), generator=rng))]
    steps = []
    for number in chosen.split("-"):
        operation, level = LIBRARY[int(number)]
        largest = FARTHEST if operation.startswith("translate") else STRONGEST
        direction = 1 if torch.rand((), generator=rng) < 0.5 else -1
        steps.append(Step(operation, direction * strength * largest * level / 9))
    return tuple(steps)
