"""What is searched when a generator draws the images: its codes, or its weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap


@dataclass(frozen=True)
class Drawing:
    """Unknowns, and the images that they stand for."""

    unknowns: list[Tensor]
    images: Callable[[], Tensor]
    """(B, C, H, W) in [0, 1], of what the unknowns are now."""
    labels: Callable[[], Tensor] | None = None
    """(B, K) probabilities, where the labels are drawn too."""


def by_codes(generator: nn.Module, codes: Tensor, labels: Tensor | None) -> Drawing:
    """The codes (B, …) are unknown, the generator stays as it is."""
    unknown = codes.detach().clone().requires_grad_()
    return Drawing([unknown], lambda: generator(unknown, labels))


def by_shared_weights(network: nn.Module, inputs: Tensor | Callable[[], Tensor]) -> Drawing:
    """The weights are unknown, one set of them for all images; ``inputs`` may be other ones every time."""
    unknowns = {name: parameter.detach().clone().requires_grad_() for name, parameter in network.named_parameters()}

    def images() -> Tensor:
        drawn: Tensor = functional_call(network, unknowns, (inputs() if callable(inputs) else inputs,))
        return drawn

    return Drawing(list(unknowns.values()), images)


def with_labels(drawing: Drawing, network: nn.Module, codes: Tensor) -> Drawing:
    """The same, and a second network with unknown weights that draws the scores of the labels from the codes."""
    drawn = by_shared_weights(network, codes)
    return Drawing([*drawing.unknowns, *drawn.unknowns], drawing.images, lambda: drawn.images().softmax(dim=1))


def by_own_weights(generator: nn.Module, codes: Tensor, labels: Tensor | None) -> Drawing:
    """The weights are unknown, a copy of them for every image (Jeon et al., NeurIPS 2021, section 3.2)."""
    copies = len(codes)
    unknowns = {
        name: parameter.detach().expand(copies, *parameter.shape).clone().requires_grad_()
        for name, parameter in generator.named_parameters()
    }
    asked = torch.full((copies,), -1, device=codes.device) if labels is None else labels

    def image(weights: dict[str, Tensor], code: Tensor, label: Tensor) -> Tensor:
        drawn: Tensor = functional_call(generator, weights, (code[None], label[None]))
        return drawn[0]

    return Drawing(list(unknowns.values()), lambda: vmap(image)(unknowns, codes, asked))
