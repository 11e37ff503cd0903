"""Networks as the attacker meets them: built and, where asked for, trained on the data set's training images."""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..component import Component
from ..types import Data, LabeledImages
from .weights import fingerprint, restore, store

if TYPE_CHECKING:
    from . import Model

BATCH_SIZE = 32
PEAK_LR = 3e-3
WEIGHT_DECAY = 1e-2
MAX_GRADIENT_NORM = 1.0
MAX_BYTES_REMEMBERED = 2**28


@dataclass(frozen=True)
class Training:
    """Where the training stands after one more batch."""

    epoch: int
    """From 1 on."""
    epochs: int
    loss: float
    """Mean cross-entropy over this epoch's images so far."""
    accuracy: float
    """Share of this epoch's images so far that were classified correctly, just before the network learned from them."""


def prepare(
    model: Model, dataset: Component, data: Data, *, seed: int, home: Path, device: str
) -> Generator[Training, None, nn.Module]:
    """The network ``model`` describes, on ``device``, trained for its number of epochs; the generator's return value.

    Trained weights are kept in ``home/weights`` and found again there, in which case nothing is yielded. Closing the
    generator early leaves no trace. Raises ValueError where training is asked for and the data set has no training
    images, where the images do not fit the network, and where training diverges.
    """
    network = model.build(data, generator(seed, "parameters")).to(device)
    if model.training == 0:
        return network
    if len(data.training) == 0:
        raise ValueError("This data set has no training images; set the model's training to 0 epochs.")
    path = home / "weights" / f"{fingerprint(model, dataset, data, seed=seed)}.safetensors"
    if not restore(network, path):
        mode = network.training
        yield from train(network, data.training, epochs=model.training, seed=seed)
        network.train(mode)
        store(network, path)
    return network


def train(network: nn.Module, split: LabeledImages, *, epochs: int, seed: int) -> Iterator[Training]:
    """Train in place: AdamW (Loshchilov and Hutter, ICLR 2019), a short warm-up, then a cosine down to zero.

    One recipe for every network, chosen to get far in few epochs on a few thousand images.
    """
    device = next(network.parameters()).device
    order, augmentation = generator(seed, "order"), generator(seed, "augmentation")
    batches = math.ceil(len(split) / BATCH_SIZE)
    split = remembered(split)
    optimizer = torch.optim.AdamW(network.parameters(), lr=PEAK_LR, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: pace((step + 1) / (epochs * batches + 1)))
    network.train()
    for epoch in range(1, epochs + 1):
        seen, loss, correct = 0, 0.0, 0
        # Batches of nearly equal size: BatchNorm would suffer from a last one of a single image.
        for indices in torch.randperm(len(split), generator=order).tensor_split(batches):
            images, labels = load(split, indices)
            batch_loss, batch_correct = learn(
                network, shift(images, augmentation).to(device), labels.to(device), optimizer
            )
            schedule.step()
            seen, loss, correct = seen + len(labels), loss + batch_loss * len(labels), correct + batch_correct
            yield Training(epoch, epochs, loss / seen, correct / seen)
    optimizer.zero_grad()


def learn(network: nn.Module, images: Tensor, labels: Tensor, optimizer: torch.optim.Optimizer) -> tuple[float, int]:
    """One step on one batch: the mean loss and the number of images that were classified correctly before it."""
    logits = network(images)
    loss = F.cross_entropy(logits, labels)
    if not loss.isfinite():
        raise ValueError("The training diverged; choose another activation, normalization or seed.")
    optimizer.zero_grad()
    torch.autograd.backward(loss)
    nn.utils.clip_grad_norm_(network.parameters(), MAX_GRADIENT_NORM)
    optimizer.step()
    return loss.item(), int((logits.argmax(dim=1) == labels).sum())


def pace(progress: float) -> float:
    """The learning rate at a ``progress`` from 0 to 1, as a share of its peak after a tenth of the way."""
    warmup = 0.1
    if progress < warmup:
        return progress / warmup
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))


def remembered(split: LabeledImages) -> LabeledImages:
    """The same images, kept in memory as far as there is room: cropping a photo takes longer than learning from it."""
    bytes_per_image = split.image(0).size
    return LabeledImages(split.labels, functools.lru_cache(MAX_BYTES_REMEMBERED // bytes_per_image)(split.image))


def load(split: LabeledImages, indices: Tensor) -> tuple[Tensor, Tensor]:
    """(B, C, H, W) in [0, 1] and (B,)."""
    pixels = np.stack([split.image(index) for index in indices.tolist()])
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    return images, torch.from_numpy(split.labels[indices.numpy()])


def shift(images: Tensor, rng: torch.Generator) -> Tensor:
    """Each image moved by up to a sixteenth of its size, its border repeated: an augmentation that suits digits too."""
    height, width = images.shape[2:]
    reach = min(height, width) // 16
    padded = F.pad(images, (reach, reach, reach, reach), mode="replicate")
    corners = torch.randint(2 * reach + 1, (len(images), 2), generator=rng).tolist()
    return torch.stack([p[:, y : y + height, x : x + width] for p, (y, x) in zip(padded, corners, strict=True)])


def generator(seed: int, purpose: str) -> torch.Generator:
    """Random numbers for one purpose, unrelated to those for any other purpose or seed."""
    digest = hashlib.sha256(f"{purpose} {seed}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], signed=True))
