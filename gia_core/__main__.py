"""The command line: ``python -m gia_core --help``. Every command imports what it needs when it runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import gallery_commands, prior_commands, report_commands, utility_commands
from .console import (
    FAILED,
    REFUSED,
    AsJson,
    RunId,
    failing,
    give_up,
    known,
    open_store,
    opened_store,
    print_json,
    print_table,
    read_spec,
    settings,
)

if TYPE_CHECKING:
    from .gate import Limit
    from .priors import PriorSpec
    from .store import Json, Run
    from .utility import UtilitySpec

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(prior_commands.app, name="prior")
app.add_typer(gallery_commands.app, name="gallery")
app.add_typer(report_commands.app)

BEYOND = 3
"""Exit code: an audit found more than it may."""


@app.callback()
def describe() -> None:
    """GIA Lab: how much private training data leaks from what federated-learning clients share."""


@app.command("run")
def carry_out(
    spec: Annotated[str, typer.Argument(metavar="SPEC", help="JSON file with the spec; - reads it from stdin.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder for the images, as PNG.")] = None,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(metavar="LIMIT", help='End with exit code 3 where the audit finds more: "psnr > 20", for one.'),
    ] = None,
) -> None:
    """Carry out one audit here, without store or Ray, or an experiment of another kind. Ctrl-C stops it and keeps the
    best so far."""
    from . import jobs, terminal
    from .spec import AuditSpec

    limits, home = read_limits(fail_if or ()), settings().home
    checked = read_spec(spec, jobs.read, home)
    if not isinstance(checked, AuditSpec):
        if out is not None or limits:
            give_up("--out and --fail-if: a run of this kind reconstructs no images.", REFUSED)
        carry_out_other(checked, home, as_json=as_json)
        return

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
    hold_against(limits, outcome.summary)


def read_limits(texts: Sequence[str]) -> list[Limit]:
    """Ends the program where one of them is no limit."""
    from . import gate

    try:
        return [gate.read(text) for text in texts]
    except ValueError as error:
        give_up(f"--fail-if: {error}", REFUSED)


def hold_against(limits: Sequence[Limit], found: Json) -> None:
    """Ends the program where an audit found more than it may."""
    with failing():
        beyond = [str(limit) for limit in limits if limit.exceeded(found)]
    if beyond:
        give_up(f"The audit found more than it may: {' and '.join(beyond)}.", BEYOND)


def carry_out_other(job: PriorSpec | UtilitySpec, home: Path, *, as_json: bool) -> None:
    """A run that is no audit."""
    from .utility import UtilitySpec

    if isinstance(job, UtilitySpec):
        utility_commands.carry_out(job, home, as_json=as_json)
    else:
        prior_commands.carry_out_and_tell(job, home, as_json=as_json)


@app.command("catalog")
def list_catalog(as_json: AsJson = False) -> None:
    """List every data set, model, client, defense and attack; as JSON, with the schema of its fields."""
    from . import spec

    unions = {
        "datasets": spec.Dataset,
        "models": spec.Model,
        "clients": spec.Client,
        "aggregations": spec.Aggregation,
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


def setup(run: Run) -> tuple[str, str, str, str, str]:
    """Attack, data set, model, batch size and defenses, in words."""
    from .jobs import kind_of

    job, spec = run.job, run.spec
    if job is None:
        return ("unreadable", "", "", "", "")
    defenses = ", ".join(defense.name for defense in getattr(job, "defenses", ())) or "none"
    if spec is None:
        model = getattr(getattr(job, "model", None), "name", "")
        return (f"({kind_of(job)})", job.dataset.name, model, str(job.batch_size), defenses)
    return (spec.attack.name, spec.dataset.name, spec.model.name, str(spec.batch_size), defenses)


def best_psnr(run: Run) -> str:
    values = [value for value in (run.scores or {}).get("psnr") or () if value is not None]
    return f"{max(values):.1f} dB" if values else ""


if __name__ == "__main__":
    app(prog_name="python -m gia_core")
