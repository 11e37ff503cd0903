"""How often a client's checks alarm: on honest models, and on tampered ones: benchmarks/verification.py.

Honest are networks before and after every epoch of their training, each checked with two batches of real images; the
epochs are the rounds that the client remembers. Tampered are all models that the active attacks send, and variants by
an attacker who tries to stay below the checks: shuffled bins, noise on the rows, a block behind a convolution that
hands the image on. Two promises: no check of the model fails on an honest one, and every model of every attack fails
one. The canary is counted apart, since the first layer of a network of fully connected layers gives images away
without tampering: where it alarms on an honest model, the image really came out of the update.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # callable from anywhere, without installing

from gia_core.aggregation.dead_model import dead
from gia_core.aggregation.fingerprint import fingerprint
from gia_core.attacks import Attack, Fishing, InvertingGradients, RobbingTheFed, TrapWeights
from gia_core.clients import FedSGD
from gia_core.datasets import Dataset, Digits, Photos
from gia_core.datasets.sampling import sample
from gia_core.exchange import public_images
from gia_core.models import MLP, ConvNet, LeNet, Model, classifier
from gia_core.models.training import generator, train
from gia_core.spec import Victim
from gia_core.types import Batch, Data, Observation, Round, Update
from gia_core.verification.detectors import DETECTORS
from gia_core.verification.findings import Verdict
from gia_core.verification.received import Received

HONEST: tuple[tuple[Dataset, Model], ...] = (
    (Photos(), MLP()),
    (Photos(), LeNet()),
    (Digits(), ConvNet(width=8)),
    (Digits(), MLP()),
)
SIGNS: dict[Verdict, str] = {"ok": "·", "warn": "w", "fail": "F", "unknown": " "}
QUICK = InvertingGradients(iterations=1)
ANY, EQUAL = Victim(), Victim(labels="equal")


@dataclass
class Tally:
    """What one detector said, and how long it took."""

    verdicts: dict[str, list[Verdict]] = field(default_factory=lambda: defaultdict(list))
    """Of honest and of tampered models."""
    seconds: list[float] = field(default_factory=list)

    def rate(self, models: str, verdict: str) -> str:
        """Share of the models that it could judge."""
        judged = [given for given in self.verdicts[models] if given != "unknown"]
        return f"{sum(given == verdict for given in judged)}/{len(judged)}" if judged else "-"


TALLIES = {detector.id: Tally() for detector in DETECTORS}


def judge(received: Received, models: str) -> dict[str, Verdict]:
    """What every detector says, counted under ``models``."""
    verdicts: dict[str, Verdict] = {}
    update = FedSGD()(received.model, received.batch)
    for detector in DETECTORS:
        seen = Received(
            received.model,
            received.batch,
            received.agreed,
            received.earlier,
            received.others,
            None if detector.before_training else update,
        )
        begun = time.perf_counter()
        verdict = detector.check(seen).verdict
        if verdict != "unknown":
            TALLIES[detector.id].seconds.append(time.perf_counter() - begun)
        TALLIES[detector.id].verdicts[models].append(verdict)
        verdicts[detector.id] = verdict
    return verdicts


def rounds(model: Model, data: Data, *, epochs: int) -> list[nn.Module]:
    """The network before its training and after every epoch of it."""
    network = model.build(data, generator(0, "parameters"))
    mode, kept, epoch = network.training, [copy.deepcopy(network)], 1
    for event in train(network, data.training, epochs=epochs, seed=0):
        if event.epoch > epoch:
            kept.append(copy.deepcopy(network).train(mode))
            epoch = event.epoch
    return [*kept, network.train(mode)]


def judge_honest(title: str, data: Data, agreed: nn.Module, history: list[nn.Module], sizes: Iterable[int]) -> None:
    """One row per batch size: of how many models something was said."""
    for size in sizes:
        said: dict[str, list[Verdict]] = defaultdict(list)
        for number, network in enumerate(history):
            batch = sample(data.victims, size, Victim(), torch.Generator().manual_seed(number))
            received = Received(network, batch, agreed, tuple(history[:number]), (fingerprint(network),))
            for name, verdict in judge(received, "honest").items():
                said[name].append(verdict)
        show(f"{title}, {len(history)} models, B={size}", said)


def sent_by(attack: Attack, data: Data, model: nn.Module, batch: Batch) -> list[nn.Module]:
    """Every model that the attack sends to the client."""
    sent: list[nn.Module] = []

    def query(tampered: nn.Module) -> Update:
        sent.append(copy.deepcopy(tampered))
        return FedSGD()(tampered, batch)

    seen = Observation(
        rounds=(Round(model, FedSGD()(model, batch)),),
        rule=FedSGD(),
        image_shape=data.image_shape,
        batch_size=len(batch.images),
        num_classes=len(data.class_names),
        public=public_images(data),
        query=query,
    )
    for _ in attack.run(seen, torch.Generator().manual_seed(0)):
        pass
    return sent


def shuffled(tampered: nn.Module) -> nn.Module:
    """The rows of the imprint in a random order."""
    other = copy.deepcopy(tampered)
    layer = next(module for module in other.modules() if isinstance(module, nn.Linear))
    order = torch.randperm(len(layer.weight), generator=torch.Generator().manual_seed(0))
    layer.weight.data, layer.bias.data = layer.weight.data[order], layer.bias.data[order]
    return other


def noisy(tampered: nn.Module, share: float, *, head: bool = False) -> nn.Module:
    """Noise on the weights of the first linear layer, or of the classifier: this share of their root mean square."""
    other = copy.deepcopy(tampered)
    first = next(module for module in other.modules() if isinstance(module, nn.Linear))
    weight = (classifier(other) if head else first).weight.data
    noise = torch.randn(weight.shape, generator=torch.Generator().manual_seed(7))
    weight += share * weight.square().mean().sqrt() * noise
    return other


def gently_fishing(honest: nn.Module, batch: Batch, share: float) -> nn.Module:
    """All rows of the classifier but that of the batch's rarest class are made small, and their biases raised a bit."""
    other = copy.deepcopy(honest)
    head = classifier(other)
    labels, counts = batch.labels.unique(return_counts=True)
    rest = torch.arange(head.out_features) != labels[counts.argmin()]
    head.weight.data[rest] *= share
    head.bias.data[rest] += 10
    return other


