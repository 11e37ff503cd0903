"""The command line: ``python -m gia_core --help``. Every command imports what it needs when it runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from .settings import Settings
    from .spec import AuditSpec
    from .store import Run, RunStore

FAILED, REFUSED = 1, 2
"""Exit codes: something went wrong; what was asked for makes no sense."""

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="Id of a run, as the command runs lists it.")]


@app.callback()
def describe() -> None:
    """GIA Lab: how much private training data leaks from what federated-learning clients share."""


@app.command("run")
def carry_out(
    spec: Annotated[str, typer.Argument(metavar="SPEC", help="JSON file with the spec; - reads it from stdin.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder for the images, as PNG.")] = None,
) -> None:
    """Carry out one audit here, without store or Ray. Ctrl-C stops it and keeps the best so far."""
    home = settings().home
    checked = read_spec(spec, home)
    from . import terminal

    with failing():
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)  # before the work: better to fail now than after an hour
        outcome = terminal.carry_out(checked, home)
        if out is not None:
            terminal.save_images(outcome, out)
    if as_json:
        print_json(outcome.summary)
    else:
        terminal.tell(outcome)


@app.command("catalog")
def list_catalog(as_json: AsJson = False) -> None:
    """List every data set, model, client, defense and attack; as JSON, with the schema of its fields."""
    from . import spec

    unions = {
        "datasets": spec.Dataset,
        "models": spec.Model,
        "clients": spec.Client,
        "defenses": spec.Defense,
        "attacks": spec.Attack,
    }
    catalogs = {title: spec.kinds(union) for title, union in unions.items()}
    if as_json:
        print_json({title: {n: kind.model_json_schema() for n, kind in c.items()} for title, c in catalogs.items()})
        return
    rows = [
        (title, name, (kind.__doc__ or "").partition("\n")[0])
        for title, kinds in catalogs.items()
        for name, kind in kinds.items()
    ]
    print_table(("Catalog", "Name", "What it is"), rows)


@app.command("runs")
def list_runs(
    as_json: AsJson = False,
    limit: Annotated[int, typer.Option(min=1, help="How many at most, the newest first.")] = 20,
) -> None:
    """List the runs in the store."""
    with opened_store() as store:
        found = store.runs(limit=limit)
    if as_json:
        from .report import summary

        print_json([{"id": run.id, **summary(run)} for run in found])
    else:
        header = ("Run", "Status", "Attack", "Data set", "Model", "Batch", "Defenses", "Best PSNR")
        print_table(header, [(run.id, run.status, *setup(run), best_psnr(run)) for run in found])


@app.command("show")
def show_run(run_id: RunId, as_json: AsJson = False) -> None:
    """Show one run: what was asked, what came out, and how to put it in words."""
    from . import report

    with opened_store() as store, known(run_id):
        run, events = store.run(run_id), store.events(run_id)
    summary = report.summary(run, events)
    if as_json:
        print_json({"id": run.id, **summary, "error": run.error})
        return
    attack, dataset, model, batch, defenses = setup(run)
    rows = {
        "Status": run.status,
        "Attack": attack,
        "Data set": dataset,
        "Model": model,
        "Batch": batch,
        "Defenses": defenses,
        "Best PSNR": best_psnr(run),
        "Verdict": run.error or report.verdict(summary),
    }
    print_table(("Run", run.id), rows.items())


@app.command("report")
def write_report(
    run_id: RunId, out: Annotated[Path | None, typer.Option(metavar="FILE", help="The zip to write.")] = None
) -> None:
    """Write everything about a run into one zip: spec, scores, events and images."""
    from .report import archive

    with opened_store() as store, known(run_id):
        content = archive(store, run_id)
    file = out or Path(f"gia-run-{run_id}.zip")
    with failing():
        file.write_bytes(content)
    typer.echo(f"{file} holds recovered training data; handle it as the original data.")


@app.command("runner")
def start_runner() -> None:
    """Carry out the queued runs of the store until Ctrl-C; on a cluster, start it on the head."""
    from . import runner

    raise typer.Exit(runner.main())


@app.command("doctor")
def examine(as_json: AsJson = False) -> None:
    """Look at versions, devices, store, runner, data sets and weights; exit code 1 if something essential is broken."""
    from dataclasses import asdict

    from .doctor import checkup
    from .store import StoreError

    try:
        checks = checkup(settings(), open_store())
    except StoreError as error:
        checks = checkup(settings(), error)
    if as_json:
        print_json([asdict(check) for check in checks])
    else:
        signs = {True: "fine", None: "not there", False: "BROKEN"}
        for check in checks:
            typer.echo(f"{signs[check.ok]:<10} {check.name}: {check.finding}")
            if check.advice:
                typer.echo(f"{'':<10} {check.advice}")
    raise typer.Exit(FAILED if any(check.ok is False for check in checks) else 0)


@app.command("fetch")
def fetch_dataset(
    name: Annotated[str, typer.Argument(metavar="DATASET", help='Name of a data set, or "lpips" for its weights.')],
) -> None:
    """Download a data set, or the weights of LPIPS, once."""
    from rich.console import Console
    from rich.progress import Progress

    from .datasets.fetch import fetch

    with failing(), Progress(console=Console(stderr=True)) as progress:
        fetch(name, settings().home, progress)
    typer.echo(f"{name} is ready.")


def settings() -> Settings:
    from .settings import Settings

    try:
        return Settings.from_environment()
    except ValueError as error:
        give_up(str(error), REFUSED)


def read_spec(source: str, home: Path) -> AuditSpec:
    """The spec in the file ``source``. Ends the program where it cannot be read or not be carried out."""
    from pydantic import ValidationError

    from .faults import fault
    from .spec import AuditSpec

    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
        spec = AuditSpec.model_validate_json(text)
    except OSError as error:
        give_up(f"{source}: {error.strerror}", REFUSED)
    except UnicodeDecodeError:
        give_up(f"{source}: not a text file", REFUSED)
    except ValidationError as error:
        give_up(fault(error), REFUSED)
    for objection in spec.objections(home):
        give_up(f"{objection.field}: {objection.reason}", REFUSED)
    return spec


@contextmanager
def opened_store() -> Iterator[RunStore]:
    """Ends the program where the store cannot be used."""
    from .store import StoreError

    try:
        store = open_store()
        try:
            yield store
        finally:
            store.close()
    except StoreError as error:
        give_up(str(error))


def open_store() -> RunStore:
    """Raises StoreError."""
    from .store import RunStore

    chosen = settings()
    return RunStore(chosen.store_url, home=chosen.home)


@contextmanager
def known(run_id: str) -> Iterator[None]:
    """Ends the program where the store has no such run."""
    try:
        yield
    except KeyError:
        give_up(f"There is no run {run_id}; to list them: python -m gia_core runs", REFUSED)


@contextmanager
def failing() -> Iterator[None]:
    """Whatever goes wrong ends the program with one line; ``python -X dev -m gia_core`` shows where it happened."""
    try:
        yield
    except Exception as error:
        if sys.flags.dev_mode:
            raise
        give_up(str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}")


def give_up(message: str, code: int = FAILED) -> NoReturn:
    typer.echo(" ".join(message.split()), err=True)
    raise typer.Exit(code)


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, allow_nan=False))


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*header)
    table.columns[0].no_wrap = True
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def setup(run: Run) -> tuple[str, str, str, str, str]:
    """Attack, data set, model, batch size and defenses, in words."""
    spec = run.spec
    if spec is None:
        return ("unreadable", "", "", "", "")
    defenses = ", ".join(defense.name for defense in spec.defenses)
    return (spec.attack.name, spec.dataset.name, spec.model.name, str(spec.batch_size), defenses or "none")


def best_psnr(run: Run) -> str:
    values = [value for value in (run.scores or {}).get("psnr") or () if value is not None]
    return f"{max(values):.1f} dB" if values else ""


if __name__ == "__main__":
    app(prog_name="python -m gia_core")
