"""Networks of an audit outside of one: as its client would receive them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..spec import AuditSpec

if TYPE_CHECKING:
    from torch import nn

    from ..types import Data


def network_of(spec: AuditSpec, data: Data, home: Path) -> nn.Module:
    """The network that ``spec`` describes, trained where it asks for that; a network that was trained is found again.

    Raises as ``prepare``.
    """
    from ..models.training import prepare

    training = prepare(spec.model, spec.dataset, data, seed=spec.seed, home=home, device="cpu")
    while True:
        try:
            next(training)
        except StopIteration as over:
            network: nn.Module = over.value
            return network
