"""A training on disk, from which it goes on as if it had never been interrupted. Tensors and JSON, no pickle."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from ..models.weights import checksum, write

Counters = dict[str, float]

DIGITS = 16
"""Of a fingerprint in a file name."""
ABANDONED_AFTER = 30 * 24 * 3600.0
"""Seconds after which nobody will go on with an interrupted training."""


class Checkpoint:
    """Everything that a training has to remember lives in what it is given; ``restore`` changes that in place.

    ``fingerprint`` tells the training: a checkpoint of another one is none.
    """

    def __init__(
        self,
        path: Path,
        fingerprint: str,
        networks: dict[str, nn.Module],
        optimizers: dict[str, torch.optim.Optimizer],
        rng: torch.Generator,
    ) -> None:
        self.path, self.fingerprint = path, fingerprint
        self.networks, self.optimizers, self.rng = networks, optimizers, rng

    def save(self, counters: Counters) -> None:
        """Replace the last checkpoint at one stroke. Raises OSError."""
        tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in self.tensors()}
        about = {"fingerprint": self.fingerprint, "counters": json.dumps(counters), "sha256": checksum(tensors)}
        write(self.path, save(tensors, metadata=about))

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        for name, network in self.networks.items():
            for key, tensor in network.state_dict().items():
                yield f"network/{name}/{key}", tensor
        for name, optimizer in self.optimizers.items():
            for index, state in optimizer.state_dict()["state"].items():
                for key, tensor in state.items():
                    yield f"optimizer/{name}/{index}/{key}", tensor
        yield "rng", self.rng.get_state()

    def restore(self) -> Counters | None:
        """The counters that were saved; None, and nothing changed, where there is no whole checkpoint of this one."""
        try:
            with safe_open(self.path, framework="pt") as file:
                about = file.metadata() or {}
                tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError):
            return None
        if about.get("fingerprint") != self.fingerprint or about.get("sha256") != checksum(tensors):
            return None
        for name, network in self.networks.items():
            network.load_state_dict({key: tensors[f"network/{name}/{key}"] for key in network.state_dict()})
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(
                {**optimizer.state_dict(), "state": by_index(tensors, prefix=f"optimizer/{name}/")}
            )
        self.rng.set_state(tensors["rng"])
        counters: Counters = json.loads(about["counters"])
        return counters

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


def path_of(folder: Path, name: str, fingerprint: str) -> Path:
    """Where the training of the prior ``name`` with this fingerprint is remembered, among those in ``folder``."""
    return folder / f"{name}-{fingerprint[:DIGITS]}.safetensors"


def clear(folder: Path, name: str) -> None:
    """Forget every training of the prior ``name``, which can begin no more once there is one of that name."""
    for file in folder.glob(f"{name}-{'?' * DIGITS}.safetensors"):
        file.unlink(missing_ok=True)


def clear_abandoned(folder: Path, *, now: float) -> None:
    """Forget what has not been touched for ``ABANDONED_AFTER`` seconds, whatever it is."""
    for file in folder.glob("*"):
        with suppress(FileNotFoundError):  # somebody else was faster
            if now - file.stat().st_mtime > ABANDONED_AFTER:
                file.unlink()


def by_index(tensors: dict[str, Tensor], *, prefix: str) -> dict[int, dict[str, Tensor]]:
    """What an optimizer keeps, per parameter."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith(prefix):
            index, key = name.removeprefix(prefix).split("/")
            state.setdefault(int(index), {})[key] = tensor
    return state
