from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from ...types import Observation, Step
from ..labels import SearchedLabels
from .lbfgs_search import LBFGSSearch

if TYPE_CHECKING:
    import torch


class DLG(LBFGSSearch):
    """DLG: image and label are searched together until their gradient matches (Zhu et al., NeurIPS 2019).

    Ends with an exact picture or with garbage, depending on the start; hence the restarts. The label is read off last.
    """

    name: Literal["dlg"] = "dlg"
    labels: SearchedLabels = "joint"

    def run(self, seen: Observation, rng: torch.Generator) -> Iterator[Step]:
        return self.search(seen, rng, self.labels)
