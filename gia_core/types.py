"""The tensors that flow through an audit.

One shape legend everywhere: B images, C channels, H height, W width, K classes, N images of a data set.
Pixels are floats in [0, 1] outside a model; a model normalizes its own input.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:  # importing torch costs two seconds, and the pages read this module too
    from pathlib import Path

    import numpy as np
    from torch import Tensor, nn

Update: TypeAlias = "tuple[Tensor, ...]"
"""What a client sends: one tensor per parameter, in ``model.parameters()`` order."""


@dataclass(frozen=True)
class LabeledImages:
    """One split of a data set, read one image at a time."""

    labels: np.ndarray
    """(N,) int64 class indices."""
    image: Callable[[int], np.ndarray]
    """Index to (H, W, C) uint8; C is 1 or 3."""

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Data:
    """An opened data set. The two splits share no pixel."""

    image_shape: tuple[int, int, int]
    """(C, H, W)."""
    class_names: tuple[str, ...]
    """K names."""
    victims: LabeledImages
    """What clients hold and attackers want."""
    training: LabeledImages
    """What models are trained on before the attack; may be empty."""
    mean: tuple[float, ...]
    """Per channel, of pixels in [0, 1]; a model normalizes its input with it."""
    std: tuple[float, ...]


@dataclass(frozen=True)
class Batch:
    """What the client wants to keep private."""

    images: Tensor
    """(B, C, H, W) in [0, 1]."""
    labels: Tensor
    """(B,) class indices, or (B, K) probabilities, as ``cross_entropy`` accepts."""

    def only(self, indices: Tensor | None) -> Batch:
        """Some of the images with their labels; None for all of them."""
        return self if indices is None else Batch(self.images[indices], self.labels[indices])


class UpdateRule(Protocol):
    """How a client turns a batch into an update: FedSGD, FedAvg, or one of them defended."""

    def __call__(self, model: nn.Module, batch: Batch, *, differentiable: bool = False) -> Update: ...


class ClientRule(UpdateRule, Protocol):
    """An update rule without defenses, with what every participant knows about it."""

    def mean_gradient(self, update: Update, batch_size: int) -> Update:
        """``update`` read as one gradient of the mean loss: what label rules need, whatever the client's step size."""
        ...

    def local_steps(self, batch_size: int) -> int:
        """Gradients that the client takes one after the other, each on weights that the last one changed."""
        ...


def unchanged(value: Tensor) -> Tensor:
    """``value`` itself."""
    return value


def entire(update: Update) -> Update:
    """``update`` itself."""
    return update


@dataclass(frozen=True)
class Round:
    """One exchange: the model the server sent, and what came back."""

    model: nn.Module
    update: Update
    indices: Tensor | None = None
    """Which images of the batch took part, where the server chose them itself; None for all of them."""
    expect: Callable[[Update], Update] = entire
    """What a known defense would leave of an update, differentiable."""
    compared: Callable[[Update], Update] = entire
    """What of an update, observed or simulated, is compared: zero where a known defense left nothing to learn."""


@dataclass(frozen=True)
class BatchNormStatistics:
    """What one BatchNorm layer received: mean and variance per channel, (features,) each."""

    mean: Tensor
    var: Tensor


@dataclass(frozen=True)
class Rehearsal:
    """The client as the attacker can imitate it with images of its own."""

    model: nn.Module
    """What the server sent in the round that is imitated."""
    public: Batch
    """Other images of the same kind, with their labels."""
    client: Callable[[nn.Module, Batch], tuple[Update, Tensor]]
    """What would be sent of a batch, with the defenses that the attacker knows of and chance of its own; and the images
    (B, C, H, W) that it would be computed on, which are others where a known encoding disguises them."""
    description: str
    """Of all that decides it besides the model and the images: the client's rule and the known defenses."""
    memory: Path | None = None
    """The folder in which the attacker keeps what it has learned for later victims; None for one that keeps nothing."""

    def update_of(self, batch: Batch) -> tuple[Update, Tensor]:
        """``client`` with the model that was sent."""
        return self.client(self.model, batch)


