"""What leaves the house and comes in again: reports, bundles, and their import."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .console import REFUSED, failing, give_up, known, opened_store
from .reports.choice import Pictures

app = typer.Typer()

WARNING = "may contain recovered training data; handle it as the original data."


@app.command("report")
def write_report(
    run_ids: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="Ids of runs, as the command runs lists them.")
    ],
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The HTML file to write, in place of a zip.")
    ] = None,
    pictures: Annotated[Pictures, typer.Option(help="What becomes of the pictures in the HTML file.")] = Pictures.SHOW,
    animation: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The animated PNG to write: how the attack came closer.")
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The PNG to write: every image at several moments.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="The zip to write.")] = None,
) -> None:
    """Write a run into one zip: spec, scores, events and images. With --html, one or several into one page to read.

    With --animation and --sheet, one as a picture to show.
    """
    if len(run_ids) > 1 and (html is None or animation or sheet):
        give_up("A zip or a picture holds one run; to compare several, give --html FILE alone.", REFUSED)
    if html is not None:
        write_page(run_ids, html, pictures)
    if animation is not None or sheet is not None:
        write_pictures(run_ids[0], animation, sheet)
    elif html is None:
        write_bundle(run_ids[0], out or Path(f"gia-run-{run_ids[0]}.zip"))


def write_page(run_ids: list[str], file: Path, pictures: Pictures) -> None:
    from .reports import page, subject

    with opened_store() as store:
        for run_id in run_ids:
            with known(run_id):
                store.run(run_id)
        with failing():
            file.write_text(page.write(subject.read(store, run_ids), pictures), encoding="utf-8")
    typer.echo(f"{file} {WARNING}")


def write_pictures(run_id: str, animation: Path | None, sheet: Path | None) -> None:
    from .reports import film

    with opened_store() as store:
        with known(run_id):
            store.run(run_id)
        with failing():
            shot = film.shoot(store, run_id)
    for file, draw in ((animation, film.animated), (sheet, film.contact_sheet)):
        if file is not None:
            with failing():
                file.write_bytes(draw(shot))
            typer.echo(f"{file} {WARNING}")


def write_bundle(run_id: str, file: Path) -> None:
    from .report import archive

    with opened_store() as store, known(run_id):
        content = archive(store, run_id)
    with failing():
        file.write_bytes(content)
    typer.echo(f"{file} {WARNING}")


@app.command("import")
def import_bundle(
    file: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A zip that the command report wrote elsewhere.")],
) -> None:
    """Take the run of another installation into the store, after every check that a stranger's file calls for."""
    from . import bundle

    with opened_store() as store:
        try:
            run_id = bundle.load(file, store)
        except bundle.BundleError as error:
            give_up(f"{file.name}: {error}", REFUSED)
        except OSError as error:
            give_up(f"{file.name}: {error.strerror}", REFUSED)
    typer.echo(f"{run_id} is the imported run; it {WARNING}")
