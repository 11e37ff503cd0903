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

Spec = TypeVar("Spec", bound="Job")

FAILED, REFUSED = 1, 2
"""Exit codes: something went wrong; what was asked for makes no sense."""

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
