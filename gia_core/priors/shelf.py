"""Where priors are kept: a few come with GIA Lab, others were trained on this machine.

A prior is three files of one name: the weights, a picture of samples, and the card, which is written last and removed
first. What has no card does not exist. All but ``load`` works without torch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from ..datasets import Dataset
from .card import Card
from .spec import trained_here

if TYPE_CHECKING:
    from .generator import Generator

SHIPPED = Path(__file__).parents[2] / "assets" / "priors"
AUTO = "auto"
LARGEST_FILE = 2**28
"""Bytes of a weights file that is opened at all."""


def priors(home: Path) -> tuple[Card, ...]:
    """All that can be read, those that come with GIA Lab first; each name once."""
    found = {card.name: card for folder in (SHIPPED, trained_here(home)) for card in cards(folder)}
    return tuple(found.values())


def cards(folder: Path) -> Iterator[Card]:
    """Those of one folder; what is damaged, or of another version, is left out."""
    for file in sorted(folder.glob("*.json")):
        try:
            card = Card.model_validate_json(file.read_bytes())
        except (OSError, ValidationError):
            continue
        if card.name == file.stem:
            yield card


def find(name: str, home: Path) -> tuple[Card, Path]:
    """A card and the folder it lies in, first among those trained here.

    Raises ValueError with a sentence that tells what there is instead.
    """
    for folder in (trained_here(home), SHIPPED):
        for card in cards(folder):
            if card.name == name:
                return card, folder
    there = ", ".join(card.name for card in priors(home)) or "none"
    raise ValueError(f"There is no prior called {name} on this machine; there are: {there}.")


def sheet(name: str, home: Path) -> bytes | None:
    """The picture of samples, as PNG; None where it is missing."""
    try:
        card, folder = find(name, home)
        return (folder / f"{card.name}.png").read_bytes()
    except (OSError, ValueError):
        return None


def fitting(name: str, dataset: Dataset, home: Path) -> Card:
    """The prior called ``name``, or for "auto" the first that has seen images of ``dataset``, as ``dataset`` needs it.

    Raises ValueError with a sentence that tells what to choose instead.
    """
    if name != AUTO:
        card, _ = find(name, home)
        if reason := card.objection(dataset):
            raise ValueError(reason)
        return card
    for card in priors(home):
        if card.spec.dataset == dataset and card.has_seen_images:
            return card
    raise ValueError(
        f"No prior on this machine has learned from {dataset.name} of this size; train one on the page Priors, or "
        "choose another one."
    )


def objection(name: str, dataset: Dataset, home: Path) -> str | None:
    """Why ``fitting`` finds none, in one sentence; None where it does."""
    try:
        fitting(name, dataset, home)
    except ValueError as reason:
        return str(reason)
    return None


def prepared(name: str, *, dataset: Dataset, home: Path) -> Generator:
    """The network of ``fitting``."""
    return load(fitting(name, dataset, home).name, home)


def remove(name: str, home: Path) -> None:
    """Take a prior that was trained here off the shelf, its card first; others stay. Raises OSError."""
    for suffix in (".json", ".png", ".safetensors"):
        (trained_here(home) / f"{name}{suffix}").unlink(missing_ok=True)


def load(name: str, home: Path) -> Generator:
    """The prior as a network in evaluation mode, on the CPU.

    Raises ValueError with one sentence where there is none of that name, or where its weights are not the ones that
    its card describes: that is found out from the hash and the shapes, before any tensor is used.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load as tensors

    card, folder = find(name, home)
    content = intact(card, folder)
    generator = empty(card)
    expected = {key: (tensor.shape, tensor.dtype) for key, tensor in generator.state_dict().items()}
    try:
        state = tensors(content)
    except SafetensorError as error:
        raise ValueError(foreign(card)) from error
    if {key: (tensor.shape, tensor.dtype) for key, tensor in state.items()} != expected:
        raise ValueError(foreign(card))
    generator.load_state_dict(state, assign=True)
    return generator.eval().requires_grad_(False)


def intact(card: Card, folder: Path) -> bytes:
    """The weights file, which is the one that the card was written for."""
    file = folder / f"{card.name}.safetensors"
    try:
        content = file.read_bytes() if file.stat().st_size <= LARGEST_FILE else b""
    except OSError as error:
        raise ValueError(f"The weights of the prior {card.name} are missing; train it again.") from error
    if hashlib.sha256(content).hexdigest() != card.sha256:
        raise ValueError(f"The weights of the prior {card.name} are damaged or another prior's; train it again.")
    return content


def empty(card: Card) -> Generator:
    """The network that the card describes, without memory for its weights."""
    import torch

    with torch.device("meta"):
        return card.spec.method.generator(card.image_shape, card.num_classes)


def foreign(card: Card) -> str:
    return f"The weights of the prior {card.name} do not fit the network that its card describes; train it again."
