"""The events of an audit as the store keeps them: JSON bodies, and pictures as one lossless sprite."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import asdict
from typing import TYPE_CHECKING

from .audit import Finished, Progress, Started
from .chronicle import Advanced, Chapter, Ended
from .models.training import Training
from .report import known
from .store import Json, Status

if TYPE_CHECKING:
    from torch import Tensor

COMPRESSION = 1
"""Of the PNGs: level 1 takes a third of the time of level 6, and noise does not shrink anyway."""


def training_body(event: Training, *, elapsed: float) -> Json:
    """``elapsed``: seconds since the run began, pauses left out; here and below."""
    return plain(
        {
            "kind": "training",
            "epoch": event.epoch,
            "epochs": event.epochs,
            "loss": event.loss,
            "accuracy": event.accuracy,
            "elapsed": elapsed,
        }
    )


def started_body(event: Started) -> Json:
    return plain(
        {
            "kind": "started",
            "label_names": event.label_names,
            "labels": event.truth.labels.tolist(),
            "image_shape": tuple(event.truth.images.shape[1:]),
            "baselines": event.baselines,
            "capture": None if event.capture is None else asdict(event.capture),
            "exchange": [asdict(table) for table in event.tables],
        }
    )


def progress_body(
    event: Progress, *, elapsed: float, rate: float | None, tables: bool = True, samples: bool = True
) -> Json:
    """``rate``: iterations per second of the attack so far; ``tables``, ``samples``: whether there are other ones than
    before."""
    drawn = event.step.samples if samples else None
    return plain(
        {
            "kind": "progress",
            "iteration": event.step.iteration,
            "iterations": event.step.iterations,
            "losses": event.step.losses,
            "best": event.step.best,
            "scores": scores(event),
            "labels": event.paired.labels.tolist(),
            "elapsed": elapsed,
            "rate": rate,
            "dropped": event.step.dropped,
            "weighted": event.step.weighted,
            **({"tables": [asdict(table) for table in event.step.tables]} if tables else {}),
            **({} if drawn is None else {"samples": pictured(drawn)}),
        }
    )


def finished_body(event: Finished, *, baselines: Json, seconds: float) -> Json:
    step = event.last.step
    return plain(
        {
            "kind": "finished",
            "status": Status.STOPPED if event.stopped else Status.FINISHED,
            "iteration": step.iteration,
            "iterations": step.iterations,
            "scores": scores(event.last),
            "baselines": baselines,
            "diagnosis": event.diagnosis,
            "seconds": seconds,
            "tables": [asdict(table) for table in step.tables],
            "labels": event.last.paired.labels.tolist(),
        }
    )


def chapter_body(event: Chapter, *, elapsed: float) -> Json:
    """Of a run that is no audit; as those above."""
    match event:
        case Advanced():
            rate = event.iteration / max(elapsed, 1e-9)
            own = {"kind": "progress", "iteration": event.iteration, "iterations": event.iterations, "rate": rate}
        case Ended():
            status = Status.STOPPED if event.stopped else Status.FINISHED
            own = {"kind": "finished", "status": status, "seconds": elapsed}
        case _:
            own = {"kind": "started"}
    return plain({**own, "elapsed": elapsed, **event.body})


def scores(event: Progress) -> Json:
    """Per-image lists and the share of labels found, as ``run --json`` prints them."""
    return {**event.scores, "label_accuracy": event.label_accuracy}


def plain(body: Json) -> Json:
    """Only what JSON has: None for numbers that are not finite, lists for tuples."""
    return dict(known(body))


def pictured(images: Tensor) -> Json:
    """A sprite within an event: how many images it holds, and the PNG in base64."""
    return {"count": len(images), "png": base64.b64encode(sprite(images)).decode()}


def sprite(images: Tensor) -> bytes:
    """The batch (B, C, H, W) in [0, 1] as one PNG: a grid of ⌈√B⌉ columns without gaps, filled row by row.

    One channel stays one; cells without an image are black, and so are pixels that are not numbers.
    """
    import torch
    from PIL import Image

    count, channels, height, width = images.shape
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    cells = torch.zeros(rows * columns, channels, height, width, dtype=torch.uint8)
    cells[:count] = images.detach().nan_to_num(0.0).clamp(0, 1).mul(255).round().to("cpu", torch.uint8)
    grid = cells.view(rows, columns, channels, height, width).permute(0, 3, 1, 4, 2)
    pixels = grid.reshape(rows * height, columns * width, channels).squeeze(2).numpy()
    png = io.BytesIO()
    Image.fromarray(pixels).save(png, "PNG", compress_level=COMPRESSION)
    return png.getvalue()