@dataclass(frozen=True)
class Observation:
    """Everything the threat model grants; an attack receives this and nothing else."""

    rounds: tuple[Round, ...]
    rule: ClientRule
    """The client's training as the attacker believes it to be."""
    image_shape: tuple[int, int, int]
    """(C, H, W)."""
    batch_size: int
    num_classes: int
    labels: Tensor | None = None
    """(B,) class indices, where the threat model grants them."""
    batch_norm: tuple[BatchNormStatistics, ...] | None = None
    """One per BatchNorm layer, in ``model.modules()`` order, where the threat model grants them."""
    public: Tensor | None = None
    """(N, C, H, W) other images of the same kind, where the threat model grants them."""
    rehearsal: Rehearsal | None = None
    """The client imitated with these images, where they are granted."""
    query: Callable[[nn.Module], Update] | None = None
    """What the defended client answers when it is sent this model instead, where the server may be malicious."""
    prior: Callable[[str], nn.Module] | None = None
    """Opens one of the generators that the attacker has prepared, by its name; "auto" is one for such victims."""
    others: Callable[[Sequence[int]], Observation] | None = None
    """One more round of the training, in which the other clients with these numbers, from 0 on, send an update of a
    single image each, its label granted; where the threat model has such clients."""
    keep: Callable[[nn.Module], str] | None = None
    """Keeps a generator that has learned from the others' updates so far, and tells the name of the prior it makes."""
    encoded_labels: Callable[[Tensor], Tensor] = unchanged
    """What a known encoding of the batch makes of its labels: (B,) or (B, K) to the same, or to (B, K)."""
    natural: Callable[[Tensor], Tensor] = unchanged
    """What of images under search looks like a picture, (B, C, H, W), where a known encoding leaves less than all."""

    def simulated(self, exchanged: Round, batch: Batch, *, differentiable: bool = False) -> Update:
        """What the attacker believes that the client sends of ``batch`` in this round, as far as it is compared.

        ``batch`` holds encoded images where an encoding is known, and private labels.
        """
        taking_part = batch.only(exchanged.indices)
        encoded = Batch(taking_part.images, self.encoded_labels(taking_part.labels))
        update = self.rule(exchanged.model, encoded, differentiable=differentiable)
        return exchanged.compared(exchanged.expect(update))

    @property
    def device(self) -> str:
        return str(self.rounds[0].update[0].device)


@dataclass(frozen=True)
class Table:
    """Something an attack found out beside the images: ranks, bins, what the server changed."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | int | float | None, ...], ...]
    note: str = ""
    """One or two plain sentences that say how to read it."""


UNKNOWN = -1
"""In place of a class index that an attack cannot tell."""


@dataclass(frozen=True)
class Step:
    """An attack after one iteration, holding the best reconstruction so far.

    Any step is a valid place to stop, so stopping and finishing are the same act.
    """

    iteration: int
    iterations: int
    """How many there will be if nobody stops it; 1 for closed forms."""
    losses: dict[str, float]
    """Every term of the objective at this iteration: raw by name, and the weighted sum as ``total``; empty where
    nothing is minimized."""
    best: dict[str, float]
    """The same terms at the images this step holds."""
    images: Tensor
    """(B, C, H, W) in [0, 1]; mid-gray where an image was not found."""
    labels: Tensor
    """(B,) class indices, UNKNOWN where the attack does not tell."""
    dropped: int = 0
    """Trials that were given up so far because their loss was not finite or diverged."""
    weighted: dict[str, float] = field(default_factory=dict)
    """What each term of ``losses`` adds to the total; without ``total``."""
    tables: tuple[Table, ...] = ()
    """What else there is to tell; the same object from step to step while nothing is new."""
    samples: Tensor | None = None
    """(N, C, H, W) in [0, 1], what a generator that learns meanwhile draws from codes that stay the same; the same
    object from step to step while it has learned nothing new."""
