"""The commands about the gallery: ``python -m gia_core gallery --help``. Each imports what it needs when it runs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .console import REFUSED, AsJson, failing, give_up, print_json, print_table

if TYPE_CHECKING:
    from .gallery import Card

app = typer.Typer(no_args_is_help=True)


@app.callback()
def describe() -> None:
    """Questions that people ask, each with recorded runs that answer it: list them, record them anew."""


@app.command("list")
def list_cards(as_json: AsJson = False) -> None:
    """List the questions, and what their recorded runs found."""
    from .gallery import CARDS

    found = [told(card) for card in CARDS]
    if as_json:
        print_json(found)
        return
    print_table(("Card", "Question", "Runs", "Recorded", "Size"), [cells(row) for row in found])


def told(card: Card) -> dict[str, Any]:
    """A card as JSON; None where it is not recorded."""
    from .gallery import MissingError, recordings

    row: dict[str, Any] = {"name": card.name, "question": card.question}
    row["specs"] = [spec.model_dump(mode="json") for spec in card.specs]
    try:
        found = [recordings.recording(file) for file in card.files]
        answer, condition = recordings.told(card)
    except MissingError:
        return row | {"answer": None, "condition": None, "runs": None, "recorded_at": None, "bytes": None}
    return row | {
        "answer": answer,
        "condition": condition,
        "runs": [each.run_id for each in found],
        "recorded_at": found[0].recorded_at,
        "bytes": sum(each.size for each in found),
    }


def cells(row: dict[str, Any]) -> tuple[str, ...]:
    if row["runs"] is None:
        return (row["name"], row["question"], "not recorded", "", "")
    day = datetime.fromtimestamp(row["recorded_at"], UTC).date().isoformat()
    return (row["name"], row["question"], str(len(row["runs"])), day, f"{row['bytes'] / 1000:.0f} kB")


@app.command("record")
def record(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Cards to record; all of them if none is named.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where to write the recordings, if not among those shipped.")
    ] = None,
) -> None:
    """Carry out the runs of cards here, and write them as recordings. Everything they need comes with GIA Lab."""
    from .gallery import EVERY_CARD, named, recordings

    try:
        cards = [named(name) for name in names] if names else EVERY_CARD
    except ValueError as error:
        give_up(str(error), REFUSED)
    place = folder or recordings.FOLDER
    with failing():
        place.mkdir(parents=True, exist_ok=True)
        for card in cards:
            record_card(card, place)


def record_card(card: Card, folder: Path) -> None:
    from .gallery import recorder, recordings

    for file, take in zip(card.files, card.takes, strict=True):
        (folder / file).write_bytes(recorder.record(take.spec))
        found = recordings.recording(file, folder)
        figures = f"{found.figures.psnr}, blind guess {found.figures.guess}, in {found.figures.took}"
        typer.echo(f"{file:24} {found.size / 1000:5.0f} kB  {take.caption}: {figures}")
