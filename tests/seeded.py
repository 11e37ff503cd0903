"""Runs as a worker would have left them, written in milliseconds: real photographs that rise out of noise."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from gia_core.datasets.photos import PHOTOGRAPHS, image
from gia_core.spec import AuditSpec
from gia_core.store import RunStore, Status
from gia_core.types import UNKNOWN

ITERATIONS = 100


@dataclass(frozen=True)
class Told:
    """What an attack lets know, beside its pictures."""

    iterations: int = ITERATIONS
    minimizes: bool = True
    labels: bool = True
    missing: tuple[int, ...] = ()
    """Images that it does not find, so that they stay mid-gray."""
    tables: tuple[dict, ...] = ()


IN_ONE_STEP = Told(iterations=1, minimizes=False, labels=False)


def seed_run(
    store: RunStore,
    spec: AuditSpec | None = None,
    *,
    status: Status = Status.FINISHED,
    reached: int | None = None,
    closeness: float = 1.0,
    error: str | None = None,
    passed: bool = True,
    told: Told = Told(),
) -> str:
    """A run that took ``reached`` iterations in ten recorded steps, and came as close to the truth as ``closeness``."""
    spec = spec or AuditSpec()
    run_id = store.submit(spec)
    if status is not Status.QUEUED:
        carry_out(
            store,
            run_id,
            spec,
            status=status,
            reached=reached,
            closeness=closeness,
            error=error,
            passed=passed,
            told=told,
        )
    return run_id


def carry_out(
    store: RunStore,
    run_id: str,
    spec: AuditSpec,
    *,
    status: Status = Status.FINISHED,
    reached: int | None = None,
    closeness: float = 1.0,
    error: str | None = None,
    passed: bool = True,
    told: Told = Told(),
) -> None:
    """Let a queued run take place."""
    reached = reached or told.iterations
    store.start(run_id, {"device": "cpu"})
    truth = np.stack([image(i, split="victims", size=32) for i in range(spec.batch_size)])
    store.record(run_id, started(truth, passed=passed), truth=sprite(truth))
    granted = spec.knowledge.labels
    for iteration in range(max(1, reached // 10), reached + 1, max(1, reached // 10)):
        images = mixed(truth, closeness * iteration / told.iterations, told.missing)
        body = progress(truth, images, iteration, told, granted=granted)
        if iteration == max(1, reached // 10):
            body["tables"] = list(told.tables)
        store.record(run_id, body, frame=(iteration, sprite(images)))
    if status in (Status.FINISHED, Status.STOPPED):
        body = finished(truth, images, reached, status, told, granted=granted)
        store.record(run_id, body, frame=(reached, sprite(images)))
    end(store, run_id, status, error)


def end(store: RunStore, run_id: str, status: Status, error: str | None) -> None:
    if status.is_over:
        store.finish(run_id, status, error=error)
    elif status is not Status.RUNNING:
        store.pause(run_id)
        store.mark(run_id, status)


def mixed(truth: np.ndarray, share: float, missing: tuple[int, ...] = ()) -> np.ndarray:
    """Each image a little closer to the truth than the next one."""
    noise = np.random.default_rng(0).integers(0, 256, truth.shape)
    shares = np.linspace(share, share * (0.8 if len(truth) > 1 else 1), len(truth))[:, None, None, None]
    images = (truth * shares + noise * (1 - shares)).round().astype(np.uint8)
    images[list(missing)] = 128
    return images


def started(truth: np.ndarray, *, passed: bool) -> dict:
    gray, mean = np.full_like(truth, 128), np.broadcast_to(truth.mean(axis=(1, 2), keepdims=True), truth.shape)
    return {
        "kind": "started",
        "label_names": [PHOTOGRAPHS[i % len(PHOTOGRAPHS)].title for i in range(len(truth))],
        "labels": [i % len(PHOTOGRAPHS) for i in range(len(truth))],
        "iterations": ITERATIONS,
        "image_shape": [3, 32, 32],
        "baselines": {"gray": scores(gray, truth), "mean-color": scores(mean, truth)},
        "capture": {"distance": 0.0 if passed else 0.7, "passed": passed, "message": f"Self-test {passed}."},
        "knowledge": ["The attacker has the model."],
    }


def progress(truth: np.ndarray, images: np.ndarray, iteration: int, told: Told, *, granted: bool) -> dict:
    losses = {"total": 10.0 / iteration, "matching": 9.0 / iteration, "total variation": 0.1} if told.minimizes else {}
    weighted = {"matching": 9.0 / iteration, "total variation": 1.0 / iteration} if told.minimizes else {}
    return {
        "kind": "progress",
        "iteration": iteration,
        "iterations": told.iterations,
        "losses": losses,
        "best": losses,
        "weighted": weighted,
        "scores": scores(images, truth) | {"label_accuracy": accuracy(told, granted=granted)},
        "labels": labels(truth, told),
        "elapsed": iteration / 10,
        "rate": 10.0,
        "dropped": 0,
    }


def finished(truth: np.ndarray, images: np.ndarray, reached: int, status: Status, told: Told, *, granted: bool) -> dict:
    return {
        "kind": "finished",
        "status": str(status),
        "iteration": reached,
        "iterations": told.iterations,
        "scores": scores(images, truth) | {"label_accuracy": accuracy(told, granted=granted)},
        "baselines": started(truth, passed=True)["baselines"],
        "diagnosis": ["The search ended before its update matched."] if reached < told.iterations else [],
        "seconds": reached / 10,
        "tables": list(told.tables),
        "labels": labels(truth, told),
    }


def labels(truth: np.ndarray, told: Told) -> list[int]:
    return [i % len(PHOTOGRAPHS) if told.labels else UNKNOWN for i in range(len(truth))]


def accuracy(told: Told, *, granted: bool) -> float | None:
    return 1.0 if told.labels and not granted else None


def scores(images: np.ndarray, truth: np.ndarray) -> dict:
    """PSNR and MSE as they are; SSIM only roughly, since no test depends on its value."""
    mse = ((images.astype(float) - truth) ** 2).mean(axis=(1, 2, 3)) / 255**2
    return {
        "psnr": [100.0 if not m else min(100.0, -10 * math.log10(m)) for m in mse],
        "ssim": [float(math.exp(-30 * m)) for m in mse],
        "mse": mse.tolist(),
        "lpips": None,
    }


def sprite(images: np.ndarray) -> bytes:
    """The batch as one PNG in a grid of ceil(sqrt(B)) columns, as workers write it."""
    count, height, width, channels = images.shape
    columns = math.ceil(math.sqrt(count))
    grid = np.zeros((math.ceil(count / columns) * height, columns * width, channels), np.uint8)
    for i, picture in enumerate(images):
        top, left = i // columns * height, i % columns * width
        grid[top : top + height, left : left + width] = picture
    file = io.BytesIO()
    Image.fromarray(grid).save(file, "PNG")
    return file.getvalue()
