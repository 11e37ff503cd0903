from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from ...types import Observation, Step
from ..labels import ReadLabels
from .lbfgs_search import LBFGSSearch

if TYPE_CHECKING:
    import torch


class IDLG(LBFGSSearch):
    """iDLG: the label is read off the gradient first, then the image is searched (Zhao et al., 2020).

    The rule is exact for one image; for more images, other rules estimate how often each label occurs.
    """

    name: Literal["idlg"] = "idlg"
    labels: ReadLabels = "auto"

    def run(self, seen: Observation, rng: torch.Generator) -> Iterator[Step]:
        return self.search(seen, rng, self.labels)
