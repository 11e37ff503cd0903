"""Small victims, clients and observations for tests of attacks and defenses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn

from gia_core.clients import FedSGD
from gia_core.models.attention import Block, VisionTransformer
from gia_core.models.layers import drawn_from
from gia_core.models.parties import Party, SplitNetwork
from gia_core.priors.generator import Generator
from gia_core.priors.networks import Decoder
from gia_core.types import Batch, ClientRule, Observation, Rehearsal, Round, Update, UpdateRule


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small_network(
    activation: Callable[[], nn.Module] = nn.Sigmoid, *, classes: int = 4, bias: bool = True, seed: int = 0
) -> nn.Module:
    """Two layers on 1 × 8 × 8 images, with weights large enough for a smooth inversion."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), activation(), nn.Linear(32, classes, bias=bias))
    rng = generator(seed)
    for parameter in model.parameters():
        nn.init.uniform_(parameter, -0.5, 0.5, generator=rng)
    return model.eval()


def batch_norm_network(*, classes: int = 4) -> nn.Module:
    """A convolution with BatchNorm in training mode, whose statistics every forward pass would like to change."""
    torch_state = torch.random.get_rng_state()
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Sigmoid(), nn.Flatten(), nn.Linear(256, classes)
    )
    torch.random.set_rng_state(torch_state)
    rng = generator(1)
    for parameter in model.parameters():
        nn.init.uniform_(parameter, -0.5, 0.5, generator=rng)
    return model.train()


def bare_transformer(*, dim: int = 32, patch: int = 2, classes: int = 4, seed: int = 0) -> nn.Module:
    """A vision transformer on 1 × 8 × 8 images whose first attention gets the patches as they are."""
    patches = (8 // patch) ** 2
    with drawn_from(generator(seed)):
        blocks = [Block(dim, 2, activation="gelu", bare=bare) for bare in (True, False)]
        model = VisionTransformer(1, patches, blocks, patch=patch, dim=dim, classes=classes)
    return model.eval()


def split_network(*, hidden: int = 16, classes: int = 4, seed: int = 0) -> SplitNetwork:
    """Four parties with a quadrant each of a 1 × 8 × 8 image."""
    with drawn_from(generator(seed)):
        parties = [Party((1, 4, 4), nn.Sigmoid, channels=8, hidden=hidden, embedding=8) for _ in range(4)]
        network = SplitNetwork(nn.Identity(), parties, nn.Linear(32, classes))
    return network.eval()


def untrained_prior(*, num_classes: int = 0, seed: int = 0) -> Decoder:
    """A generator of 1 × 8 × 8 images that has learned nothing."""
    with drawn_from(generator(seed)):
        return Decoder((1, 8, 8), latent=16, width=8, num_classes=num_classes).requires_grad_(False)


class Smooth(Generator):
    """Draws pictures of the kind of ``private_batch``: nine gray values with smooth ways between them."""

    image_shape, latent_shape, num_classes = (1, 8, 8), (9,), 0

    def forward(self, codes: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        return smoothed(codes.sigmoid().unflatten(1, (1, 3, 3)))


def smooth_prior() -> Smooth:
    """A generator that knows perfectly what private pictures look like."""
    return Smooth()


def smoothed(coarse: torch.Tensor) -> torch.Tensor:
    """(B, 1, 3, 3) to (B, 1, 8, 8)."""
    return nn.functional.interpolate(coarse, size=8, mode="bilinear", align_corners=True)


def private_batch(size: int = 1, *, classes: int = 4, seed: int = 0) -> Batch:
    """Smooth random pictures of 1 × 8 × 8 pixels."""
    rng = generator(seed)
    images = smoothed(torch.rand(size, 1, 3, 3, generator=rng))
    return Batch(images, torch.randint(classes, (size,), generator=rng))


def observation(
    model: nn.Module,
    batch: Batch,
    *,
    rule: ClientRule | None = None,
    update: Update | None = None,
    labels: bool = False,
    classes: int = 4,
) -> Observation:
    """What the server sees of an undefended client, or of one that sent ``update``."""
    rule = rule or FedSGD()
    return Observation(
        rounds=(Round(model, rule(model, batch) if update is None else update),),
        rule=rule,
        image_shape=(1, 8, 8),
        batch_size=len(batch.images),
        num_classes=classes,
        labels=batch.labels if labels else None,
    )


def single_updates(model: nn.Module, batch: Batch) -> Observation:
    """What the server sees of clients that hold one image of the batch each."""
    rule, places = FedSGD(), torch.arange(len(batch.images))
    rounds = tuple(Round(model, rule(model, batch.only(place)), indices=place) for place in places.split(1))
    return replace(observation(model, batch, labels=True), rounds=rounds)


def rehearsal(model: nn.Module, public: Batch, rule: UpdateRule) -> Rehearsal:
    """The client, imitated without any chance of its own."""
    return Rehearsal(model, public, lambda sent, batch: (rule(sent, batch), batch.images), "undisguised")
