"""How soon four compared runs follow their one slider: `python benchmarks/compare.py`.

Four finished runs with as many pictures and events as a run keeps at most are opened side by side in a browser. The
slider is moved by a click and by a key; a move counts as seen when all four pictures, the line in the chart and the
table of numbers show the new moment, and the browser has painted them.
"""

from __future__ import annotations

import argparse
import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from itertools import cycle, islice
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Locator, Page
from server import Dashboard, chromium, conditions, dashboard, new_page, seconds_until, table, verdict

from gia_core.attacks import DLG, IDLG, InvertingGradients
from gia_core.spec import AuditSpec, Knowledge
from gia_core.store import RunStore, Status

TARGET_MS = 300.0
EVENTS, FRAMES, SIZE = 1_000, 200, 32
ATTACKS = (DLG(), IDLG(), InvertingGradients(), InvertingGradients(iterations=EVENTS // 2))
SLIDER = ".shared-slider input"
PAUSE_MS, SETTLED_MS = 100, 2_000
PICTURES = ".st-key-pictures img[alt^='Reconstruction']"

WATCH = """
pictures => {
  const shown = () => {
    const images = [...document.querySelectorAll(pictures)];
    const cursor = document.querySelector(".live-plot")?.layout?.shapes?.find((shape) => shape.xref === "x")?.x0;
    const numbers = document.querySelector(".st-key-compare-numbers")?.textContent ?? "";
    return [...images.map((image) => (image.complete ? image.src : "")), cursor ?? "end", numbers];
  };
  const begun = () => {
    const before = shown();
    window.moved = performance.now();
    window.seen = null;
    const look = () => {
      const now = shown();
      const all = now.length === before.length && now.every((part, i) => part && part !== before[i]);
      requestAnimationFrame(all ? () => { window.seen = performance.now() - window.moved; } : look);
    };
    look();
  };
  for (const kind of ["keydown", "pointerdown"]) window.addEventListener(kind, begun, { capture: true });
}
"""


def fill(store: RunStore, batch: int) -> list[str]:
    """Four finished runs on the same batch, each with as much recorded as a run keeps."""
    specs = [AuditSpec(attack=attack, batch_size=batch, knowledge=Knowledge(labels=True)) for attack in ATTACKS]
    return [record(store, spec, np.random.default_rng(i + 1)) for i, spec in enumerate(specs)]


def record(store: RunStore, spec: AuditSpec, rng: np.random.Generator) -> str:
    run_id = store.submit(spec)
    store.start(run_id, {"device": "cpu"})
    store.record(run_id, started(spec), truth=sprite(np.random.default_rng(0), spec.batch_size))
    every = EVENTS // FRAMES
    for iteration in range(1, EVENTS + 1):
        picture = (iteration, sprite(rng, spec.batch_size)) if iteration % every == 0 else None
        store.record(run_id, progress(spec, iteration, rng), frame=picture)
    store.finish(run_id, Status.FINISHED)
    return run_id


def started(spec: AuditSpec) -> dict[str, Any]:
    each = range(spec.batch_size)
    guess = {"psnr": [11.0 for _ in each], "ssim": [0.2 for _ in each], "mse": [0.08 for _ in each], "lpips": None}
    return {
        "kind": "started",
        "labels": [0 for _ in each],
        "label_names": ["cat" for _ in each],
        "baselines": {"gray": guess},
    }


def progress(spec: AuditSpec, iteration: int, rng: np.random.Generator) -> dict[str, Any]:
    size = spec.batch_size
    scores = {
        "psnr": (10 + iteration / 50 + rng.random(size)).tolist(),
        "ssim": rng.random(size).tolist(),
        "mse": rng.random(size).tolist(),
        "lpips": None,
        "label_accuracy": None,
    }
    losses = {"total": 10.0 / iteration, "matching": 9.0 / iteration}
    return {
        **{"kind": "progress", "iteration": iteration, "iterations": EVENTS, "losses": losses, "scores": scores},
        **{"elapsed": iteration / 10, "rate": 10.0, "labels": [0] * size},
    }


def sprite(rng: np.random.Generator, count: int) -> bytes:
    """Noise, which no PNG makes smaller: the worst case."""
    columns = int(np.ceil(np.sqrt(count)))
    rows = -(-count // columns)
    file = BytesIO()
    Image.fromarray(rng.integers(0, 256, (rows * SIZE, columns * SIZE, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


def clicks(page: Page, slider: Locator) -> Iterator[Callable[[], None]]:
    box, rng = slider.bounding_box(), random.Random(0)
    assert box is not None
    while True:
        x = box["x"] + box["width"] * rng.uniform(0.05, 0.95)
        yield lambda x=x: page.mouse.click(x, box["y"] + box["height"] / 2)


def keys(page: Page, slider: Locator) -> Iterator[Callable[[], None]]:
    slider.focus()
    for key in cycle(["ArrowLeft", "ArrowLeft", "PageDown", "ArrowRight", "ArrowRight", "PageUp"]):
        yield lambda key=key: page.keyboard.press(key)


def milliseconds(page: Page, moves: Iterator[Callable[[], None]], count: int) -> Iterator[float]:
    """From the moment that the browser knows of the move until all of it is painted."""
    for move in islice(moves, count):
        page.evaluate("window.seen = undefined")
        move()
        yield float(page.wait_for_function("window.seen").json_value())
        page.wait_for_timeout(PAUSE_MS)


def measure(app: Dashboard, page: Page, batch: int, count: int) -> list[list[str]]:
    run_ids = fill(app.store, batch)
    seconds_until(page, f"{app.url}/?compare={','.join(run_ids)}", f"{PICTURES}[alt*=' D ']")
    page.wait_for_function("document.querySelector('.live-plot')?.layout")
    page.wait_for_timeout(SETTLED_MS)
    page.evaluate(WATCH, PICTURES)
    slider, rows = page.locator(SLIDER), []
    for name, kind in {"click": clicks, "key": keys}.items():
        times = list(milliseconds(page, kind(page, slider), count))
        rows.append(row(f"{batch} × {SIZE} px, {name}", times))
    return rows


def row(name: str, times: Sequence[float]) -> list[str]:
    p95 = statistics.quantiles(times, n=20, method="inclusive")[-1]
    values = [f"{value:.0f}" for value in (statistics.median(times), p95, max(times))]
    return [name, *values, f"{TARGET_MS:.0f}", verdict(p95, TARGET_MS)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moves", type=int, default=40, help="of each kind that are timed, at least two")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 64], help="images per batch")
    options = parser.parse_args()
    with conditions(), dashboard() as app, chromium() as browser:
        app.await_health()
        rows = []
        for batch in options.batches:
            with new_page(browser) as page:
                rows += measure(app, page, batch, options.moves)
        print(f"\nMilliseconds from moving the slider of four runs to their pixels, {options.moves} moves each\n")
        table(["batch and move", "p50", "p95", "worst", "target for p95", ""], rows)


if __name__ == "__main__":
    main()
