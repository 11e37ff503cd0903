"""The catalog of defenses. To add one: write its file, add its name to the union."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ..types import Batch, Update, UpdateRule
from .ats import ATS
from .clipping import Clipping
from .dp_sgd import DPSGD
from .encoding import Encoded, Encoding
from .gaussian_noise import GaussianNoise
from .instahide import InstaHide
from .laplace_noise import LaplaceNoise
from .mixup import MixUp
from .precode import Precode
from .pruning import Pruning
from .quantization import Quantization
from .soteria import Soteria
from .user_level_dp import UserLevelDP

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

Defense = Annotated[
    GaussianNoise
    | LaplaceNoise
    | Clipping
    | Pruning
    | Quantization
    | DPSGD
    | UserLevelDP
    | MixUp
    | InstaHide
    | ATS
    | Soteria
    | Precode,
    Field(discriminator="name"),
]


@dataclass(frozen=True)
class Defended:
    """A client's rule with its defenses: the batch is encoded first, then the update is computed and protected."""

    send: UpdateRule
    """Of a batch that is already encoded."""
    encoding: Encoding | None
    rng: torch.Generator
    public: Tensor | None

    def __call__(self, model: nn.Module, batch: Batch, *, differentiable: bool = False) -> Update:
        rule = self.send if self.encoding is None else self.encoding.wrap(self.send, self.rng, self.public)
        return rule(model, batch, differentiable=differentiable)

    def encode(self, batch: Batch, classes: int) -> Encoded | None:
        """What the client computes on in place of the batch; None where that is the batch itself."""
        return None if self.encoding is None else self.encoding.encode(batch, classes, self.rng, self.public)


def defend(
    rule: UpdateRule, defenses: tuple[Defense, ...], rng: torch.Generator, public: Tensor | None = None
) -> Defended:
    """Wrap ``rule`` in each defense; the first listed acts first on what the client computed.

    What changes the batch or the network acts before the client computes, wherever it is listed. ``public``
    (N, C, H, W) are images that some encodings mix in.
    """
    after = [defense for defense in defenses if not isinstance(defense, Encoding | Precode)]
    before = [defense for defense in defenses if isinstance(defense, Precode)]
    send = reduce(lambda inner, defense: defense.wrap(inner, rng), [*after, *before], rule)
    encoding = next((defense for defense in defenses if isinstance(defense, Encoding)), None)
    return Defended(send, encoding, rng, public)


def remodeled(defenses: tuple[Defense, ...], model: nn.Module, rng: torch.Generator) -> nn.Module:
    """The network that all participants use because of the defenses; the same object where they change nothing."""
    change = [defense for defense in defenses if isinstance(defense, Precode)]
    return reduce(lambda changed, defense: defense.remodel(changed, rng), change, model)


def needs_public(defenses: tuple[Defense, ...]) -> bool:
    """Whether the client must hold public images."""
    return any(isinstance(defense, Encoding) and defense.needs_public for defense in defenses)


def simulated(defenses: tuple[Defense, ...], model: nn.Module, gradient: Update) -> nn.Module:
    """The network as an attacker who knows the defenses simulates it, where a single image has this ``gradient``."""
    return reduce(lambda known, d: d.opened(known, gradient) if isinstance(d, Precode) else known, defenses, model)


def expectation(defenses: tuple[Defense, ...], observed: Update) -> Callable[[Update], Update]:
    """What an attacker who knows the defenses expects them to leave of an update; the identity if there are none."""
    expects = [defense.expect(observed) for defense in defenses]
    return lambda update: reduce(lambda u, expect: expect(u), expects, update)


def comparison(defenses: tuple[Defense, ...], model: nn.Module, observed: Update) -> Callable[[Update], Update]:
    """What an attacker who knows the defenses compares of two updates for ``model``: all but what they made useless."""
    masks = [defense.comparable(model, observed) for defense in defenses if isinstance(defense, Soteria | Precode)]
    return lambda update: reduce(lambda u, mask: mask(u), masks, update)
