"""The tables of a report: scores with their spread, settings, costs, provenance and hashes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from statistics import median
from typing import Any

from .. import setups, titles
from ..protection import interval_depth
from ..spec import AuditSpec
from .subject import Subject
from .tables import Table

UNKNOWN = "—"
CHANCE = ("seed", "victim")
"""Fields of a setup that decide which images there are, and every random choice."""


def scores(subjects: Sequence[Subject], names: Sequence[str]) -> Table:
    """The worst case first, then the median with its interval: a mean hides the one image that was copied."""
    header = ("Run", "Recovered", "PSNR, closest", "PSNR, median", "Blind guess, median", "SSIM, closest", "Labels")
    rows = []
    for subject, name in zip(subjects, names, strict=True):
        guesses = [guess for guess in subject.guesses if guess is not None]
        accuracy = subject.scores.get("label_accuracy")
        rows.append(
            (
                name,
                f"{subject.recovered} of {subject.count}" if subject.count else UNKNOWN,
                titles.number(max(subject.values("psnr"), default=None), "psnr"),
                middle(subject.values("psnr")),
                titles.number(median(guesses) if guesses else None, "psnr"),
                titles.number(max(subject.values("ssim"), default=None), "ssim"),
                UNKNOWN if accuracy is None else f"{accuracy:.0%}",
            )
        )
    return Table("Scores of each run", header, rows)


def pooled(subjects: Sequence[Subject]) -> Table | None:
    """The images of all runs that differ only in chance, together; None where no two runs do."""
    groups: dict[AuditSpec, list[Subject]] = {}
    for subject in subjects:
        if subject.spec is not None and subject.count:
            by_chance = {name: AuditSpec.model_fields[name].default for name in CHANCE}
            groups.setdefault(subject.spec.model_copy(update=by_chance), []).append(subject)
    if all(len(group) == 1 for group in groups.values()):
        return None
    told = setups.differences(list(groups))
    rows = []
    for index, group in enumerate(groups.values()):
        psnr = [value for subject in group for value in subject.values("psnr")]
        recovered, count = sum(s.recovered for s in group), sum(s.count for s in group)
        name = ", ".join(f"{row.label}: {row.words[index]}" for row in told) or "One setup"
        closest = titles.number(max(psnr, default=None), "psnr")
        rows.append((name, str(len(group)), f"{recovered} of {count}", closest, middle(psnr)))
    header = ("Setup", "Runs", "Recovered", "PSNR, closest", "PSNR, median")
    return Table("Scores over the images of all runs that differ only in seed and batch", header, rows)


def middle(values: Sequence[float]) -> str:
    """The median in dB, with an interval that covers it in 95 of 100 repetitions; of few values, their range."""
    if not values:
        return UNKNOWN
    ordered, words = sorted(values), titles.number(median(values), "psnr")
    if len(ordered) == 1:
        return words
    depth = interval_depth(len(ordered))
    if depth is None:
        return f"{words} (range {ordered[0]:.1f} to {ordered[-1]:.1f})"
    return f"{words} (95 % interval {ordered[depth]:.1f} to {ordered[-1 - depth]:.1f})"


def per_image(subjects: Sequence[Subject], names: Sequence[str]) -> Table:
    """Every image with every metric."""
    header = ("Image", "Class", *titles.METRICS.values(), "Best blind guess")
    rows = []
    for subject, name in zip(subjects, names, strict=True):
        for index in range(subject.count):
            image = f"{name}, image {index + 1}" if len(subjects) > 1 else f"Image {index + 1}"
            values = [(subject.scores.get(metric) or {}, metric) for metric in titles.METRICS]
            told = [titles.number(found[index] if found else None, metric) for found, metric in values]
            rows.append((image, subject.label(index) or UNKNOWN, *told, titles.number(subject.guesses[index], "psnr")))
    return Table("Scores of every image", header, rows)


def differences(subjects: Sequence[Subject], names: Sequence[str]) -> Table | None:
    """In what the setups differ, and nothing else; None where in nothing."""
    audits = [(s.spec, name) for s, name in zip(subjects, names, strict=True) if s.spec is not None]
    rows = setups.differences([spec for spec, _ in audits])
    if not rows:
        return None
    header = ("Run", *(row.label for row in rows))
    found = [(name, *(row.words[i] for row in rows)) for i, (_, name) in enumerate(audits)]
    return Table("In what the setups differ", header, found)


def settings(subject: Subject) -> Table:
    """Every setting of one run."""
    caption, header = "Every setting of the first run" if subject.spec else "Every setting", ("Setting", "Value")
    if subject.spec is not None:
        return Table(caption, header, [(s.label, s.words) for _, s in setups.settings(subject.spec)])
    return Table(caption, header, [(path, str(value)) for path, value in flat(subject.found["spec"] or {})])


def flat(value: Any, path: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield from flat(part, f"{path}.{name}" if path else name)
    else:
        yield path, value


def costs(subjects: Sequence[Subject], names: Sequence[str]) -> Table:
    """What the attack took; what a defense costs the model is another experiment."""
    rows = []
    for subject, name in zip(subjects, names, strict=True):
        iterations, seconds = subject.found["iterations"], subject.found["seconds"]
        device = (subject.run.provenance or {}).get("processor") or (subject.run.provenance or {}).get("device")
        rows.append(
            (
                name,
                UNKNOWN if iterations is None else f"{iterations:,}",
                UNKNOWN if seconds is None else titles.duration(seconds),
                UNKNOWN if device is None else str(device),
            )
        )
    return Table("What the runs took", ("Run", "Iterations", "Time", "On"), rows)


def provenance(subjects: Sequence[Subject], names: Sequence[str]) -> Table:
    """With what the runs were carried out; each value once, with the runs that it holds for."""
    held: dict[str, dict[str, list[str]]] = {}
    for subject, name in zip(subjects, names, strict=True):
        for key, value in {"status": str(subject.run.status), **(subject.run.provenance or {})}.items():
            words = UNKNOWN if value is None else str(value)
            held.setdefault(titles.label(key), {}).setdefault(words, []).append(name)
    rows = [
        (key, value, "all" if len(runs) == len(subjects) else "; ".join(runs))
        for key, values in held.items()
        for value, runs in values.items()
    ]
    return Table("What the runs were carried out with", ("What", "Value", "Runs"), rows)


def hashes(subjects: Sequence[Subject], names: Sequence[str]) -> Table:
    """What proves later that a report is about a given run."""
    rows = [
        (name, subject.run.id, moment(subject.run.created_at), what, digest)
        for subject, name in zip(subjects, names, strict=True)
        for what, digest in subject.hashes.items()
    ]
    return Table("SHA-256 of what each run was asked and left", ("Run", "Id", "Started", "What", "SHA-256"), rows)


def moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def texts(tables: Iterable[Table | None]) -> Iterator[str]:
    """Everything that tables say."""
    for table in tables:
        if table is not None:
            yield from (table.caption, *table.header, *(cell for row in table.rows for cell in row))
