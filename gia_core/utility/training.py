"""Federated training with real clients, each behind its own defenses. Imports torch: for workers only."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from ..clients import FedAvg, FedSGD
from ..defenses import Defended, Defense, defend, needs_public, remodeled
from ..models.batch_norm import batch_norm_layers
from ..models.training import generator, load
from ..types import Batch, ClientRule, Data, LabeledImages, Update
from .spec import UtilitySpec, evaluated_after, too_few_images

AT_ONCE = 256
"""Images that go through the network together where nothing is learned."""
PUBLIC_SHARE = 0.1
"""Of the training images, kept from the clients where a defense mixes public ones in."""


@dataclass(frozen=True)
class Material:
    """The images of one experiment, the same for both arms and all seeds; on the device."""

    data: Data
    clients: Batch
    """What is dealt to the clients, (N, C, H, W)."""
    choosing: Batch
    """Held-out images that decide on the learning rate."""
    reporting: Batch
    """Other held-out images, which give the accuracy."""
    public: Tensor | None
    """(N, C, H, W) training images that no client holds, where a defense needs them."""


class Point(NamedTuple):
    """Where a training stands after one evaluation."""

    round: int
    choosing: float
    """Share of the images that choose the learning rate that is classified correctly."""
    reporting: float
    """The same of those that give the accuracy."""


@dataclass(frozen=True)
class Lap:
    """A training after one more client's update. Any of them is a valid place to stop."""

    round: int
    """From 1 on."""
    points: tuple[Point, ...]
    """Evaluations so far."""
    diverged: bool = False
    """Whether a number became infinite, which ended the training."""


def gather(spec: UtilitySpec, *, home: Path, device: str) -> Material:
    """Draw the images of all trainings. Raises ValueError with one sentence where there are too few."""
    data = spec.dataset.open(home)
    drawn = some(data.training, spec.training_images, "training images", spec.seed)
    mixed_in = round(PUBLIC_SHARE * len(drawn)) if needs_public(spec.defenses) else 0
    if reason := too_few_images(len(drawn) - mixed_in, spec):
        raise ValueError(reason)
    held_out = some(data.victims, spec.held_out_images, "held-out images", spec.seed)
    half = len(held_out) // 2
    return Material(
        data=data,
        clients=loaded(data.training, drawn[mixed_in:], device),
        choosing=loaded(data.victims, held_out[:half], device),
        reporting=loaded(data.victims, held_out[half:], device),
        public=loaded(data.training, drawn[:mixed_in], device).images if mixed_in else None,
    )


def some(images: LabeledImages, most: int, purpose: str, seed: int) -> Tensor:
    """Indices of ``most`` images or of all, in random order."""
    return torch.randperm(len(images), generator=generator(seed, purpose))[:most]


def loaded(images: LabeledImages, indices: Tensor, device: str) -> Batch:
    pixels, labels = load(images, indices)
    return Batch(pixels.to(device), labels.to(device))


@dataclass(frozen=True)
class Client:
    """One of those who train together."""

    share: Tensor
    """Indices of the images that it holds."""
    rule: Defended
    rng: torch.Generator
    """Draws its batches; its defenses have another one, so that they leave the batches alone."""

    def answer(self, model: nn.Module, spec: UtilitySpec, images: Batch) -> Update:
        """Its update for the model of this round."""
        batch = images.only(self.drawn(spec).to(images.images.device))
        if len(batch.images):
            return self.rule(model, batch)
        return self.rule.send(model, batch)  # there is nothing to encode, but noise is sent all the same

    def drawn(self, spec: UtilitySpec) -> Tensor:
        """Indices of a batch: of a fixed size, or by a coin toss for each image, where it may be empty."""
        if spec.samples_by_coin_toss:
            taken = torch.rand(len(self.share), generator=self.rng) < min(1.0, spec.batch_size / len(self.share))
            return self.share[taken]
        return self.share[torch.randperm(len(self.share), generator=self.rng)[: spec.batch_size]]


