"""One image out of a batch through a classifier that the server bends: Fishing."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from gia_core.attacks import Fishing, InvertingGradients
from gia_core.datasets import Dataset
from gia_core.spec import AuditSpec, Knowledge, Victim

from .promise import Outcome, Promise

WITHIN = 2.0
"""dB that the image of a large batch may be worse than that of the same attack on a batch of one."""
QUERIES = 12
SERVER = Knowledge(malicious_server=True)


def once_among_others(dataset: Dataset, batch_size: int, seed: int) -> tuple[int, ...]:
    """Numbers of random images: the first one's class occurs once."""
    with TemporaryDirectory() as home:
        labels = dataset.open(Path(home)).victims.labels
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed)).tolist()
    others = [index for index in order if labels[index] != labels[order[0]]]
    return (order[0], *others[: batch_size - 1])


def one_of_its_class(dataset: Dataset, seed: int) -> list[AuditSpec]:
    indices = once_among_others(dataset, 64, seed)
    large, alone = Victim(indices=indices), Victim(indices=indices[:1])
    attack, single = Fishing(), InvertingGradients()
    return [
        AuditSpec(dataset=dataset, batch_size=64, victim=large, attack=attack, knowledge=SERVER, seed=seed),
        AuditSpec(dataset=dataset, batch_size=1, victim=alone, attack=single, seed=seed),
    ]


def near_a_batch_of_one(trials: Sequence[Sequence[Outcome]]) -> tuple[str, bool]:
    fished = statistics.mean(trial[0].psnr[0] for trial in trials)
    alone = statistics.mean(trial[1].psnr[0] for trial in trials)
    return f"mean {fished:.1f}, at B=1 {alone:.1f}", fished >= alone - WITHIN


def eight_of_a_class(dataset: Dataset, seed: int) -> list[AuditSpec]:
    victim = Victim(labels="equal")
    return [
        AuditSpec(dataset=dataset, batch_size=8, victim=victim, attack=Fishing(), knowledge=SERVER, seed=seed),
    ]


def isolated(trials: Sequence[Sequence[Outcome]]) -> tuple[str, bool]:
    """The last query was answered by one image, within the limit, and a picture came out of it."""
    asked = [trial[0].tables[0].rows for trial in trials]
    alone = sum(abs(float(rows[-1][3] or 0) - 1) <= 0.01 for rows in asked)
    most = max(len(rows) for rows in asked)
    best = [max(trial[0].psnr) for trial in trials]
    text = f"{alone}/{len(trials)} in up to {most} queries, mean {statistics.mean(best):.1f}"
    return text, alone == len(trials) and most <= QUERIES


PROMISES = (
    Promise("fishing", "lenet, B=64", f"within {WITHIN:.0f} dB of B=1", one_of_its_class, near_a_batch_of_one),
    Promise("fishing", "lenet, 8 of a class", f"one isolated in {QUERIES} queries", eight_of_a_class, isolated),
)
