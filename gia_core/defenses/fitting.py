"""What the defenses that change the batch or the network ask of the rest of the setup; pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .dp_sgd import DPSGD
from .encoding import Encoding
from .instahide import InstaHide
from .mixup import MixUp
from .precode import Precode

if TYPE_CHECKING:
    from . import Defense


def objections(defenses: tuple[Defense, ...], *, client: str, batch_size: int, training: int) -> Iterator[str]:
    """Every reason why these defenses do not fit, one sentence each.

    ``client`` is the name of the client's rule, ``training`` the number of epochs the network is trained before.
    """
    encodings = [defense for defense in defenses if isinstance(defense, Encoding)]
    if len(encodings) > 1:
        names = " and ".join(defense.name for defense in encodings)
        yield f"{names} each encode the batch, and only one encoding can be undone: keep one of them."
    for encoding in encodings:
        if client == "vertical":
            yield f"{encoding.name} encodes whole images, and a vertical client holds parts: choose another client."
        if batch_size < encoding.least_batch:
            yield (
                f"{encoding.name} mixes {encoding.least_batch} private images: enlarge the batch to as many, or mix "
                "fewer."
            )
        if isinstance(encoding, MixUp | InstaHide) and any(isinstance(defense, DPSGD) for defense in defenses):
            yield (
                f"{encoding.name} puts one private image into several mixed ones, each of which dp-sgd clips on its "
                "own, so epsilon would not hold for the image: keep one of them."
            )
    precodes = [defense for defense in defenses if isinstance(defense, Precode)]
    if len(precodes) > 1:
        yield "One precode is enough: leave the others out."
    if precodes and training:
        yield "precode puts layers into the network that are not trained: set the model's training to 0."
