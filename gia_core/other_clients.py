"""The rest of a federated training, as the server sees it: clients with one image each, round after round."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from .aggregation import PlainSum
from .datasets.sampling import read
from .defenses import defend
from .defenses.encoding import Encoding
from .exchange import carried_out
from .federation import Federation, Holder
from .spec import AuditSpec, Knowledge, Victim
from .threat_model import observe
from .types import Batch, Data, Observation, Update
from .verification import Verification

SERVER_LR = 1e-4
"""Share of the mean update by which the model moves between two rounds, as in Jeon et al. (NeurIPS 2021): large steps
along the gradients of single images lead to models that classify some with certainty, whose gradients then vanish."""


class OtherClients:
    """Each holds one image of the training split, so none of a victim's, and computes and protects as the victim does.

    The server knows every label, and moves its model a little after every round.
    """

    def __init__(
        self,
        spec: AuditSpec,
        data: Data,
        model: nn.Module,
        chance: Callable[[int], torch.Generator],
        *,
        public: Tensor | None = None,
        device: str = "cpu",
    ) -> None:
        """``chance``: random numbers of their own for the deal (0) and for every client (its number plus 1)."""
        self.spec, self.data, self.model, self.public, self.device = alone(spec), data, model, public, device
        self.chance, self.updates = chance, 0
        self.order: list[int] = torch.randperm(len(data.training), generator=chance(0)).tolist()
        self.holders: dict[int, Holder] = {}
        """Of those that have sent something, by their number."""

    def round(self, clients: Sequence[int]) -> Observation:
        """One batch of as many images as clients, each of which is behind one of the updates.

        Clients beyond the number of images begin with the first one again.
        """
        answers = [self.answer(client % len(self.order)) for client in clients]
        views = [seen for seen, _ in answers]
        rounds = tuple(
            replace(view.rounds[0], indices=torch.tensor([place], device=self.device))
            for place, view in enumerate(views)
        )
        labels = torch.cat([view.labels for view in views if view.labels is not None])
        self.advance([update for _, update in answers])
        return replace(views[0], rounds=rounds, batch_size=len(rounds), labels=labels)

    def answer(self, number: int) -> tuple[Observation, Update]:
        """What the server sees of a client, and what that has sent."""
        if number not in self.holders:
            self.holders[number] = self.holder(number)
        holder = self.holders[number]
        federation = Federation(self.spec, [holder], self.data.image_shape, holder.rule.rng)
        exchanged, update = carried_out(self.model, federation, None, len(self.data.class_names))
        (target,) = observe(
            self.spec, self.data, (exchanged,), holder.batch, federation, self.public, rng=holder.rule.rng
        )
        self.updates += 1
        return target.seen, update

    def holder(self, number: int) -> Holder:
        batch = read(self.data.training, [self.order[number]])
        held = Batch(batch.images.to(self.device), batch.labels.to(self.device))
        return Holder(held, defend(self.spec.client, self.spec.defenses, self.chance(number + 1), self.public))

    def advance(self, updates: Sequence[Update]) -> None:
        """The server's model of the next round, moved by the mean of what arrived."""
        mean = tuple(torch.stack(parts).mean(0) for parts in zip(*updates, strict=True))
        self.model = self.spec.client.advance(self.model, mean, SERVER_LR)

    def images(self) -> tuple[int, str]:
        """How many images are behind all updates so far, and the SHA-256 of all their pixels and labels."""
        behind = [self.order[number] for number in self.holders]
        pixels = np.stack([self.data.training.image(index) for index in behind]).transpose(0, 3, 1, 2)
        return len(behind), hashlib.sha256(pixels.tobytes() + self.data.training.labels[behind].tobytes()).hexdigest()


def alone(spec: AuditSpec) -> AuditSpec:
    """What another client does, who holds one image, and what the server knows of it.

    How an image was disguised is never told of another client's.
    """
    disguised = any(isinstance(defense, Encoding) for defense in spec.defenses)
    knows = Knowledge(
        labels=True,
        local_training=spec.knowledge.local_training,
        defense=spec.knowledge.defense and not disguised,
    )
    return spec.model_copy(
        update={
            "batch_size": 1,
            "victim": Victim(),
            "clients": 1,
            "dropouts": 0,
            "aggregation": PlainSum(),
            "rounds": 1,
            "verification": Verification(),
            "knowledge": knows,
        }
    )