def deeper(tampered: nn.Module, channels: int) -> nn.Module:
    """A convolution in front of the block that hands the image on as it is."""
    copying = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
    nn.init.dirac_(copying.weight)
    return nn.Sequential(copying, copy.deepcopy(tampered)).train(tampered.training)


def tampered_models(
    data: Data, bases: dict[str, nn.Module], size: int
) -> Iterator[tuple[str, str, Batch, list[nn.Module]]]:
    """Title, base, batch, and the models that are sent."""

    def case(attack: Attack, base: str, victim: Victim = ANY, size: int = size) -> tuple[Batch, list[nn.Module]]:
        batch = sample(data.victims, size, victim, torch.Generator().manual_seed(5))
        return batch, sent_by(attack, data, bases[base], batch)

    for base in ("lenet", "convnet"):
        for variant in ("sparse", "dense", "one-shot"):
            yield f"robbing-the-fed, {variant}", base, *case(RobbingTheFed(variant=variant), base)
    yield "trap-weights", "mlp", *case(TrapWeights(), "mlp")
    yield "trap-weights, one scale for all", "mlp", *case(TrapWeights(scale=0.95), "mlp")
    for base in ("lenet", "convnet", "mlp"):
        yield "fishing for a class", base, *case(Fishing(then=QUICK), base)
        yield "fishing for features", base, *case(Fishing(then=QUICK), base, EQUAL, 16)
    yield (
        "fishing for features, as published",
        "lenet",
        *case(Fishing(then=QUICK, rows="published"), "lenet", EQUAL, 16),
    )


def variants(data: Data, bases: dict[str, nn.Module], size: int) -> Iterator[tuple[str, str, Batch, list[nn.Module]]]:
    """The same, by an attacker who knows of the checks."""
    batch = sample(data.victims, size, Victim(), torch.Generator().manual_seed(5))
    equal = sample(data.victims, 16, EQUAL, torch.Generator().manual_seed(5))
    dense = sent_by(RobbingTheFed(variant="dense"), data, bases["lenet"], batch)
    sparse = sent_by(RobbingTheFed(), data, bases["lenet"], batch)
    traps = sent_by(TrapWeights(), data, bases["mlp"], batch)
    fished = sent_by(Fishing(then=QUICK), data, bases["lenet"], equal)
    for name, block in (("dense", dense), ("sparse", sparse)):
        yield f"robbing-the-fed, {name}, bins shuffled", "lenet", batch, [shuffled(m) for m in block]
        for share in (0.01, 0.05, 0.2):
            title = f"robbing-the-fed, {name}, {share:.0%} noise"
            yield title, "lenet", batch, [noisy(shuffled(m), share) for m in block]
        yield f"robbing-the-fed, {name}, deeper", "lenet", batch, [deeper(m, data.image_shape[0]) for m in block]
    for share in (0.05, 0.2, 0.5):
        yield f"trap-weights, {share:.0%} noise", "mlp", batch, [noisy(m, share) for m in traps]
    for share in (0.01, 0.2):
        yield f"fishing, {share:.0%} noise", "lenet", equal, [noisy(m, share, head=True) for m in fished]
    for share in (0.005, 0.02, 0.1):
        yield f"fishing, others at {share:.1%}", "lenet", batch, [gently_fishing(bases["lenet"], batch, share)]
    yield "a dead model for the others", "lenet", batch, [dead(bases["lenet"], data.image_shape)]


