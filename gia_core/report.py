"""What a run leaves behind for others: one JSON object, a table, an archive of everything. Pure and without torch."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from .recovery import RECOVERED
from .store import Event, Json, Run, RunStore

METRICS = {"psnr": "PSNR", "ssim": "SSIM", "mse": "MSE", "lpips": "LPIPS"}
ATTACK = "reconstruction"
"""Beside the names of the blind guesses, that of what the attack found."""

CONTROLLED = {
    "random-update": "to the images without their update",
    "negatives": "to negatives, a kind of image that no prior has learned",
}
"""By the kind of control, what a verdict says of it."""

MANIFEST = "manifest.json"
FORMAT = "gia-lab-bundle 1"
"""What a manifest calls itself; ``bundle.py`` reads it."""

README = """\
GIA Lab: what one audit recovered
=================================

{verdict}

This archive contains recovered training data. Handle the pictures as you would handle the originals.

Run {id}, {status} after {iterations} iterations.

spec.json     everything that decides the result; to run it again: python -m gia_core run spec.json
scores.json   status, scores, blind guesses, versions and device, as "python -m gia_core run --json" prints them
scores.csv    one row per image and guess: the attack's reconstruction first, then guesses that use no gradient at all
events.json   losses and scores along the run
original-N.png, reconstruction-N.png
              the private images and what the attack made of them, in the same order
truth.png, frames/
              the same as grids, the reconstruction at every moment that was kept
manifest.json when the run took place, and the SHA-256 of every file; to look at it elsewhere: python -m gia_core import

PSNR (dB) and SSIM are higher, MSE and LPIPS lower where two pictures are alike. An empty cell was not measured. Metrics
mislead in both directions, so look at the pictures. "Not recovered" means: not by this attack, with this knowledge,
within this budget. It does not mean safe.
"""

EXPERIMENT = """\
GIA Lab: what one experiment found
==================================

{verdict}

Run {id}, {status}.

spec.json     everything that decides the result; to run it again: python -m gia_core run spec.json
result.json   status, result, versions and device, as "python -m gia_core run --json" prints them
events.json   what was measured along the run
"""


def summary(run: Run, events: Sequence[Event] = ()) -> Json:
    """The object that ``run --json`` prints; None where something was not measured.

    Baselines are told by ``events``; without them they are None. A run that has no result has the scores of the
    reconstruction that was recorded last.
    """
    started, finished = body(events, "started"), body(events, "finished")
    last = finished or run.progress or {}
    ended = run.finished_at or run.beat_at
    spent = ended - run.started_at if ended is not None and run.started_at is not None else None
    return record(
        status=run.status,
        scores=run.scores or last.get("scores"),
        baselines=started.get("baselines"),
        iterations=last.get("iteration"),
        seconds=finished.get("seconds", spent),
        spec=None if run.job is None else run.job.model_dump(mode="json"),
        provenance=run.provenance,
    )


def record(
    *,
    status: str,
    scores: Json | None,
    baselines: Json | None,
    iterations: int | None,
    seconds: float | None,
    spec: Json | None,
    provenance: Json | None,
) -> Json:
    """The same from its parts, in the order in which it is printed."""
    found: Json = known(
        {
            "status": status,
            "scores": scores,
            "baselines": baselines,
            "iterations": iterations,
            "seconds": seconds,
            "spec": spec,
            "provenance": provenance,
        }
    )
    return found


def known(value: Any) -> Any:
    """``value`` with None for every number that JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): known(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [known(item) for item in value]
    return value


def body(events: Sequence[Event], kind: str) -> Json:
    """Of the last event of this kind; empty where there is none."""
    return next((event.body for event in reversed(events) if event.body["kind"] == kind), {})


def verdict(found: Json) -> str:
    """One sentence on a summary: recovered means ``RECOVERED`` dB or more, and closer than every blind guess."""
    scores = found["scores"] or {}
    if sentence := scores.get("sentence"):  # of a run that is no audit
        return str(sentence)
    if not (psnr := scores.get("psnr")):
        labels = scores.get("label_accuracy")
        if labels is None:
            return "Nothing was reconstructed."
        return f"Found: {labels:.0%} of the labels; this attack looks for no image."
    guesses, found_again = best_guesses(found), recovered(found)
    best = max(range(len(psnr)), key=lambda i: -math.inf if psnr[i] is None else psnr[i])
    compared = f"{decibels(psnr[best])} PSNR, against {decibels(guesses[best])} for the best blind guess"
    if len(psnr) > 1:
        compared = f"at best {compared}"
    if control := CONTROLLED.get((found.get("spec") or {}).get("control", "none")):
        return f"Control: so close comes this attack {control} ({compared})."
    if any(found_again):
        count = f"{sum(found_again)} of {len(psnr)} images" if len(psnr) > 1 else "the image"
        return f"Recovered: {count} ({compared})."
    return f"Not recovered by this attack within this budget ({compared})."


def recovered(found: Json) -> list[bool]:
    """For each image of a summary that has scores whether it was recovered, and closer than by every blind guess."""
    pairs = zip(found["scores"]["psnr"], best_guesses(found), strict=True)
    return [psnr is not None and psnr >= RECOVERED and (guess is None or psnr > guess) for psnr, guess in pairs]


def best_guesses(found: Json) -> list[float | None]:
    """For each image the PSNR of the closest blind guess, None where none was measured."""
    guesses = [guess["psnr"] for guess in (found["baselines"] or {}).values()]
    columns = zip(*guesses, strict=True) if guesses else [()] * len(found["scores"]["psnr"])
    return [max((value for value in column if value is not None), default=None) for column in columns]


def decibels(value: float | None) -> str:
    return "an unknown number of dB" if value is None else f"{value:.1f} dB"


def scores_csv(run: Run, events: Sequence[Event] = ()) -> str:
    """One row per guess and image: those of the attack, then those of every baseline."""
    found, names = summary(run, events), body(events, "started").get("label_names", [])
    guesses = {ATTACK: found["scores"], **(found["baselines"] or {})}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["guess", "image", "label", *METRICS])
    for guess, scores in guesses.items():
        for index in range(len((scores or {}).get("psnr") or ())):
            label = names[index] if index < len(names) else ""
            writer.writerow([guess, index, guarded(label), *(cell(scores, metric, index) for metric in METRICS)])
    return text.getvalue()


