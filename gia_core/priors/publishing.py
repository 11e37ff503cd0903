"""A finished prior put on a shelf, so that it is there as a whole or not at all."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

from PIL import Image
from safetensors.torch import save
from torch import Tensor

from ..models.weights import write
from .card import Card
from .generator import Generator

COLUMNS = 8
GAP = 2
"""White pixels between two samples."""


def weights(generator: Generator) -> bytes:
    """What is in the weights file."""
    return save({name: tensor.detach().cpu().contiguous() for name, tensor in generator.state_dict().items()})


def publish(card: Card, content: bytes, samples: Tensor, folder: Path) -> None:
    """Replace the prior of that name, if there is one. Whoever looks meanwhile sees the old one, none, or the new one.

    Raises OSError, and leaves no card, where that fails half-way.
    """
    assert hashlib.sha256(content).hexdigest() == card.sha256
    file = folder / card.name
    file.with_suffix(".json").unlink(missing_ok=True)
    write(file.with_suffix(".safetensors"), content)
    write(file.with_suffix(".png"), sheet(samples))
    write(file.with_suffix(".json"), (card.model_dump_json(indent=2) + "\n").encode())


def sheet(samples: Tensor) -> bytes:
    """(N, C, H, W) in [0, 1] as a PNG with eight in a row."""
    samples = samples.cpu()
    count, channels, height, width = samples.shape
    rows = -(-count // COLUMNS)
    paper = samples.new_ones(channels, rows * (height + GAP) - GAP, COLUMNS * (width + GAP) - GAP)
    for index, sample in enumerate(samples):
        top, left = index // COLUMNS * (height + GAP), index % COLUMNS * (width + GAP)
        paper[:, top : top + height, left : left + width] = sample
    pixels = (paper.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    picture = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels).save(picture, "PNG")
    return picture.getvalue()