def judge_tampered(
    title: str, base: str, batch: Batch, sent: list[nn.Module], agreed: nn.Module, history: list[nn.Module], count: str
) -> bool:
    """One row; whether every model failed a check."""
    said: dict[str, list[Verdict]] = defaultdict(list)
    failed: list[set[str]] = []
    for model in sent:
        verdicts = judge(Received(model, batch, agreed, tuple(history), (fingerprint(model),)), count)
        failed.append({name for name, verdict in verdicts.items() if verdict == "fail"})
        for name, verdict in verdicts.items():
            said[name].append(verdict)
    caught = sum(map(bool, failed))
    ending = "caught" if caught == len(sent) else f"{caught} of {len(sent)} caught" if caught else "NOT CAUGHT"
    show(f"{title}, {base} ({len(sent)})", said, ending + (" by V1 alone" if failed == [{"V1"}] else ""))
    return caught == len(sent)


def show(title: str, said: dict[str, list[Verdict]], end: str = "") -> None:
    """A row: F or w where every model fails or is unusual, f where some fail, · where nothing was found."""
    cells = []
    for detector in DETECTORS:
        given = set(said[detector.id])
        some = "f" if "fail" in given else "w" if "warn" in given else "·" if "ok" in given else " "
        cells.append(SIGNS[given.pop()] if len(given) == 1 else some)
    print(f"{title:52} " + "  ".join(f"{cell:>2}" for cell in cells) + f"   {end}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--images", type=int, default=32, help="in the client's batch")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{'':52} " + "  ".join(f"{detector.id[1:]:>2}" for detector in DETECTORS))
    agreed: dict[str, nn.Module] = {}
    history: dict[str, list[nn.Module]] = {}
    with TemporaryDirectory(prefix="gia-benchmark-") as folder:
        for dataset, model in HONEST:
            data = dataset.open(Path(folder))
            fresh = model.build(data, generator(1, "parameters"))
            networks = rounds(model, data, epochs=options.epochs)
            judge_honest(f"honest {model.name}, {dataset.name}", data, fresh, networks, (16, options.images))
            if dataset.name == "photos":
                history[model.name], agreed[model.name] = networks, fresh
        photos = Photos().open(Path(folder))
        # This one takes minutes to train: the attacks meet it as initialized.
        history["convnet"] = [ConvNet(width=16).build(photos, generator(0, "parameters"))]
        agreed["convnet"] = ConvNet(width=16).build(photos, generator(1, "parameters"))
        bases = {name: networks[-1] for name, networks in history.items()}
        attacks = tampered_models(photos, bases, options.images)
        caught = [judge_tampered(*case, agreed[case[1]], history[case[1]], "attacks") for case in attacks]
        for case in variants(photos, bases, options.images):
            judge_tampered(*case, agreed[case[1]], history[case[1]], "variants")
    return summary(caught)


def summary(caught: list[bool]) -> int:
    columns = ("honest: failed", "unusual", "attacks: failed", "unusual", "variants: failed", "unusual", "     ms")
    print(f"\n{'check':32} " + " ".join(f"{name:>{len(name)}}" for name in columns))
    for detector in DETECTORS:
        tally = TALLIES[detector.id]
        cells = [tally.rate(models, said) for models in ("honest", "attacks", "variants") for said in ("fail", "warn")]
        cells.append(f"{1000 * statistics.mean(tally.seconds):.1f}" if tally.seconds else "-")
        row = " ".join(f"{cell:>{len(name)}}" for cell, name in zip(cells, columns, strict=True))
        print(f"{detector.id:4}{detector.name:28} {row}")
    false = sum("fail" in TALLIES[detector.id].verdicts["honest"] for detector in DETECTORS if detector.before_training)
    kept = {
        "no check of the model fails on an honest one": not false,
        "every model of every attack fails a check": all(caught),
    }
    for promise, held in kept.items():
        print(f"{'met' if held else 'missed':6} {promise}")
    return 0 if all(kept.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