def guarded(text: str) -> str:
    """``text`` as spreadsheets show it, even where they would take it for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def cell(scores: Json, metric: str, index: int) -> float | None:
    values = scores.get(metric)
    return values[index] if values else None


def archive(store: RunStore, run_id: str) -> bytes:
    """Everything about a run as one zip, the same bytes each time. Raises KeyError where there is no such run."""
    run, events = store.run(run_id), store.events(run_id)
    found = without_folders(summary(run, events))
    sentence = body(events, "finished").get("nothing_to_invert") or verdict(found)
    readme = README.format(verdict=sentence, id=run.id, status=run.status, iterations=found["iterations"] or "no")
    if run.job is not None and run.spec is None:
        return sealed(run, experiment(run, events, found), {})
    files = {
        "README.txt": readme.encode(),
        "spec.json": as_json(found["spec"]),
        "scores.json": as_json(found),
        "scores.csv": scores_csv(run, events).encode(),
        "events.json": as_json([{"seq": event.seq, "at": event.at, **event.body} for event in events]),
        **pictures(store, run_id, body(events, "started").get("labels", [])),
    }
    kept = [frame for seq, _ in store.frames(run_id) if (frame := store.frame(run_id, seq)) is not None]
    files |= {f"frames/{frame.seq}.png": frame.png for frame in kept}
    if (truth := store.truth(run_id)) is not None:
        files["truth.png"] = truth
    return sealed(run, files, {str(frame.seq): frame.iteration for frame in kept})


def sealed(run: Run, files: Mapping[str, bytes], iterations: Mapping[str, int]) -> bytes:
    """The files with a manifest that tells when the run took place, and what each file must hash to.

    ``iterations`` are those of the frames, by their ``seq``.
    """
    manifest = {
        "format": FORMAT,
        "run": run.id,
        "status": run.status,
        "error": run.error,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "frames": iterations,
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }
    return zipped({**files, MANIFEST: as_json(manifest)})


def experiment(run: Run, events: Sequence[Event], found: Json) -> dict[str, bytes]:
    """The files about a run that is no audit."""
    sentence = verdict(found) if found["scores"] else "It left no result."
    return {
        "README.txt": EXPERIMENT.format(verdict=sentence, id=run.id, status=run.status).encode(),
        "spec.json": as_json(found["spec"]),
        "result.json": as_json(found),
        "events.json": as_json([{"seq": event.seq, "at": event.at, **event.body} for event in events]),
    }


def without_folders(found: Json) -> Json:
    """A summary that can be handed on: of the folder that a data set lies in, only its own name is left."""
    spec = found["spec"] or {}
    if not (root := spec.get("dataset", {}).get("root")):
        return found
    return {**found, "spec": {**spec, "dataset": {**spec["dataset"], "root": PurePath(root).name}}}


def as_json(value: Any) -> bytes:
    return json.dumps(known(value), indent=2, allow_nan=False).encode() + b"\n"


def pictures(store: RunStore, run_id: str, labels: Sequence[int]) -> dict[str, bytes]:
    """PNGs of every original and its reconstruction, by file name; one label per image tells how many there are."""
    last = store.latest_frame(run_id)
    sprites = {"original": store.truth(run_id), "reconstruction": None if last is None else last.png}
    return {
        f"{name}-{index}.png": picture
        for name, sprite in sprites.items()
        if sprite is not None and labels
        for index, picture in enumerate(split(sprite, len(labels)))
    }


def split(sprite: bytes, count: int) -> Iterator[bytes]:
    """The first ``count`` images of a sprite as PNGs: ceil(sqrt(count)) columns, filled row by row."""
    from PIL import Image

    with Image.open(io.BytesIO(sprite), formats=["PNG"]) as grid:
        columns = math.ceil(math.sqrt(count))
        width, height = grid.width // columns, grid.height // math.ceil(count / columns)
        for index in range(count):
            left, top = index % columns * width, index // columns * height
            file = io.BytesIO()
            grid.crop((left, top, left + width, top + height)).save(file, "PNG")
            yield file.getvalue()


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Without the time of day, so that the same files make the same archive."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()
