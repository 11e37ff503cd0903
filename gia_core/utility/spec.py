"""Everything that decides a utility experiment, as one value."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from ..clients import Client, FedSGD
from ..component import Component, Objection
from ..datasets import Dataset, Photos
from ..defenses import Defense, GaussianNoise
from ..defenses.dp_sgd import DPSGD
from ..defenses.fitting import objections as fitting_objections
from ..defenses.stacking import objections as stacking_objections
from ..defenses.user_level_dp import UserLevelDP
from ..models import LeNet, Model
from ..spec import AuditSpec

LEAST_HELD_OUT = 20
"""Images, below which an accuracy says nothing."""

Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class UtilitySpec(Component):
    """Which training is done twice, without and with defenses, and how often."""

    kind: Literal["utility"] = "utility"
    """A run of this kind trains with and without a defense."""
    dataset: Dataset = Photos()
    """Its training images are dealt to the clients; its victims, which share no pixel with them, are the held-out
    images that accuracy is measured on."""
    model: Model = LeNet()
    """The network that the clients train together, from its initialization on."""
    client: Client = FedSGD()
    """What each client computes and sends. The learning rate of its local steps, if it has any, is one of those that
    are tried."""
    defenses: tuple[Defense, ...] = Field((GaussianNoise(),), min_length=1)
    """What each client does to protect itself, in this order, in one of the two arms."""
    clients: int = Field(10, ge=1, le=100)
    """Clients that share the training images equally; all of them take part in every round."""
    rounds: int = Field(60, ge=3, le=10_000)
    """Updates of the model, each by the mean of what the clients sent."""
    batch_size: int = Field(16, ge=1, le=256)
    """Images that a client draws anew for each update. With DP-SGD each image is drawn by a coin toss of its own, in
    both arms, and this is the expected number."""
    seeds: int = Field(3, ge=1, le=20)
    """How often both arms are trained, each time with another initialization, division of the images and order."""
    learning_rates: tuple[Rate, ...] = Field((0.01, 0.03, 0.1, 0.3, 1.0, 3.0), min_length=1, max_length=12)
    """What is tried with the first seed, for each arm on its own; the one that is best on one half of the held-out
    images is kept. Step size of the server, or of the clients' local steps where they take any."""
    evaluations: int = Field(10, ge=3, le=100)
    """How often accuracy is measured along one training; the result is the mean of the last three."""
    training_images: int = Field(2000, ge=1, le=100_000)
    """Training images at most that are dealt to the clients."""
    held_out_images: int = Field(1000, ge=LEAST_HELD_OUT, le=20_000)
    """Held-out images at most: one half chooses the learning rate, the other one gives the accuracy."""
    seed: int = Field(0, ge=0, le=2**31 - 1)
    """The first seed; it decides every random choice."""

    def objections(self, home: Path) -> list[Objection]:
        """Why this cannot be carried out with the data sets in ``home``; empty if it can."""
        if absent := self.dataset.absent(home):
            return [Objection("dataset", absent)]
        return [*self._data_objections(home), *self._model_objections(), *self._defense_objections()]

    def _data_objections(self, home: Path) -> list[Objection]:
        found = []
        if not self.dataset.trainable(home):
            found.append(Objection("dataset", f"{self.dataset.name} has no training images; choose another data set."))
        elif (held_out := self.dataset.victim_count(home)) < LEAST_HELD_OUT:
            reason = f"{self.dataset.name} has {held_out} held-out images, too few to measure an accuracy on"
            found.append(Objection("dataset", f"{reason}: choose a data set with {LEAST_HELD_OUT} or more."))
        if shortage := too_few_images(self.training_images, self):
            found.append(Objection("training_images", shortage))
        if self.evaluations > self.rounds:
            found.append(Objection("evaluations", "There are more evaluations than rounds: lower the one."))
        return found

    def _model_objections(self) -> list[Objection]:
        found = []
        if reason := self.model.objection(self.dataset.image_shape):
            found.append(Objection("model", reason))
        if self.model.training:
            found.append(Objection("model.training", "The experiment trains the network itself: set this to 0."))
        if batch_norm_stands_still(self.model):
            reason = (
                "In eval mode BatchNorm keeps the statistics of the untrained network and nothing ever measures them: "
                "set the model's mode to train, or its normalization to group."
            )
            found.append(Objection("model.mode", reason))
        return found

    def _defense_objections(self) -> list[Objection]:
        if self.client.name == "vertical":
            reason = "Vertical clients hold parts of images, which are no data to train one network on together: "
            return [Objection("client", f"{reason}choose fedsgd or fedavg.")]
        reasons = stacking_objections(
            self.at_budget(images=self.training_images),
            client=self.client.name,
            normalization=getattr(self.model, "normalization", None),
            rounds=self.rounds,
        )
        misfits = fitting_objections(
            self.defenses, client=self.client.name, batch_size=self.batch_size, training=self.model.training
        )
        return [Objection("defenses", reason) for reason in (*reasons, *misfits)]

    @property
    def samples_by_coin_toss(self) -> bool:
        """Whether clients draw their batches by Poisson sampling, which DP-SGD's epsilon assumes."""
        return any(isinstance(defense, DPSGD) for defense in self.defenses)

    def sample_rate(self, images: int) -> float:
        """With which probability an image takes part in one round, where all clients together hold ``images``."""
        return min(1.0, self.batch_size / max(1, images // self.clients))

    def at_budget(self, *, images: int) -> tuple[Defense, ...]:
        """The defenses with the sampling, the number of steps and of clients that this experiment really has."""
        return tuple(self._fitted(defense, self.sample_rate(images)) for defense in self.defenses)

    def _fitted(self, defense: Defense, sample_rate: float) -> Defense:
        match defense:
            case DPSGD():
                real = {"sample_rate": sample_rate, "expected_batch_size": self.batch_size, "steps": self.rounds}
            case UserLevelDP():
                together = self.clients if defense.clients > 1 else 1
                real = {"clients": together, "sample_rate": 1.0, "steps": self.rounds}
            case _:
                return defense
        return defense.model_copy(update=real)


def too_few_images(images: int, spec: UtilitySpec) -> str | None:
    """Why the clients cannot fill a batch each from ``images`` training images, or None."""
    if images >= (needed := spec.clients * spec.batch_size):
        return None
    return (
        f"{spec.clients} clients with batches of {spec.batch_size} need {needed:,} training images, and there are "
        f"{images:,}: take fewer clients or smaller batches."
    )


def batch_norm_stands_still(model: Model) -> bool:
    return getattr(model, "normalization", None) == "batch" and getattr(model, "mode", None) == "eval"


def of_audit(audit: AuditSpec) -> UtilitySpec:
    """The experiment that tells what the defenses of an audit cost: its data set, network, client rule and defenses.

    The network is not trained before, and BatchNorm works as in a training client. Raises ValidationError where the
    audit has no defense.
    """
    network = {"training": 0, **({"mode": "train"} if batch_norm_stands_still(audit.model) else {})}
    return UtilitySpec(
        dataset=audit.dataset,
        model=audit.model.model_copy(update=network),
        client=audit.client,
        defenses=audit.defenses,
    )


def alike(one: UtilitySpec, other: UtilitySpec) -> bool:
    """Whether both ask for the cost of the same defenses for the same training, at whatever budget."""
    return all(getattr(one, part) == getattr(other, part) for part in ("dataset", "model", "client", "defenses"))


def evaluated_after(rounds: int, evaluations: int) -> frozenset[int]:
    """Rounds after which accuracy is measured: evenly spread, the last one among them."""
    return frozenset(math.ceil(rounds * number / evaluations) for number in range(1, evaluations + 1))
