"""Everything that decides a result, as one value: stored, sent, shown and run again."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field

from .aggregation import Aggregation, PlainSum
from .aggregation.coalition import Coalition, silent
from .aggregation.fitting import objections as aggregation_objections
from .attacks import IDLG, Attack
from .attacks.labels import WITHOUT_BIAS
from .attacks.labels import objection as label_objection
from .clients import Client, FedSGD, LocalTraining
from .component import Component, Needs, Objection
from .datasets import Dataset, Photos
from .datasets.dealing import objection as dealing_objection
from .defenses import Defense, needs_public
from .defenses.fitting import objections as fitting_objections
from .defenses.stacking import objections as stacking_objections
from .defenses.stacking import thin_noise
from .models import LeNet, Model
from .priors.shelf import objection as prior_objection
from .verification import Verification

MAX_BATCH = 256


class Knowledge(Component):
    """What the attacker is granted beside the model, the update, the batch size and the number of classes."""

    labels: bool = False
    """The attacker knows the label of every private image."""
    local_training: LocalTraining = "exact"
    """What the attacker knows of the client's local steps: number, size and learning rate ("exact"), nothing, so that
    it assumes common values ("guessed": 2 epochs of batches of 8, learning rate 0.001), or nothing, so that it takes
    the change of the weights for one gradient step ("none")."""
    defense: bool = False
    """The attacker knows which defense the client uses and adapts to it. Where the defense disguises the images, it is
    also told how each one was made: which images were mixed with which weights, which steps altered it, and which of
    its finds belongs to which. No real attacker knows as much, so this is an upper bound."""
    batch_norm: Literal["none", "running", "exact"] = "none"
    """What the attacker uses of the statistics in the model's BatchNorm layers: nothing, the running averages that the
    model carries ("running"), or those of the private batch itself ("exact"), which clients share in some systems."""
    public_data: bool = False
    """The attacker holds other images of the same kind: the training part of the data set."""
    single_updates: bool = False
    """The server keeps what other clients of the same training send it round after round: updates of one image each,
    whose label it knows. Their images are of the training part of the data set, and the attacker never sees one."""
    malicious_server: bool = False
    """The server may send the client a model that it tampered with, and look at what comes back."""
    dead_models: bool = False
    """The malicious server sends a dead model to all other clients: one whose updates are zero, so that the sum is the
    audited client's update (model inconsistency, Pasquini et al., CCS 2022). The protocol is not broken by this, but
    clients can bind what they exchange to the model that they received."""
    colluding_clients: int = Field(0, ge=0, le=99)
    """Other clients that work for the server: they tell it their own updates, and the keys and shares they hold."""


class Victim(Component):
    """Which images of the data set are the private batch; the seed decides what is left open."""

    labels: Literal["any", "different", "equal"] = "any"
    """Whether the images' classes are left to chance, all different, or all the same."""
    label: int | None = Field(None, ge=0)
    """Take only images of the class with this number."""
    indices: tuple[int, ...] = ()
    """Take exactly the images with these numbers; overrides the other choices."""


