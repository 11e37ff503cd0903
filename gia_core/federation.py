"""All clients of a simulated exchange, and the protocol that stands between them and the server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from .aggregation.coalition import AUDITED, Coalition, silent
from .aggregation.costs import costs
from .aggregation.dead_model import dead, without_classifier_bias
from .aggregation.exchange import Aborted, Exchange, Mistrust
from .aggregation.fingerprint import fingerprint
from .aggregation.plain_sum import PlainSum
from .aggregation.remains import remains
from .defenses import Defended
from .spec import AuditSpec
from .types import Batch, Table, Update
from .verification import RefusedError
from .verification.guard import Guard


class NothingToInvertError(Exception):
    """The exchange left the server nothing that could be inverted: this is how a run ends, and no failure."""

    def __init__(self, reason: str, tables: tuple[Table, ...] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        """One or two sentences for the user."""
        self.tables = tables
        """What led to it; what the exchange cost is told anyway."""


@dataclass(frozen=True)
class Holder:
    """One client: what it holds in private, and how it computes."""

    batch: Batch
    rule: Defended


@dataclass(frozen=True)
class Answer:
    """What came of one model that was sent to all clients."""

    update: Update
    """The mean of the updates that the server is left with."""
    clients: tuple[int, ...]
    """Whose these are, the audited one's first."""
    mean: Update
    """The mean of all updates that arrived, of which the next model is made."""


class Federation:
    """Answers a model with what the server has after all clients have received it."""

    def __init__(
        self,
        spec: AuditSpec,
        holders: Sequence[Holder],
        image_shape: tuple[int, int, int],
        rng: torch.Generator,
        agreed: nn.Module | None = None,
    ) -> None:
        """``holders``: the audited client first; ``image_shape``: (C, H, W); ``rng`` gives the protocol its secrets;
        ``agreed``: the network that the audited client expects, where it checks what it receives."""
        self.guard = Guard(spec.verification, agreed)
        self.holders, self._image_shape, self._rng = holders, image_shape, rng
        self._kind, self._dropouts = spec.aggregation, silent(len(holders), spec.dropouts, spec.aggregation)
        self.coalition = Coalition(spec.knowledge.colluding_clients, spec.knowledge.dead_models)
        self._costs: Table | None = None

    def answer(self, model: nn.Module, batches: Sequence[Batch]) -> Answer:
        """Send ``model``, or to some clients another one in its place; ``batches`` are what each computes on.

        Raises NothingToInvertError where the server can read nothing, or the audited client refuses its part, and
        ValueError with a sentence where the exchange ended without a sum.
        """
        models = self._sent(model)
        updates = self._computed(models, batches)
        own = updates[AUDITED]
        if len(updates) == 1 and self._kind.sees == "updates":
            return Answer(own, (AUDITED,), own)
        seen = self._add_up([flat(update) for update in updates], models)
        held, clients = self.coalition.holds(self._kind, seen)
        if held is None or not seen.plausible:
            raise NothingToInvertError(why_nothing(seen))
        update = shaped(held, own)
        if self.coalition.dead_models:
            update = without_classifier_bias(model, update)
        return Answer(update, clients, shaped(seen.total / len(seen.included), own))

    def _computed(self, models: Sequence[nn.Module], batches: Sequence[Batch]) -> list[Update]:
        """What each client makes of its model; the audited one checks that first, and then what it is about to send."""
        try:
            self.guard.receive(models[AUDITED], batches[AUDITED], models[AUDITED + 1 :])
            updates = [holder.rule.send(sent, b) for holder, sent, b in zip(self.holders, models, batches, strict=True)]
            self.guard.send(updates[AUDITED])
        except RefusedError as refusal:
            raise NothingToInvertError(str(refusal), self.guard.tables) from refusal
        return updates

    def _sent(self, model: nn.Module) -> list[nn.Module]:
        """What each client receives."""
        others = dead(model, self._image_shape) if self.coalition.dead_models else model
        return [model, *[others] * (len(self.holders) - 1)]

    def _add_up(self, rows: list[Tensor], models: list[nn.Module]) -> Exchange:
        """Carry out the protocol; the first time, tell what it costs."""
        hashes = {id(model): fingerprint(model) for model in models}
        received = [hashes[id(model)] for model in models]
        try:
            seen = self._kind.exchange(rows, self._rng, dropouts=self._dropouts, models=received)
        except Mistrust as refusal:
            raise NothingToInvertError(f"The exchange ended without a sum. {refusal}") from refusal
        except Aborted as aborted:
            raise ValueError(str(aborted)) from aborted
        if self._costs is None:
            plain = PlainSum().exchange(rows, self._rng, dropouts=dict.fromkeys(self._dropouts, 0))
            self._costs = costs(self._kind.name, seen, plain)
        return seen

    @property
    def tables(self) -> tuple[Table, ...]:
        """What the first exchange cost and what remains to be tried; empty for a client on its own."""
        told = (self._costs, remains(self._kind, len(self.holders)))
        return tuple(table for table in told if table is not None)


def why_nothing(seen: Exchange) -> str:
    """In one or two sentences."""
    if seen.sees == "ciphertexts":
        return "The server holds ciphertexts and no key, so there is nothing to invert."
    return (
        "The server sent different models, and clients bind their masks to the model that they received, so the masks "
        "did not cancel. What it added up is noise: there is nothing to invert."
    )


def joined(batches: Sequence[Batch]) -> Batch:
    """One batch after the other."""
    if len(batches) == 1:
        return batches[0]
    return Batch(torch.cat([batch.images for batch in batches]), torch.cat([batch.labels for batch in batches]))


def flat(update: Update) -> Tensor:
    """(m,) all entries of all tensors."""
    return torch.cat([tensor.detach().flatten() for tensor in update])


def shaped(row: np.ndarray, like: Update) -> Update:
    """The opposite of ``flat``."""
    parts = torch.from_numpy(row).split([tensor.numel() for tensor in like])
    return tuple(part.reshape(tensor.shape).to(tensor) for part, tensor in zip(parts, like, strict=True))
