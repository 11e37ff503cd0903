"""A prior that an attack learned from gradients, judged like the others and put on the shelf."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Protocol

import torch
from torch import nn

from ..datasets import Dataset
from ..models.training import Training, generator
from ..provenance import provenance
from ..types import Data
from .card import Card
from .frechet import feature_network, features, floor, frechet_distance
from .material import Material
from .methods import FromGradients
from .networks import Decoder
from .publishing import publish, weights
from .spec import GradientsSpec, trained_here
from .training import SAMPLES, SHOWN, room


class Job(Protocol):
    """What a run was asked for."""

    @property
    def dataset(self) -> Dataset: ...
    @property
    def seed(self) -> int: ...
    def model_dump_json(self) -> str: ...


def name_of(job: Job) -> str:
    """What the prior is called that ``job`` learns: the same for the same job, and for no other."""
    return f"giml-{job.dataset.name}-{hashlib.sha256(job.model_dump_json().encode()).hexdigest()[:8]}"


class Teachers(Protocol):
    """Those who sent the updates."""

    updates: int
    """How many they have sent so far."""

    def images(self) -> tuple[int, str]:
        """How many images are behind these, and the SHA-256 of all their pixels and labels."""
        ...


def keeper(
    job: Job, data: Data, teachers: Teachers, *, home: Path, device: str
) -> Generator[Training, None, Callable[[nn.Module], str]]:
    """Once the network that judges it is trained, what keeps a ``Decoder`` as far as it has learned, and its name.

    What was kept of the same job before is replaced.
    """
    judge = yield from feature_network(job.dataset, data, home=home, device=device)
    real = features(judge, Material(data, device).some(2048))
    begun = time.monotonic(), time.process_time()

    def keep(prior: nn.Module) -> str:
        assert isinstance(prior, Decoder)
        codes = torch.randn(SAMPLES, *prior.latent_shape, generator=generator(job.seed, "samples")).to(device)
        classes = torch.arange(SAMPLES, device=device) % len(data.class_names)
        with torch.no_grad():
            samples = prior(codes, classes)
        content, (images, sha256) = weights(prior), teachers.images()
        card = Card(
            spec=GradientsSpec(
                name=name_of(job),
                dataset=job.dataset,
                method=FromGradients(latent=prior.latent_shape[0], width=prior.width),
                conditional=bool(prior.num_classes),
                steps=teachers.updates,
                seed=job.seed,
            ),
            image_shape=prior.image_shape,
            class_names=data.class_names,
            training_images=images,
            training_sha256=sha256,
            steps=teachers.updates,
            stopped=False,
            seconds=round(time.monotonic() - begun[0], 1),
            processor_seconds=round(time.process_time() - begun[1], 1),
            made_with=provenance(device),
            frechet=frechet_distance(features(judge, samples), real),
            frechet_floor=floor(real, SAMPLES, job.seed),
            sha256=hashlib.sha256(content).hexdigest(),
        )
        with room():
            publish(card, content, samples[:SHOWN], trained_here(home))
        return card.name

    return keep