class AuditSpec(Component):
    """Which client, holding what, protected how, is attacked with what."""

    dataset: Dataset = Photos()
    """Where the private images come from."""
    model: Model = LeNet()
    """The network that the clients train together."""
    batch_size: int = Field(1, ge=1, le=MAX_BATCH)
    """Images in the private batch of each client."""
    victim: Victim = Victim()
    """Which images are the private batch."""
    client: Client = FedSGD()
    """What the client computes and sends."""
    clients: int = Field(1, ge=1, le=100)
    """How many clients send an update of a batch of their own in each round; the first one is audited."""
    aggregation: Aggregation = PlainSum()
    """How the clients' updates are added up, and what the server sees of them."""
    dropouts: int = Field(0, ge=0, le=99)
    """How many of the other clients fall silent in each round, right before they would send their update."""
    defenses: tuple[Defense, ...] = ()
    """What the client does to protect itself, in this order."""
    verification: Verification = Verification()
    """How the client checks the models that it receives."""
    rounds: int = Field(1, ge=1, le=1000)
    """Rounds that the attacker watches; in each the client sends an update of the same private batch."""
    server_lr: float = Field(0.1, ge=0)
    """Between two rounds the server moves its model by this share of the update."""
    attack: Attack = IDLG()
    """How the server tries to get the images back."""
    knowledge: Knowledge = Knowledge()
    """What the attacker is granted."""
    control: Literal["none", "random-update", "negatives"] = "none"
    """What to hold a result against. "random-update" gives the attack random numbers in place of the update, every
    tensor as long as the real one: what it finds all the same does not come from the update. "negatives" gives the
    clients the negatives of their images, a kind that no prior has learned: what the attack loses there it owes to
    knowing the kind."""
    seed: int = Field(0, ge=0, le=2**31 - 1)
    """Decides every random choice: the images, the model's weights, the noise, the attack's start."""

    def objections(self, home: Path) -> list[Objection]:
        """Every reason why this cannot be carried out with the data sets in ``home``; empty if it can."""
        found = self._data_objections(home)
        classes = None if found else self.dataset.class_count(home)
        together = aggregation_objections(
            self.aggregation,
            clients=self.clients,
            dropouts=self.dropouts,
            rule=self.client.name,
            coalition=self.coalition,
            malicious=self.knowledge.malicious_server,
        )
        if misfits := list(together):  # what the rest would say of them makes no sense then
            return [*found, *misfits]
        own = [*self._attack_objections(classes), *([] if found else self._prior_objections(home))]
        return [*found, *self._defense_objections(), *own]

    @property
    def coalition(self) -> Coalition:
        """The server, and what it does beside its part in the protocol."""
        return Coalition(self.knowledge.colluding_clients, self.knowledge.dead_models)

    @property
    def left(self) -> tuple[int, ...]:
        """The clients whose updates, added up, the server is left with; none where it can read nothing."""
        return self.coalition.left(self.aggregation, self.clients, self._adding)

    @property
    def _adding(self) -> tuple[int, ...]:
        """The clients that send an update."""
        dropped = silent(self.clients, self.dropouts, self.aggregation)
        return tuple(client for client in range(self.clients) if client not in dropped)

    @property
    def images_attacked(self) -> int:
        """Private images that the run is about: all in the sum that is inverted, or those of the audited client."""
        return self.batch_size * max(1, len(self.left))

    def _data_objections(self, home: Path) -> list[Objection]:
        if absent := self.dataset.absent(home):
            return [Objection("dataset", absent)]
        found: list[Objection] = []
        for clients, field in ((1, "batch_size"), (self.clients, "clients")):
            if (reason := dealing_objection(self.dataset, clients, self.batch_size, self.victim, home)) and not found:
                found.append(Objection(field, reason))
        if reason := self.model.objection(self.dataset.image_shape):
            found.append(Objection("model", reason))
        if self.knowledge.public_data and not self.dataset.trainable(home):
            reason = f"{self.dataset.name} has no training images that the attacker could hold; withhold public data."
            found.append(Objection("knowledge.public_data", reason))
        if self.knowledge.single_updates and not self.dataset.trainable(home):
            reason = f"{self.dataset.name} has no training images for other clients to hold; withhold single updates."
            found.append(Objection("knowledge.single_updates", reason))
        if needs_public(self.defenses) and not self.dataset.trainable(home):
            reason = f"{self.dataset.name} has no training images to mix in; choose another data set, or mix inside."
            found.append(Objection("defenses", reason))
        if self.model.training and not self.dataset.trainable(home):
            reason = f"{self.dataset.name} has no training images; set the model's training to 0."
            found.append(Objection("model.training", reason))
        return found

    def _defense_objections(self) -> list[Objection]:
        reasons = stacking_objections(
            self.defenses,
            client=self.client.name,
            normalization=getattr(self.model, "normalization", None),
            rounds=self.rounds,
        )
        misfits = fitting_objections(
            self.defenses, client=self.client.name, batch_size=self.batch_size, training=self.model.training
        )
        in_one_sum = len(self._adding if self.coalition.hides_noise(self.aggregation) else self.left)
        thin = thin_noise(self.defenses, in_one_sum)
        return [Objection("defenses", reason) for reason in (*reasons, *misfits, *thin)]

    def _attack_objections(self, classes: int | None) -> list[Objection]:
        found = unmet(self.attack.needs, self, classes)
        if (images := self.images_attacked) > MAX_BATCH:
            many = f"A sum of {images} images is more than the {MAX_BATCH} that are searched at once"
            found.append(Objection("clients", f"{many}: take fewer clients, or smaller batches."))
        if reason := self._label_objection(classes):
            found.append(Objection("attack.labels", reason))
        return found

    def _prior_objections(self, home: Path) -> list[Objection]:
        """Why the attack cannot draw the victims' images with the prior it is set to."""
        name = getattr(self.attack, "prior", None)
        reason = None if name is None else prior_objection(name, self.dataset, home)
        return [] if reason is None else [Objection("attack.prior", reason)]

    def _label_objection(self, classes: int | None) -> str | None:
        """Why the attack cannot find the labels the way it is set to."""
        strategy, granted = getattr(self.attack, "labels", None), self.knowledge.labels
        if strategy is None:
            return None
        can_search = "joint" in get_args(type(self.attack).model_fields["labels"].annotation)
        if strategy == "auto" and not granted and not can_search:
            strategy = "counts"  # the rule that asks for least
        client = self.client.believed(self.knowledge.local_training)
        return label_objection(
            strategy,
            batch_size=self.images_attacked,
            granted=granted,
            classes=classes,
            bias=self.model.name not in WITHOUT_BIAS and not self.knowledge.dead_models,
            local_steps=client.local_steps(self.batch_size),
            all_take_part=getattr(client, "round_batch_size", self.batch_size) >= self.batch_size,
        )


def unmet(needs: Needs, spec: AuditSpec, classes: int | None = None) -> list[Objection]:
    """What ``spec`` lacks of a method's needs, one sentence each; of ``classes`` K, where that is known."""
    found, title = [], spec.attack.name
    if needs.batch_size is not None and spec.images_attacked > needs.batch_size:
        most = "one image" if needs.batch_size == 1 else f"at most {needs.batch_size} images"
        if spec.batch_size > needs.batch_size:
            found.append(Objection("batch_size", f"{title} works on {most} at a time."))
        else:
            reason = f"{title} works on {most} at a time, and the sum holds {spec.images_attacked}."
            found.append(Objection("clients", f"{reason} Take fewer clients, or no aggregation."))
    if spec.client.name not in needs.clients:
        found.append(Objection("client", f"{title} needs a client of kind {' or '.join(needs.clients)}."))
    if needs.models and spec.model.name not in needs.models:
        found.append(Objection("model", f"{title} needs a model of kind {' or '.join(needs.models)}."))
    for fact in needs.knowledge:
        if getattr(spec.knowledge, fact) in (False, "none"):
            sentence = f"{title} needs an attacker who is granted: {fact.replace('_', ' ')}."
            found.append(Objection(f"knowledge.{fact}", sentence))
    for condition in needs.conditions:
        if condition.lacking(spec, classes):
            found.append(Objection(condition.field, condition.because))
    return found


def kinds(union: Any) -> dict[str, type[Component]]:
    """A catalog's members by name, in the order of the union."""
    members = get_args(get_args(union)[0])
    return {kind.model_fields["name"].default: kind for kind in members}
