"""The commands about priors: ``python -m gia_core prior --help``. Each imports what it needs when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import REFUSED, AsJson, failing, give_up, print_json, print_table, read_spec, settings

if TYPE_CHECKING:
    from rich.progress import Progress

    from .priors import Card, PriorSpec
    from .priors.training import Event

app = typer.Typer(no_args_is_help=True)


@app.callback()
def describe() -> None:
    """Generators of images that help an attack: list them, look at one, train one."""


@app.command("train")
def train(
    spec: Annotated[str, typer.Argument(metavar="SPEC", help="JSON file with the spec; - reads it from stdin.")],
    as_json: AsJson = False,
) -> None:
    """Train a prior here. Ctrl-C stops it and keeps the best so far; whatever else ends it, the next call goes on."""
    from .priors import PriorSpec

    home = settings().home
    carry_out_and_tell(read_spec(spec, PriorSpec.model_validate_json, home), home, as_json=as_json)


def carry_out_and_tell(spec: PriorSpec, home: Path, *, as_json: bool) -> None:
    with failing():
        card = carry_out(spec, home)
    if as_json:
        print_json(card.model_dump(mode="json"))
    else:
        tell(card)


@app.command("list")
def list_priors(as_json: AsJson = False) -> None:
    """List the priors that come with GIA Lab and those trained on this machine."""
    from .priors.shelf import priors

    found = priors(settings().home)
    if as_json:
        print_json([card.model_dump(mode="json") for card in found])
        return
    header = ("Prior", "Data set", "Images", "Method", "By class", "Steps", "Fréchet distance")
    print_table(header, [row(card) for card in found])


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(metavar="PRIOR", help="Name of a prior, as the command list lists it.")],
    as_json: AsJson = False,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the picture of its samples, a PNG.")] = None,
) -> None:
    """Show one prior: what it has learned, how good it is, and whether its weights are intact."""
    from .priors.shelf import find, load, sheet

    home = settings().home
    try:
        card, _ = find(name, home)
    except ValueError as error:
        give_up(str(error), REFUSED)
    with failing():
        load(name, home)
        if out is not None and (picture := sheet(name, home)) is not None:
            out.write_bytes(picture)
    if as_json:
        print_json(card.model_dump(mode="json"))
    else:
        tell(card)


def carry_out(spec: PriorSpec, home: Path) -> Card:
    """Raises ValueError with a sentence for the user where the training fails."""
    from . import terminal

    with terminal.interruptible() as interrupt, terminal.bar() as shown:
        import torch

        from .priors.training import Learned, learn
        from .provenance import provenance

        device = "cuda" if torch.cuda.is_available() else "cpu"
        for event in learn(
            spec,
            home=home,
            device=device,
            made_with=provenance(device),
            stopped=lambda: interrupt.wanted,
        ):
            if isinstance(event, Learned):
                return event.card
            show_progress(shown, event)
    raise AssertionError("a training ends with what was learned")


def show_progress(shown: Progress, event: Event) -> None:
    """Move the bar of the phase that the training is in."""
    from . import terminal
    from .priors.training import Learning

    if isinstance(event, Learning):
        note = "" if event.look is None else f"Fréchet distance {event.look.frechet:.3g}"
        terminal.advance(shown, "Training the prior", event.step, event.steps, note)
    elif not hasattr(event, "card"):
        terminal.advance(shown, "Training what judges it", event.epoch, event.epochs, "")


def tell(card: Card) -> None:
    channels, height, width = card.image_shape
    print_table(
        ("Prior", card.name),
        {
            "Data set": f"{card.spec.dataset.name}, {card.training_images} training images"
            f"{'' if card.has_seen_images else ' that it has never seen'}",
            "Images": f"{height} × {width}, {'color' if channels == 3 else 'gray'}",
            "Method": f"{card.spec.method.name}, {card.lessons}",
            "Trained for": f"{card.seconds / 60:.1f} minutes ({card.processor_seconds / 60:.1f} of one processor core)",
            "Trained on": str(card.made_with.get("processor", "unknown")),
            "Fréchet distance": f"{card.frechet:.3g}, of halves of the training images {card.frechet_floor:.3g}",
            "Training images": f"SHA-256 {card.training_sha256[:16]}…",
            "Weights": f"SHA-256 {card.sha256[:16]}…",
        }.items(),
    )


def row(card: Card) -> tuple[str, ...]:
    height, width = card.image_shape[1:]
    asked = "yes" if card.num_classes else "no"
    return (
        card.name,
        card.spec.dataset.name,
        f"{height} × {width}",
        card.spec.method.name,
        asked,
        str(card.steps),
        f"{card.frechet:.3g}",
    )
