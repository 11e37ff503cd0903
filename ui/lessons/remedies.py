"""What helps, by phases: each remedy as setups that differ in it and in what the attacker makes of it; pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from gia_core.aggregation import PlainSum, SecureAggregation
from gia_core.attacks import IDLG, InvertingGradients, RobbingTheFed
from gia_core.clients import FedAvg, FedSGD
from gia_core.component import Component
from gia_core.defenses import DPSGD, GaussianNoise, Precode, Pruning, Soteria
from gia_core.gallery.cards import AMONG_OTHERS, CAT, PATIENT
from gia_core.gallery.lesson_cards import STRONG
from gia_core.models import LeNet
from gia_core.spec import AuditSpec, Knowledge, Victim
from gia_core.verification import Verification

from ..compare_protection import trio

BASE = AuditSpec(victim=CAT, attack=InvertingGradients())
"""What a remedy is added to, where the reader runs it: one picture of the cat."""


class Trial(NamedTuple):
    """Setups that differ in one remedy, and in whether the attacker works around it."""

    without: AuditSpec
    unaware: AuditSpec | None
    """None where no attacker can miss it."""
    aware: AuditSpec


Member = Callable[[AuditSpec], Trial | None]
"""Of a setup with the remedy: the trial that it belongs to; None where the setup does not have it."""


@dataclass(frozen=True)
class Remedy:
    name: str
    """What the page calls it; short."""
    term: str
    """Anchor of the glossary."""
    what: str
    """What it does, in one sentence."""
    unaware: str
    """What an attacker does who does not know of it; empty where none can miss it."""
    aware: str
    """How one who knows of it works around it; a whole sentence where none can miss it."""
    usual: AuditSpec
    """A setup with it, for those who want to run it."""
    trial: Member
    price: str
    """What it costs as far as that needs no measurement, in one sentence."""


@dataclass(frozen=True)
class Phase:
    heading: str
    says: str
    """What this phase of the pipeline is about, in one sentence."""
    remedies: tuple[Remedy, ...]

    def named(self, name: str) -> Remedy:
        return next(remedy for remedy in self.remedies if remedy.name == name)


def but(spec: AuditSpec, **changes: object) -> AuditSpec:
    """The same setup with other parts."""
    return spec.model_copy(update=changes)


def defended_by(kind: type[Component]) -> Member:
    """Trials of one defense, alone."""

    def trial(spec: AuditSpec) -> Trial | None:
        return Trial(*trio(spec)) if [type(defense) for defense in spec.defenses] == [kind] else None

    return trial


def corners(spec: AuditSpec) -> Trial | None:
    """ReLU in place of the sigmoid; whoever knows takes an attack that needs no second derivative of it."""
    activation = getattr(spec.model, "activation", None)
    if activation != "relu" or spec.defenses or not isinstance(spec.attack, IDLG | InvertingGradients):
        return None
    smooth = type(spec.model).model_validate(dict(spec.model) | {"activation": "sigmoid"})
    unaware = but(spec, attack=IDLG())
    return Trial(but(unaware, model=smooth), unaware, but(spec, attack=PATIENT))


def together(spec: AuditSpec) -> Trial | None:
    """A batch of several pictures; the attacker is told how many."""
    if spec.batch_size == 1 or spec.defenses or spec.clients > 1 or not isinstance(spec.attack, InvertingGradients):
        return None
    return Trial(but(spec, batch_size=1, victim=CAT), None, spec)


def steps(spec: AuditSpec) -> Trial | None:
    """Several local steps in one update, which the attacker imitates if it knows them."""
    if not isinstance(spec.client, FedAvg) or spec.defenses or spec.client.local_steps(spec.batch_size) == 1:
        return None
    unaware, aware = (
        but(spec, knowledge=spec.knowledge.model_copy(update={"local_training": known}))
        for known in ("guessed", "exact")
    )
    return Trial(but(aware, client=FedSGD()), unaware, aware)


def summed(spec: AuditSpec) -> Trial | None:
    """Masks that cancel in the sum of many; a server that knows sends all others a dead model."""
    if not isinstance(spec.aggregation, SecureAggregation) or spec.defenses:
        return None
    honest, lured = (
        but(spec, knowledge=spec.knowledge.model_copy(update={"malicious_server": dead, "dead_models": dead}))
        for dead in (False, True)
    )
    return Trial(but(honest, aggregation=PlainSum()), honest, lured)


def checked(spec: AuditSpec) -> Trial | None:
    """A client that looks at the model first; a server that knows stays honest and searches."""
    if spec.verification.policy not in ("refuse", "strict") or spec.defenses:
        return None
    tampering = but(spec, attack=RobbingTheFed(), knowledge=Knowledge(public_data=True, malicious_server=True))
    patient = but(spec, attack=InvertingGradients(iterations=3000), knowledge=Knowledge(labels=True))
    return Trial(but(tampering, verification=Verification()), tampering, patient)


KEEPS_ITS_ATTACK = "attacks as if there were none"

PHASES = (
    Phase(
        "1. Design the network",
        "Before anything is trained, somebody chooses what the network is made of.",
        (
            Remedy(
                "ReLU, not sigmoid",
                "activation",
                "The network bends its numbers at a corner instead of a smooth curve, which stalls searches by "
                "curvature.",
                "searches by curvature, as in the first attacks (iDLG)",
                "takes more and smaller steps by signs alone, and prefers smooth pictures (Inverting Gradients)",
                but(BASE, model=LeNet(activation="relu"), attack=PATIENT),
                corners,
                "No byte more, and ReLU is what most networks use anyway.",
            ),
            Remedy(
                "A noisy bottleneck",
                "precode",
                "A layer that draws random numbers is put into the network, so that the gradient changes from time "
                "to time.",
                KEEPS_ITS_ATTACK,
                "leaves out the gradients of that layer and of those behind it",
                but(BASE, defenses=(Precode(),)),
                defended_by(Precode),
                "A few more weights to send, and training with noise inside.",
            ),
        ),
    ),
    Phase(
        "2. Choose how to train",
        "Then somebody chooses how many pictures and steps one update stands for, and what it may tell.",
        (
            Remedy(
                "Several local steps",
                "local-step",
                "The client trains for some steps and sends only where it ended.",
                "has to guess how many steps there were",
                "imitates every step",
                but(
                    BASE,
                    client=FedAvg(local_epochs=4, local_lr=0.01),
                    knowledge=Knowledge(labels=True, local_training="exact"),
                ),
                steps,
                "Fewer bytes for as much training; too many steps let clients drift apart.",
            ),
            Remedy(
                "A larger batch",
                "batch-size",
                "Several pictures share one gradient and hide each other.",
                "",
                "nobody can miss it: the size of a batch is no secret",
                but(
                    BASE,
                    batch_size=8,
                    victim=Victim(labels="different"),
                    attack=InvertingGradients(iterations=3000),
                    knowledge=Knowledge(labels=True),
                ),
                together,
                "No byte more.",
            ),
            Remedy(
                "DP-SGD",
                "dp-sgd",
                "Each picture's gradient is cut to a limit, and noise is added: the only one here with a bound that "
                "holds for every attacker.",
                KEEPS_ITS_ATTACK,
                "corrects for the limit, but cannot guess the noise",
                but(BASE, attack=InvertingGradients(tv_weight=0.03), defenses=(DPSGD(),)),
                defended_by(DPSGD),
                "No byte more; the model learns worse with every bit of noise.",
            ),
        ),
    ),
    Phase(
        "3. Protect and check on the client",
        "Last, the client decides what it sends, and whether it trusts what it received.",
        (
            Remedy(
                "Pruning",
                "pruning",
                "Only the largest numbers of the update are sent.",
                KEEPS_ITS_ATTACK,
                "compares only the numbers that were sent",
                but(BASE, defenses=(Pruning(ratio=0.9),)),
                defended_by(Pruning),
                "Fewer bytes, not more.",
            ),
            Remedy(
                "Soteria",
                "soteria",
                "In one layer, what tells most of the picture is withheld.",
                KEEPS_ITS_ATTACK,
                "leaves that layer out",
                but(BASE, defenses=(Soteria(),)),
                defended_by(Soteria),
                "No byte more, but much more computing on the client.",
            ),
            Remedy(
                "Noise",
                "gaussian-noise",
                "Random numbers are added to the update, without any limit on what one picture may add.",
                KEEPS_ITS_ATTACK,
                "can do no better, because nobody can guess random numbers",
                but(BASE, defenses=(STRONG,)),
                defended_by(GaussianNoise),
                "No byte more; the model learns worse with more noise.",
            ),
            Remedy(
                "Secure aggregation",
                "secure-aggregation",
                "Clients hide their updates under masks that cancel in the sum, which is all that the server learns.",
                "follows the protocol and searches the sum",
                "sends all other clients a dead model, so that the sum is one update",
                but(
                    BASE,
                    clients=10,
                    victim=AMONG_OTHERS,
                    aggregation=SecureAggregation(bind_model=False),
                    knowledge=Knowledge(labels=True),
                ),
                summed,
                "More bytes and rounds; the run measures them.",
            ),
            Remedy(
                "Checking the model",
                "client-verification",
                "The client looks for signs of tampering before it trains, and refuses what fails.",
                "tampers with the model all the same (Robbing the Fed)",
                "tampers with nothing, and searches",
                AuditSpec(
                    batch_size=8,
                    attack=RobbingTheFed(),
                    knowledge=Knowledge(public_data=True, malicious_server=True),
                    verification=Verification(policy="refuse"),
                ),
                checked,
                "Some computing on the client; it never trains on a model that it refused.",
            ),
        ),
    ),
)
"""The pipeline of Guo et al. (TPAMI, arXiv 2503.11514): network design, training protocol, protection on the client."""