def train(
    spec: UtilitySpec, material: Material, defenses: tuple[Defense, ...], *, rate: float, seed: int
) -> Iterator[Lap]:
    """Train from the initialization on, all clients in every round (McMahan et al., AISTATS 2017, algorithm 1).

    Whatever the defenses, the initialization, the division of the images and the batches follow from ``seed`` alone.
    """
    model = material_model(spec, material, defenses, seed)
    rule, server_lr = at_rate(spec, rate)
    clients = dealt(spec, material, rule, defenses, seed)
    points: tuple[Point, ...] = ()
    due = evaluated_after(spec.rounds, spec.evaluations)
    for number in range(1, spec.rounds + 1):
        total: Update = ()
        for client in clients:
            update = client.answer(model, spec, material.clients)
            total = tuple(t + u for t, u in zip(total, update, strict=True)) if total else update
            yield Lap(number, points)
        model = rule.advance(model, tuple(t / len(clients) for t in total), server_lr)
        if not all(parameter.isfinite().all() for parameter in model.parameters()):
            yield Lap(number, points, diverged=True)
            return
        if number in due:
            points = (*points, evaluated(model, material, number))
    yield Lap(spec.rounds, points)


def material_model(spec: UtilitySpec, material: Material, defenses: tuple[Defense, ...], seed: int) -> nn.Module:
    """The untrained network, changed where a defense changes it for everyone."""
    network = spec.model.build(material.data, generator(seed, "parameters"))
    return remodeled(defenses, network, generator(seed, "changed network")).to(material.clients.images.device)


def at_rate(spec: UtilitySpec, rate: float) -> tuple[FedSGD | FedAvg, float]:
    """The clients' rule and the server's step size: where clients take steps of their own, the server takes the mean.

    Raises ValueError for clients that hold parts of images.
    """
    match spec.client:
        case FedAvg():
            return spec.client.model_copy(update={"local_lr": rate}), 1.0
        case FedSGD():
            return spec.client, rate
        case _:
            raise ValueError("Only fedsgd and fedavg clients train a network together; choose one of them.")


def dealt(
    spec: UtilitySpec, material: Material, rule: ClientRule, defenses: tuple[Defense, ...], seed: int
) -> list[Client]:
    """All clients with equally many images each; a few images may be left over."""
    size = len(material.clients.images) // spec.clients
    order = torch.randperm(len(material.clients.images), generator=generator(seed, "division"))
    return [
        Client(
            share=order[number * size : (number + 1) * size],
            rule=defend(Careful(rule), defenses, generator(seed, f"defense {number}"), material.public),
            rng=generator(seed, f"batches {number}"),
        )
        for number in range(spec.clients)
    ]


@dataclass(frozen=True)
class Careful:
    """A client's rule that makes nothing of nothing: the mean over no image would not be a number."""

    rule: ClientRule

    def __call__(self, model: nn.Module, batch: Batch, *, differentiable: bool = False) -> Update:
        if len(batch.images):
            return self.rule(model, batch, differentiable=differentiable)
        return tuple(torch.zeros_like(parameter) for parameter in model.parameters())


def evaluated(model: nn.Module, material: Material, number: int) -> Point:
    judged = measured(model, material)
    return Point(number, accuracy(judged, material.choosing), accuracy(judged, material.reporting))


def measured(model: nn.Module, material: Material) -> nn.Module:
    """A copy in eval mode, whose BatchNorm statistics are those of the clients' images, if any are in use.

    Clients do not send the statistics of their batches, so they are measured anew (Izmailov et al., UAI 2018,
    section 3.2).
    """
    judged = copy.deepcopy(model)
    if judged.training and batch_norm_layers(judged):
        update_bn(material.clients.images[: 4 * AT_ONCE].split(AT_ONCE), judged)
    return judged.eval()


def accuracy(model: nn.Module, held_out: Batch) -> float:
    """Share of the images that are classified correctly."""
    with torch.no_grad():
        guesses = torch.cat([model(images).argmax(dim=1) for images in held_out.images.split(AT_ONCE)])
    return float((guesses == held_out.labels).float().mean())


def chance(held_out: Batch) -> float:
    """The accuracy of who always guesses the most frequent class."""
    return float(held_out.labels.bincount().max() / len(held_out.labels))
