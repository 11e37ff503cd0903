"""What every command of the command line needs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

if TYPE_CHECKING:
    from .jobs import Job
    from .settings import Settings
    from .store import RunStore

Spec = TypeVar("Spec", bound="Job")

FAILED, REFUSED = 1, 2
"""Exit codes: something went wrong; what was asked for makes no sense."""

RunId = Annotated[str, typer.Argument(metavar="RUN", help="Id of a run, as the command runs lists it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def settings() -> Settings:
    from .settings import Settings

    try:
        return Settings.from_environment()
    except ValueError as error:
        give_up(str(error), REFUSED)


def read_spec(source: str, read: Callable[[str], Spec], home: Path) -> Spec:
    """What the file ``source`` asks for, by ``read``, which raises ValueError with a line for the user.

    Ends the program where it cannot be read or not be carried out.
    """
    from pydantic import ValidationError

    from .faults import fault

    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
        spec = read(text)
    except OSError as error:
        give_up(f"{source}: {error.strerror}", REFUSED)
    except UnicodeDecodeError:
        give_up(f"{source}: not a text file", REFUSED)
    except ValidationError as error:
        give_up(fault(error), REFUSED)
    except ValueError as error:
        give_up(str(error), REFUSED)
    for objection in spec.objections(home):
        give_up(f"{objection.field}: {objection.reason}", REFUSED)
    return spec


@contextmanager
def failing() -> Iterator[None]:
    """Whatever goes wrong ends the program with one line; ``python -X dev -m gia_core`` shows where it happened."""
    try:
        yield
    except Exception as error:
        if sys.flags.dev_mode:
            raise
        give_up(str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}")


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
