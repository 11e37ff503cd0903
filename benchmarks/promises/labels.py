"""The rules that read labels off an update: how many of them are right, whatever their order."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from gia_core.attacks import InvertingGradients
from gia_core.attacks.labels import LabelStrategy
from gia_core.clients import Client, FedAvg, FedSGD
from gia_core.datasets import Dataset
from gia_core.models import CNN6, MLP, ConvNet, LeNet, Model, ViT
from gia_core.spec import AuditSpec, Victim

from .promise import Judge, Outcome, Promise

DIFFERENT = (AuditSpec(batch_size=5, victim=Victim(labels="different")),)
ANY = (AuditSpec(batch_size=24), AuditSpec(batch_size=24, victim=Victim(labels="equal")))

MODELS: dict[str, Model] = {
    "mlp": MLP(),
    "mlp silu": MLP(activation="silu"),
    "lenet": LeNet(),
    "lenet silu": LeNet(activation="silu"),
    "convnet": ConvNet(width=16),
    "vit": ViT(dim=32, depth=2),
}
WITHOUT_BIAS: dict[str, Model] = {"cnn6, no bias": CNN6()}
LOCAL_STEPS = FedAvg(local_epochs=2, local_batch_size=8)

EXPECTED = "DLG's weights expect some classes of every image; their gradient says they are absent, even if they are not"
BALANCED = "classes that occur as often as the model expects cancel, and with them the measure of one image"
CENTERED = "LayerNorm's features sum to zero, so that sums of rows hold no label"
SPREAD = "answers differ so much between images that neither means of features nor dummy images stand for the batch"
MIXED = "where classes nearly cancel, the ratio of gradients is no mean of a class's features"
LIMITS = {
    ("yin", "lenet"): EXPECTED,
    ("bias-sign", "lenet"): EXPECTED,
    ("bias-sign", "lenet silu"): EXPECTED,
    **{("llg", title): BALANCED for title in MODELS},
    **{("bias-corrected", title): BALANCED for title in MODELS},
    **{(rule, "vit"): CENTERED for rule in ("llg", "llg-star")},
    **{(rule, "lenet silu"): SPREAD for rule in ("llg-star", "counts", "ilrg", "auto")},
    **{("ilrg", title): MIXED for title in ("mlp", "mlp silu", "vit")},
}
"""Why a rule that works elsewhere is known to fall short on a model, by rule and model."""


def promise(
    rule: LabelStrategy, title: str, model: Model, least: float, batches: Sequence[AuditSpec], client: Client
) -> Promise:
    def specs(dataset: Dataset, seed: int) -> list[AuditSpec]:
        attack = InvertingGradients(iterations=1, labels=rule)
        setup = {"dataset": dataset, "model": model, "client": client, "attack": attack, "seed": seed}
        return [batch.model_copy(update=setup) for batch in batches]

    kinds = "B=5 different" if batches == DIFFERENT else "B=24 any, equal"
    where = f"{title}, {kinds}" + (", fedavg" if client != FedSGD() else "")
    limit = LIMITS.get((rule, title), "")
    return Promise(f"labels-{rule}", where, f"{least:.0%} of the first", specs, share_of(least), limit=limit)


def share_of(least: float) -> Judge:
    def judge(trials: Sequence[Sequence[Outcome]]) -> tuple[str, bool]:
        shares = [statistics.mean(outcome.labels or 0.0 for outcome in kind) for kind in zip(*trials, strict=True)]
        return "labels " + ", ".join(f"{share:.0%}" for share in shares), shares[0] >= least

    return judge


PROMISES = (
    *(promise("yin", title, model, 0.9, DIFFERENT, FedSGD()) for title, model in MODELS.items()),
    *(promise("bias-sign", title, model, 0.9, DIFFERENT, FedSGD()) for title, model in MODELS.items()),
    *(promise("llg", title, model, 0.5, ANY, FedSGD()) for title, model in MODELS.items()),
    *(promise("llg-star", title, model, 0.8, ANY, FedSGD()) for title, model in (MODELS | WITHOUT_BIAS).items()),
    *(promise("bias-corrected", title, model, 0.5, ANY, FedSGD()) for title, model in MODELS.items()),
    *(promise("ilrg", title, model, 0.9, ANY, FedSGD()) for title, model in MODELS.items()),
    *(promise("counts", title, model, 0.9, ANY, FedSGD()) for title, model in (MODELS | WITHOUT_BIAS).items()),
    *(promise("auto", title, model, 0.9, ANY, FedSGD()) for title, model in (MODELS | WITHOUT_BIAS).items()),
    *(promise("auto", title, model, 0.7, ANY, LOCAL_STEPS) for title, model in MODELS.items()),
)
