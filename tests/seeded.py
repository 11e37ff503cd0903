"""Runs as a worker would have left them, written in milliseconds: real photographs that rise out of noise."""

from __future__ import annotations

import io
import math

import numpy as np
from PIL import Image

from gia_core.datasets.photos import PHOTOGRAPHS, image
from gia_core.spec import AuditSpec
from gia_core.store import RunStore, Status

ITERATIONS = 100


def seed_run(
    store: RunStore,
    spec: AuditSpec | None = None,
    *,
    status: Status = Status.FINISHED,
    reached: int = ITERATIONS,
    closeness: float = 1.0,
    error: str | None = None,
    passed: bool = True,
) -> str:
    """A run that took ``reached`` iterations in ten recorded steps, and came as close to the truth as ``closeness``."""
    spec = spec or AuditSpec()
    run_id = store.submit(spec)
    if status is Status.QUEUED:
        return run_id
    store.start(run_id, {"device": "cpu"})
    truth = np.stack([image(i, split="victims", size=32) for i in range(spec.batch_size)])
    store.record(run_id, started(truth, passed=passed), truth=sprite(truth))
    for iteration in range(max(1, reached // 10), reached + 1, max(1, reached // 10)):
        images = mixed(truth, closeness * iteration / ITERATIONS)
        store.record(run_id, progress(truth, images, iteration), frame=(iteration, sprite(images)))
    end(store, run_id, status, truth, images, reached, error)
    return run_id


def end(
    store: RunStore, run_id: str, status: Status, truth: np.ndarray, images: np.ndarray, reached: int, error: str | None
) -> None:
    if status in (Status.FINISHED, Status.STOPPED):
        store.record(run_id, finished(truth, images, reached, status), frame=(reached, sprite(images)))
    if status.is_over:
        store.finish(run_id, status, error=error)
    elif status is not Status.RUNNING:
        store.pause(run_id)
        store.mark(run_id, status)


def mixed(truth: np.ndarray, share: float) -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 256, truth.shape)
    return (truth * share + noise * (1 - share)).round().astype(np.uint8)


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


def progress(truth: np.ndarray, images: np.ndarray, iteration: int) -> dict:
    losses = {"total": 10.0 / iteration, "matching": 9.0 / iteration, "total variation": 0.1}
    return {
        "kind": "progress",
        "iteration": iteration,
        "iterations": ITERATIONS,
        "losses": losses,
        "best": losses,
        "scores": scores(images, truth) | {"label_accuracy": 1.0},
        "labels": [i % len(PHOTOGRAPHS) for i in range(len(truth))],
        "elapsed": iteration / 10,
        "rate": 10.0,
        "dropped": 0,
    }


def finished(truth: np.ndarray, images: np.ndarray, reached: int, status: Status) -> dict:
    return {
        "kind": "finished",
        "status": str(status),
        "iteration": reached,
        "iterations": ITERATIONS,
        "scores": scores(images, truth) | {"label_accuracy": 1.0},
        "baselines": started(truth, passed=True)["baselines"],
        "diagnosis": ["The search ended before its update matched."] if reached < ITERATIONS else [],
        "seconds": reached / 10,
        "labels": [i % len(PHOTOGRAPHS) for i in range(len(truth))],
    }


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
