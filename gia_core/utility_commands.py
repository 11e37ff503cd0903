"""A utility experiment carried out in this terminal. Imports what it needs when it runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .console import failing, print_json, print_table

if TYPE_CHECKING:
    from rich.progress import Progress

    from .chronicle import Advanced
    from .store import Json
    from .utility import UtilitySpec


def carry_out(spec: UtilitySpec, home: Path, *, as_json: bool) -> None:
    """Ends the program with one line where the experiment fails."""
    with failing():
        summary = carried_out(spec, home)
    if as_json:
        print_json(summary)
    else:
        tell(summary["scores"])


def carried_out(spec: UtilitySpec, home: Path) -> Json:
    """What ``run --json`` prints; Ctrl-C ends it with what is complete."""
    from . import report, terminal
    from .store import Status

    begun = time.monotonic()
    with terminal.interruptible() as interrupt, terminal.bar() as shown:
        import torch

        from .chronicle import Advanced, Ended
        from .provenance import provenance
        from .utility.experiment import tell as story

        device, ended, iteration = "cuda" if torch.cuda.is_available() else "cpu", Ended(stopped=True), 0
        for event in story(spec, device=device, home=home, stopped=lambda: interrupt.wanted):
            if isinstance(event, Advanced):
                iteration = event.iteration
                show(shown, event)
            elif isinstance(event, Ended):
                ended = event
    return report.record(
        status=Status.STOPPED if ended.stopped else Status.FINISHED,
        scores=ended.body["scores"],
        baselines=None,
        iterations=iteration,
        seconds=time.monotonic() - begun,
        spec=spec.model_dump(mode="json"),
        provenance=provenance(device),
    )


def show(shown: Progress, event: Advanced) -> None:
    from . import terminal

    now = event.body
    note = f"{now['arm']}, learning rate {now['learning_rate']:g}, seed {now['seed']}"
    terminal.advance(shown, "Training", event.iteration, event.iterations, note)


def tell(found: Json) -> None:
    """The answer for a person."""
    import typer

    rows = [arm_row(arm, result) for arm, result in found["arms"].items()]
    print_table(("Training", "Learning rate", "Accuracy", "Spread", "Seeds"), rows)
    for sentence in (found["sentence"], *found["notes"]):
        typer.echo(sentence)


def arm_row(arm: str, result: dict[str, Any]) -> tuple[str, ...]:
    rate, spread = result["learning_rate"], result["spread"]
    return (
        arm,
        "" if rate is None else f"{rate:g}",
        "" if result["accuracy"] is None else f"{result['accuracy']:.1%}",
        "" if spread is None else f"{spread:.1%}",
        str(len(result["accuracies"])),
    )
