"""How live the live view is: `python benchmarks/streaming.py`.

From the click on Start to the first reconstruction on the screen, with a cold and with a warm worker; and from the
writing of an event to its pixels, in a browser on this machine, which has one clock for both.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from playwright.sync_api import Browser, Page
from server import (
    ENDLESS,
    PATIENCE,
    RECONSTRUCTION,
    START,
    Dashboard,
    chromium,
    conditions,
    dashboard,
    eventually,
    new_page,
    seconds_until,
    table,
    verdict,
)

COLD_S, WARM_S, LATENCY_S = 10.0, 2.0, 1.0
SETTLED_S = 2.0
"""Until a page that was just opened goes its steady way, and until the last event has had its chance."""

FIRST_FRAME = """
selector => {
  let clicked = null;
  document.addEventListener("click", () => { clicked ??= Date.now(); }, { capture: true });
  const look = () => {
    const image = document.querySelector(selector);
    const there = clicked && image?.complete && image.naturalWidth;
    requestAnimationFrame(there ? () => { window.firstFrame = [clicked / 1000, Date.now() / 1000]; } : look);
  };
  look();
}
"""
WATCH = """
selector => {
  window.shown = { picture: [], chart: [] };
  const note = (what, iteration) => {
    if (iteration && iteration !== shown[what].at(-1)?.[0]) shown[what].push([iteration, Date.now() / 1000]);
  };
  let due = false;
  const look = () => {
    due = false;
    const image = document.querySelector(selector);
    const column = image?.closest('[data-testid="stColumn"]');
    const caption = column?.textContent.match(/after ([\\d,]+) iteration/);
    if (caption && image.complete) note("picture", Number(caption[1].replaceAll(",", "")));
    note("chart", Number(document.querySelector(".live-plot")?.dataset.step));
  };
  const later = () => { if (!due) { due = true; requestAnimationFrame(() => setTimeout(look)); } };
  const what = { subtree: true, childList: true, characterData: true, attributeFilter: ["src", "data-step"] };
  new MutationObserver(later).observe(document.body, what);
}
"""


# From Start to the first picture.


@dataclass(frozen=True)
class Beginning:
    """Seconds from the click on Start until…"""

    submitted: float
    """the run is in the store,"""
    begun: float
    """a worker has taken it up,"""
    recorded: float
    """its first reconstruction is in the store,"""
    shown: float
    """and on the screen."""


def press_start(app: Dashboard, page: Page) -> Beginning:
    """Open the lab as somebody new and press Start, then stop the run."""
    seconds_until(page, app.url, START)
    page.evaluate(FIRST_FRAME, RECONSTRUCTION)
    page.locator(START).click()
    clicked, shown = page.wait_for_function("window.firstFrame").json_value()
    [run] = app.store.runs(limit=1)
    recorded = next(event.at for event in app.store.events(run.id) if event.body["kind"] == "progress")
    app.store.stop(run.id)
    eventually(lambda: app.store.run(run.id).status.is_over)
    times = (run.created_at, run.started_at or recorded, recorded, shown)
    return Beginning(*(moment - clicked for moment in times))


def measure_start(browser: Browser, repetitions: int) -> None:
    cold, warm = [], []
    for _ in range(repetitions):
        with dashboard() as app:
            app.await_health()
            with new_page(browser) as page:
                cold.append(press_start(app, page))
            with new_page(browser) as page:
                warm.append(press_start(app, page))
    print(
        f"\nSeconds from the click on Start, median of {repetitions}; cold: clicked as soon as the new app could be\n"
    )
    rows = [begin_row("cold", cold, COLD_S), begin_row("warm", warm, WARM_S)]
    table(["worker", "submitted", "begun", "recorded", "on screen", "spread", "target", ""], rows)


def begin_row(name: str, all_times: Sequence[Beginning], target: float) -> list[str]:
    parts = ("submitted", "begun", "recorded", "shown")
    middle = [statistics.median(getattr(each, part) for each in all_times) for part in parts]
    shown = [each.shown for each in all_times]
    spread = f"{min(shown):.2f} – {max(shown):.2f}"
    return [name, *(f"{value:.2f}" for value in middle), spread, f"{target:.0f}", verdict(middle[-1], target)]


# From an event to its pixels.


def measure_latency(browser: Browser, count: int) -> None:
    with dashboard() as app, new_page(browser) as page:
        app.await_health()
        run_id = app.store.submit(ENDLESS)
        seconds_until(page, f"{app.url}/?run={run_id}", RECONSTRUCTION)
        page.evaluate(WATCH, RECONSTRUCTION)
        page.wait_for_timeout(SETTLED_S * 1000)
        begun = time.time()
        eventually(lambda: len(progress(app, run_id, since=begun)) >= count, within=PATIENCE + 10 * count, every=0.5)
        written = progress(app, run_id, since=begun)
        page.wait_for_timeout(SETTLED_S * 1000)
        shown = page.evaluate("window.shown")
    span = written[-1][1] - written[0][1]
    print(f"\nSeconds from an event's writing to its pixels, {len(written)} events in {span:.0f} s\n")
    rows = [latency_row(what, delays(written, seen), len(seen)) for what, seen in shown.items()]
    table(["", "p50", "p95", "worst", "changes seen", "target for p95", ""], rows)


def progress(app: Dashboard, run_id: str, *, since: float) -> list[tuple[int, float]]:
    """Iteration and time of writing of every progress event."""
    events = [event for event in app.store.events(run_id) if event.at > since]
    return [(event.body["iteration"], event.at) for event in events if event.body["kind"] == "progress"]


def delays(written: Sequence[tuple[int, float]], seen: Sequence[tuple[int, float]]) -> list[float]:
    """Per event, seconds until its iteration or a later one was on the screen; what never was counts as forever."""
    return [next((at for reached, at in seen if reached >= i), float("inf")) - moment for i, moment in written]


def latency_row(what: str, seconds: Sequence[float], changes: int) -> list[str]:
    p95 = statistics.quantiles(seconds, n=20, method="inclusive")[-1]
    values = [f"{value:.2f}" for value in (statistics.median(seconds), p95, max(seconds))]
    return [what, *values, str(changes), f"{LATENCY_S:.0f}", verdict(p95, LATENCY_S)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=3, help="of the start")
    parser.add_argument("--events", type=int, default=50, help="whose way to the screen is timed, at least two")
    options = parser.parse_args()
    with conditions(), chromium() as browser:
        measure_start(browser, options.repetitions)
        measure_latency(browser, options.events)


if __name__ == "__main__":
    main()
