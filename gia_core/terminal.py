"""One audit carried out in this terminal, without store or Ray: a progress bar, then a table or a JSON object."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from . import report
from .spec import AuditSpec
from .store import Json, Status

if TYPE_CHECKING:
    from torch import Tensor

    from .audit import Event, Finished, Started


@dataclass(frozen=True)
class Outcome:
    """How an audit ended."""

    summary: Json
    """What ``run --json`` prints."""
    started: Started | None
    """None, like ``finished``, where it was stopped before the attack began."""
    finished: Finished | None
    nothing_to_invert: str = ""
    """Why no attack took place although the audit came to its end; empty where one did."""


class Interrupt:
    """Turns the first Ctrl-C into a wish to stop; a second one ends the program at once."""

    wanted = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.wanted = True
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    interrupt = Interrupt()
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, before)


def carry_out(spec: AuditSpec, home: Path) -> Outcome:
    """Raises ValueError with a sentence for the user where the audit fails."""
    started: Started | None = None
    finished: Finished | None = None
    nothing = ""
    begun = time.monotonic()
    with interruptible() as interrupt, bar() as shown:
        import torch

        from .audit import Finished, Started, audit
        from .chronicle import Ended

        device = "cuda" if torch.cuda.is_available() else "cpu"
        for event in audit(spec, device=device, home=home, stopped=lambda: interrupt.wanted):
            show(shown, event)
            if isinstance(event, Started):
                started = event
            elif isinstance(event, Finished):
                finished = event
            elif isinstance(event, Ended):
                nothing = event.body["nothing_to_invert"]
            elif started is None and interrupt.wanted:
                break  # the model is still being trained: there is nothing to keep
    found = summary(spec, started, finished, seconds=time.monotonic() - begun, device=device)
    return Outcome(found | ({"status": Status.FINISHED} if nothing else {}), started, finished, nothing)


def bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    return Progress(*columns, TextColumn("{task.fields[note]}"), console=Console(stderr=True))


def show(shown: Progress, event: Event) -> None:
    """Move the bar of the phase that the audit is in."""
    from .audit import Progress as Attacking
    from .audit import Training

    if isinstance(event, Training):
        advance(shown, "Training the model", event.epoch, event.epochs, f"accuracy {event.accuracy:.0%}")
    elif isinstance(event, Attacking):
        loss = event.step.best.get("total")
        note = "" if loss is None else f"best loss {loss:.3g}"
        advance(shown, "Attacking", event.step.iteration, event.step.iterations, note)


def advance(shown: Progress, phase: str, done: int, total: int, note: str) -> None:
    task = next((task.id for task in shown.tasks if task.description == phase), None)
    if task is None:
        task = shown.add_task(phase, total=total, note=note)
    shown.update(task, completed=done, note=note)


def summary(
    spec: AuditSpec, started: Started | None, finished: Finished | None, *, seconds: float, device: str
) -> Json:
    from .bodies import scores
    from .provenance import provenance

    return report.record(
        status=Status.STOPPED if finished is None or finished.stopped else Status.FINISHED,
        scores=None if finished is None else scores(finished.last),
        baselines=None if started is None else started.baselines,
        iterations=0 if finished is None else finished.last.step.iteration,
        seconds=seconds,
        spec=spec.model_dump(mode="json"),
        provenance=provenance(device),
    )


def save_images(outcome: Outcome, folder: Path) -> None:
    """``original-N.png`` and ``reconstruction-N.png`` for every image, in the order of the private batch."""
    batches: dict[str, Tensor] = {}
    if outcome.started is not None:
        batches["original"] = outcome.started.truth.images
    if outcome.finished is not None:
        batches["reconstruction"] = outcome.finished.last.paired.images
    for name, images in batches.items():
        for index, image in enumerate(images):
            save_png(image, folder / f"{name}-{index}.png")


def save_png(image: Tensor, file: Path) -> None:
    """``image``: (C, H, W) in [0, 1]."""
    from PIL import Image

    pixels = (image.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(file, "PNG")


def tell(outcome: Outcome) -> None:
    """The answer for a person: scores beside what a blind guess scores, and one sentence."""
    console = Console()
    found = outcome.summary
    check = None if outcome.started is None else outcome.started.capture
    if check is not None and not check.passed:
        console.print(check.message)
    if (found["scores"] or {}).get("psnr"):
        console.print(scores_table(found))
    console.print(outcome.nothing_to_invert or report.verdict(found))
    for cause in outcome.finished.diagnosis if outcome.finished is not None else ():
        console.print(f"- {cause}")


def scores_table(found: Json) -> Table:
    """Means over the batch: the attack first, then every blind guess."""
    images = len(found["scores"]["psnr"])
    table = Table(title="Scores" if images == 1 else f"Scores, mean over {images} images", title_justify="left")
    table.add_column("Guess")
    for title in report.METRICS.values():
        table.add_column(title, justify="right")
    for guess, scores in {"this attack": found["scores"], **(found["baselines"] or {})}.items():
        table.add_row(guess, *(mean(scores.get(metric), metric) for metric in report.METRICS))
    return table


def mean(values: list[float | None] | None, metric: str) -> str:
    """Of the numbers among ``values``, as text."""
    numbers = [value for value in values or () if value is not None]
    if not numbers:
        return "not measured"
    average = sum(numbers) / len(numbers)
    return f"{average:.1f} dB" if metric == "psnr" else f"{average:.4f}"
