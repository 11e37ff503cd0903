"""Carries out a card's runs and keeps what a page needs to play them: a bundle of some hundred kilobytes each."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from PIL import Image

from .. import report
from ..audit import Finished, Progress, audit
from ..chronicle import Ended
from ..provenance import provenance
from ..spec import AuditSpec
from ..store import RunStore, Status
from ..worker import Recorder

POINTS = 120
"""Iterations that the curves of a recording show, about."""
EVERY_ONE_UNTIL = 60
"""The first iterations change most, and some attacks end soon: up to here every one may be shown."""
FRAMES = 24
"""Pictures that are kept of a recording at most: twelve seconds at two in a second."""
KEPT = ("spec.json", "scores.json", "truth.png")
"""Of what a report holds; every other file repeats what these and the frames say."""


def record(spec: AuditSpec) -> bytes:
    """Carry out ``spec`` with nothing but what comes with GIA Lab, and return its bundle.

    Raises ValueError with a sentence where that cannot be done.
    """
    torch.set_num_threads(1)  # as on every other machine
    with TemporaryDirectory(prefix="gia-recording-") as folder:
        store = RunStore(f"sqlite:///{folder}/gia.db", home=Path(folder))
        try:
            run_id = store.submit(spec)
            narrate(store, run_id, spec, home=Path(folder))
            return compact(report.archive(store, run_id), store, run_id)
        finally:
            store.close()


def narrate(store: RunStore, run_id: str, spec: AuditSpec, *, home: Path) -> None:
    """As a worker does it, but for the moments that are kept: they depend on the iteration and not on the clock.

    Its seconds are those of the one processor core that it takes, whatever else the machine is doing.
    """
    store.start(run_id, provenance("cpu"))
    recorder = Recorder(store, run_id, clock=time.process_time)
    latest: Progress | None = None
    for event in audit(spec, home=home):
        if isinstance(event, Progress):
            if not is_kept(event.step.iteration, event.step.iterations):
                latest = event
                continue
            latest = None
        elif isinstance(event, Finished | Ended) and latest is not None:
            recorder.tell(latest)  # the last one, wherever the attack ended
        recorder.tell(event)
        recorder.flush()
    store.finish(run_id, Status.FINISHED)


def is_kept(iteration: int, iterations: int) -> bool:
    return iteration <= EVERY_ONE_UNTIL or iteration % max(1, iterations // POINTS) == 0


def compact(archive: bytes, store: RunStore, run_id: str) -> bytes:
    """The bundle with ``FRAMES`` frames at most, and without what other files of it repeat."""
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        files = {name: packed.read(name) for name in packed.namelist()}
    frames = spread(store.frames(run_id), FRAMES)
    kept = {name: smaller(files[name]) for name in KEPT}
    kept["events.json"] = report.as_json(without_repetition(json.loads(files["events.json"])))
    kept |= {f"frames/{seq}.png": smaller(files[f"frames/{seq}.png"]) for seq in frames}
    return report.sealed(store.run(run_id), kept, {str(seq): at for seq, at in frames.items()})


def spread(frames: Sequence[tuple[int, int]], most: int) -> dict[int, int]:
    """Of (seq, iteration) pairs, ``most`` at most by their seq: of each iteration the last, dense where it began."""
    by_iteration = {iteration: seq for seq, iteration in frames}
    iterations = list(by_iteration)
    first, last = iterations[0], iterations[-1]
    wanted = [first + (last - first) * (step / (most - 1)) ** 2 for step in range(most)]
    chosen = sorted({min(iterations, key=lambda at: abs(at - moment)) for moment in wanted})
    return {by_iteration[at]: at for at in chosen}


def without_repetition(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The blind guesses are told at the start and again at the end, word for word; the pages read the former."""
    return [
        {name: value for name, value in event.items() if name != "baselines" or event["kind"] == "started"}
        for event in events
    ]


def smaller(content: bytes) -> bytes:
    """The same picture in fewer bytes; what is no picture stays as it is."""
    if not content.startswith(b"\x89PNG"):
        return content
    with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
        file = io.BytesIO()
        picture.save(file, "PNG", optimize=True)
    return file.getvalue()
