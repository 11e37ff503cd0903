"""What an iteration of inverting-gradients costs beside a bare double-backward loop: benchmarks/engine_overhead.py.

The bare loop is written here, for the same model, batch, distance, prior and optimizer, without anything that a
product needs: no best-so-far, no loss report, no schedule, no trust boundary. Both take turns in blocks of iterations,
so that a machine that slows down slows both. The target is a ratio of at most 1.1.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # callable from anywhere, without installing

from gia_core.attacks import InvertingGradients
from gia_core.clients import FedSGD
from gia_core.datasets import Photos
from gia_core.datasets.sampling import sample
from gia_core.models import ConvNet, LeNet, ResNet18
from gia_core.spec import Victim
from gia_core.types import Observation, Round

CASES = (("lenet", LeNet(), 1), ("lenet", LeNet(), 8), ("convnet", ConvNet(), 1), ("resnet18", ResNet18(), 1))
TARGET = 1.1


def observe(model_kind, batch_size: int) -> Observation:
    data = Photos().open(Path("var"))
    rng = torch.Generator().manual_seed(0)
    batch = sample(data.victims, batch_size, Victim(), rng)
    model = model_kind.build(data, rng)
    update = FedSGD()(model, batch)
    classes = len(data.class_names)
    return Observation((Round(model, update),), FedSGD(), data.image_shape, batch_size, classes, batch.labels)


def bare_loop(seen: Observation, attack: InvertingGradients) -> Iterator[None]:
    """Gradient matching as one would write it in a notebook."""
    model, target = seen.rounds[0].model, seen.rounds[0].update
    parameters = tuple(model.parameters())
    images = torch.rand(seen.batch_size, *seen.image_shape).requires_grad_()
    optimizer = torch.optim.Adam([images], lr=attack.lr, betas=(attack.beta1, attack.beta2))
    while True:
        loss = F.cross_entropy(model(images), seen.labels)
        gradient = torch.autograd.grad(loss, parameters, create_graph=True)
        dot = sum((g * t).sum() for g, t in zip(gradient, target, strict=True))
        ours = sum(g.square().sum() for g in gradient).sqrt()
        theirs = sum(t.square().sum() for t in target).sqrt()
        across = (images[..., :, 1:] - images[..., :, :-1]).abs().mean()
        down = (images[..., 1:, :] - images[..., :-1, :]).abs().mean()
        total = 1 - dot / (ours * theirs) + attack.tv_weight * (across + down)
        (images.grad,) = torch.autograd.grad(total, [images])
        optimizer.step()
        with torch.no_grad():
            images.clamp_(0, 1)
        yield


def timed(advance: Callable[[], object], iterations: int) -> float:
    """Seconds per iteration."""
    begun = time.perf_counter()
    for _ in range(iterations):
        advance()
    return (time.perf_counter() - begun) / iterations


def compare(seen: Observation, *, blocks: int, seconds: float) -> tuple[float, float, float]:
    """Median seconds of a bare and of an engine iteration, and the median of the blocks' ratios."""
    attack = InvertingGradients(iterations=1_000_000)
    bare = bare_loop(seen, attack)
    engine = attack.run(seen, torch.Generator().manual_seed(0))
    for loop in (bare, engine):
        timed(lambda loop=loop: next(loop), 5)
    iterations = max(3, round(seconds / timed(lambda: next(bare), 5)))
    pairs = [(timed(lambda: next(bare), iterations), timed(lambda: next(engine), iterations)) for _ in range(blocks)]
    bare_times, engine_times = zip(*pairs, strict=True)
    ratio = statistics.median(ours / theirs for theirs, ours in pairs)
    return statistics.median(bare_times), statistics.median(engine_times), ratio


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blocks", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.5, help="length of one block")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__}, {options.threads} thread(s), 32 x 32 photos, fp32, eager")
    print(f"{'model':10} {'B':>2} {'bare ms':>9} {'engine ms':>10} {'ratio':>6}  target <= {TARGET}")
    for name, kind, batch_size in CASES:
        bare, engine, ratio = compare(observe(kind, batch_size), blocks=options.blocks, seconds=options.seconds)
        verdict = "met" if ratio <= TARGET else "missed"
        print(f"{name:10} {batch_size:2} {bare * 1e3:9.2f} {engine * 1e3:10.2f} {ratio:6.3f}  {verdict}", flush=True)


if __name__ == "__main__":
    main()
