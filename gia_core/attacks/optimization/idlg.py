from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from ...types import Observation, Step
from .lbfgs_search import LBFGSSearch

if TYPE_CHECKING:
    import torch


class IDLG(LBFGSSearch):
    """iDLG: the label is read off the gradient first, then the image is searched (Zhao et al., 2020).

    The rule is exact for one image; for more images the labels must be granted.
    """

    name: Literal["idlg"] = "idlg"
    labels: Literal["auto", "known", "idlg"] = "auto"
    """How the label is found: granted ("known"), read off the gradient of one image ("idlg"), or the first of these
    that applies ("auto")."""

    def run(self, seen: Observation, rng: torch.Generator) -> Iterator[Step]:
        return self.search(seen, rng, self.labels)
