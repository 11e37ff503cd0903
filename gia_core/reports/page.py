"""The HTML of a report: one file with everything inlined, whose own policy forbids every request."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from .. import glossary, grade
from ..accounting import Accountant
from ..component import Component
from ..provenance import VERSION
from ..terms import Term
from . import grades, numbers, pictures, protections, words
from .choice import Pictures
from .drawing import svg
from .figures import Figure, figures
from .protections import Count, Epsilons
from .subject import Subject

HERE = Path(__file__).parent
TAG = re.compile(r"<[^>]+>")
PARTS = ("attack", "model", "dataset", "client", "aggregation")


def write(
    subjects: Sequence[Subject],
    choice: Pictures = Pictures.SHOW,
    *,
    count: Count | None = None,
    now: datetime | None = None,
) -> str:
    """The whole file about one run or several that are compared.

    ``count`` tells epsilon where a defense promises one; without it a process is begun for it, which takes seconds.
    ``now`` is when the file says that it was written.
    """
    names = words.names(subjects)
    with closing(Accountant()) as accountant:
        epsilons = protections.counted(subjects, count or accountant.rdp)
    page = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    body = page.get_template("body.html").render(**content(subjects, names, choice, epsilons))
    drawn = figures(subjects, names)
    scripts = [get_plotlyjs(), (HERE / "report.js").read_text()] if drawn else []
    return page.get_template("page.html").render(
        title=words.question(subjects),
        written=(now or datetime.now(UTC)).strftime("%Y-%m-%d %H:%M UTC"),
        version=VERSION,
        policy=policy(scripts),
        style=Markup((HERE / "report.css").read_text()),
        body=Markup(body),
        terms=terms(TAG.sub(" ", body), subjects),
        scripts=[Markup(script) for script in scripts],
        data=Markup(in_script([{"data": figure.data, "layout": figure.layout} for figure in drawn])),
    )


def policy(scripts: Sequence[str]) -> str:
    """No request at all, and no script but ours: a label that got through as a script would not run."""
    ours = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts)
    rules = {
        "default-src": "'none'",
        "img-src": "data:",
        "style-src": "'unsafe-inline'",
        "script-src": ours or "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def content(subjects: Sequence[Subject], names: Sequence[str], choice: Pictures, epsilons: Epsilons) -> dict[str, Any]:
    """What every section says."""
    shown = [
        (name, rows)
        for subject, name in zip(subjects, names, strict=True)
        if (rows := pictures.rows(subject, len(subjects), choice))
    ]
    images = sum(subject.count for subject in subjects)
    drawn: list[Figure] = figures(subjects, names)
    return {
        "verdicts": [(name, subject.verdict) for subject, name in zip(subjects, names, strict=True)],
        "answer": words.answer(subjects),
        "several": len(subjects) > 1,
        "sentences": words.tested_twice(subjects),
        "judged": grades.judged(subjects, epsilons),
        "caveat": f"{grade.CAVEAT} {grade.NOT_COUNTED}",
        "differences": numbers.differences(subjects, names),
        "settings": numbers.settings(subjects[0]),
        "cards": words.cards(subjects, names),
        "pictures": shown,
        "choice": choice,
        "hidden": images - sum(len(rows) for _, rows in shown),
        "scores": numbers.scores(subjects, names),
        "pooled": numbers.pooled(subjects),
        "per_image": numbers.per_image(subjects, names),
        "figures": drawn,
        "svg": svg,
        "untested": words.untested(subjects),
        "costs": numbers.costs(subjects, names),
        "protections": protections.protections(subjects, names, epsilons),
        "sampled": protections.sampled(epsilons),
        "provenance": numbers.provenance(subjects, names),
        "hashes": numbers.hashes(subjects, names),
    }


def in_script(value: Any) -> str:
    """JSON that no content can break out of its element with."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def terms(text: str, subjects: Sequence[Subject]) -> list[Term]:
    """The glossary's entries for the words that a reader meets here, and for the methods that were used."""
    chosen = {anchor for subject in subjects for anchor in used(subject)}
    headings = {"Attacks", "Defenses", "Aggregations", "Update rules of a client", "Models", "Data sets"}
    found = {}
    for heading, entries in glossary.sections().items():
        for term in entries:
            met = re.search(rf"(?<!\w){re.escape(term.name)}s?(?!\w)", text, re.IGNORECASE)
            if term.anchor in chosen or (met and heading not in headings):
                found[term.anchor] = term
    return sorted(found.values(), key=lambda term: term.name.lower())


def used(subject: Subject) -> list[str]:
    """Anchors of the methods of a run."""
    if subject.spec is None:
        return []
    parts: list[Component] = [getattr(subject.spec, part) for part in PARTS]
    return [str(getattr(part, "name", "")) for part in (*parts, *subject.spec.defenses)]
