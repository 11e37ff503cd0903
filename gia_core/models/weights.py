"""Trained weights on disk, so that a network is trained once."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from ..component import Component
from ..types import Data, LabeledImages

if TYPE_CHECKING:
    from torch import Tensor, nn

    from . import Model

RECIPE = 1
"""Count up whenever networks are built or trained differently: weights that were cached before are then made anew."""


def fingerprint(model: Model, dataset: Component, data: Data, *, seed: int) -> str:
    """Of everything that decides the trained weights; the mode in which a network is attacked does not."""
    made_of = {
        "recipe": RECIPE,
        "model": model.model_dump(mode="json", exclude={"mode"}),
        "dataset": dataset.model_dump(mode="json"),
        "image_shape": data.image_shape,
        "class_names": data.class_names,
        "mean": data.mean,
        "std": data.std,
        "images": content(data.training),
        "seed": seed,
    }
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


def content(split: LabeledImages) -> str:
    """Of all labels and of some sixty images across the split: a folder may hold other pictures than last time."""
    digest = hashlib.sha256(split.labels.tobytes())
    for index in range(0, len(split), max(1, len(split) // 64)):
        digest.update(split.image(index).tobytes())
    return digest.hexdigest()


def restore(module: nn.Module, path: Path) -> bool:
    """Fill ``module`` from ``path``; False, and nothing changed, where the file is missing or not what it should be."""
    expected = module.state_dict()
    try:
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            intact = (file.metadata() or {}).get("sha256") == checksum(state)
    except (OSError, SafetensorError):
        return False
    shapes = {name: (tensor.shape, tensor.dtype) for name, tensor in state.items()}
    if not intact or shapes != {name: (tensor.shape, tensor.dtype) for name, tensor in expected.items()}:
        return False
    module.load_state_dict(state)
    return True


def store(module: nn.Module, path: Path) -> None:
    """Keep the weights of ``module`` where ``restore`` finds them."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}
    write(path, save(state, metadata={"sha256": checksum(state)}))


def write(path: Path, content: bytes) -> None:
    """Write ``path`` at one stroke: whoever reads it meanwhile sees the old file or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def checksum(state: dict[str, Tensor]) -> str:
    """Of all names and values: safetensors would not notice a changed number."""
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].numpy().tobytes())
    return digest.hexdigest()
