"""What piles up in the app, the page and the store during a long run: `python benchmarks/soak.py --minutes 30`.

A page looks on while a batch of 16 photos is attacked, more slowly than anybody waits for. The figures are taken at the
beginning, at the end, and evenly between; the page's after a garbage collection.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass

from playwright.sync_api import CDPSession, Page
from server import (
    RECONSTRUCTION,
    Dashboard,
    chromium,
    conditions,
    dashboard,
    eventually,
    new_page,
    resident,
    seconds_until,
    table,
    verdict,
)

from gia_core.attacks import InvertingGradients
from gia_core.spec import AuditSpec, Knowledge

SPEC = AuditSpec(
    batch_size=16,
    attack=InvertingGradients(iterations=1_000_000, restarts=100),
    knowledge=Knowledge(labels=True),
)
SCRUBBER = ".st-key-scrubber"
"""The slider over the frames, there from the second one on: from then on nothing on the page moves."""
SETTLED_S = 10.0
STOP_S = 2.0
GROWTH = 1.1
"""Of what the app and the page hold, from the first quarter on; before that their curves fill up."""
GAPS = """
selector => {
  window.chart = document.querySelector(".live-plot");
  window.changes = 0; window.longest = 0;
  let text = "", since = performance.now();
  const look = () => {
    const now = document.querySelector(selector)?.textContent;
    if (now === text) return;
    const at = performance.now();
    if (changes++) longest = Math.max(longest, at - since);
    text = now; since = at;
  };
  new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
}
"""


@dataclass(frozen=True)
class Sample:
    """What there is at one moment; sizes in MB."""

    minute: float
    app: float
    worker: float
    heap: float
    nodes: int
    events: int
    frames: int
    store: float
    iteration: int


COLUMNS = {
    "minute": "{:.1f}",
    "app MB": "{:.0f}",
    "worker MB": "{:.0f}",
    "page heap MB": "{:.1f}",
    "DOM nodes": "{:,}",
    "events": "{:,}",
    "frames": "{:,}",
    "store MB": "{:.1f}",
    "iteration": "{:,}",
}
"""How the fields of a Sample are printed, in their order."""


def sample(app: Dashboard, run_id: str, devtools: CDPSession, *, minute: float) -> Sample:
    devtools.send("HeapProfiler.collectGarbage")
    metrics = {each["name"]: each["value"] for each in devtools.send("Performance.getMetrics")["metrics"]}
    events = app.store.events(run_id)
    return Sample(
        minute=minute,
        app=resident(app.pid),
        worker=resident(eventually(app.worker)),
        heap=metrics["JSHeapUsedSize"] / 2**20,
        nodes=round(metrics["Nodes"]),
        events=len(events),
        frames=len(app.store.frames(run_id)),
        store=sum(file.stat().st_size for file in app.home.glob("gia.db*")) / 2**20,
        iteration=events[-1].body["iteration"],
    )


def watch(app: Dashboard, page: Page, run_id: str, *, minutes: float, samples: int) -> list[Sample]:
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable")
    begun = time.monotonic()
    taken = []
    for i in range(samples):
        due = begun + i / (samples - 1) * minutes * 60
        page.wait_for_timeout(max(0.0, due - time.monotonic()) * 1000)
        taken.append(sample(app, run_id, devtools, minute=(time.monotonic() - begun) / 60))
    return taken


def stop(app: Dashboard, page: Page, run_id: str) -> float:
    """Press Stop; seconds until the page says that the run is stopped."""
    begun = time.monotonic()
    page.get_by_role("button", name="Stop").click()
    page.locator(".st-key-status").get_by_text("stopped", exact=True).wait_for()
    seconds = time.monotonic() - begun
    assert app.store.run(run_id).scores is not None, "a stopped run keeps its best"
    return seconds


def show(samples: Sequence[Sample]) -> None:
    rows = [[form.format(cell) for form, cell in zip(COLUMNS.values(), astuple(s), strict=True)] for s in samples]
    table(list(COLUMNS), rows)


def judge(samples: Sequence[Sample], seen: dict[str, float], *, errors: Sequence[str], stopped: float) -> None:
    settled, end = samples[len(samples) // 4], samples[-1]
    rows = []
    for name, field in {"app's memory": "app", "page's heap": "heap", "DOM nodes": "nodes"}.items():
        growth = getattr(end, field) / getattr(settled, field)
        rows.append([f"{name}, end / first quarter", f"{growth:.3f}", f"{GROWTH}", verdict(growth, GROWTH)])
    remounted = not seen["same"]
    rows += [
        ["page changed, times", f"{seen['changes']:.0f}", "", ""],
        ["longest without a change", f"{seen['longest'] / 1000:.1f} s", "", ""],
        ["chart mounted anew", "yes" if remounted else "no", "no", verdict(remounted, 0)],
        ["errors in the browser", str(len(errors)), "0", verdict(len(errors), 0)],
        ["Stop pressed → stopped on screen", f"{stopped:.1f} s", f"{STOP_S:.0f} s", verdict(stopped, STOP_S)],
    ]
    print()
    table(["", "measured", "target", ""], rows)
    for error in dict.fromkeys(errors):
        print(f"browser: {error}")


def soak(minutes: float, samples: int) -> None:
    errors: list[str] = []
    with dashboard() as app, chromium() as browser, new_page(browser) as page:
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        app.await_health()
        run_id = app.store.submit(SPEC)
        seconds_until(page, f"{app.url}/?run={run_id}", RECONSTRUCTION)
        page.wait_for_selector(SCRUBBER)
        page.wait_for_timeout(SETTLED_S * 1000)
        page.evaluate(GAPS, ".st-key-status")
        taken = watch(app, page, run_id, minutes=minutes, samples=samples)
        seen = page.evaluate("({ changes, longest, same: chart === document.querySelector('.live-plot') })")
        stopped = stop(app, page, run_id)
    print(f"A run of {minutes:g} minutes, looked at: 16 photos, LeNet, Inverting Gradients\n")
    show(taken)
    judge(taken, seen, errors=errors, stopped=stopped)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--samples", type=int, default=5, help="at least two")
    options = parser.parse_args()
    with conditions():
        soak(options.minutes, options.samples)


if __name__ == "__main__":
    main()
