"""How soon the lab can be used after the server is up, and what its process weighs: `python benchmarks/first_paint.py`.

Every repetition starts the app anew, without runs, and comes with an empty browser cache; the app starts its runner and
Ray meanwhile, as it always does. Beside it stands a Streamlit script with nothing but a button: no app is quicker.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, Page
from server import (
    START,
    chromium,
    conditions,
    dashboard,
    new_page,
    peak,
    resident,
    seconds_until,
    table,
    verdict,
)

FIRST_PAINT_S = 1.5
MEMORY_MB = 250.0
BARE = """
import streamlit as st
with st.container(key="start"):
    st.button("Start", type="primary")
"""
HEADING = {"runs": "h1:has-text('Runs')", "doctor": "h1:has-text('Doctor')"}
PAINTS = """
() => new Promise(resolve => new PerformanceObserver(list => resolve({
  first: performance.getEntriesByName("first-contentful-paint")[0].startTime / 1000,
  largest: list.getEntries().at(-1).startTime / 1000,
  origin: performance.timeOrigin / 1000,
})).observe({ type: "largest-contentful-paint", buffered: true }))
"""


@dataclass(frozen=True)
class Visit:
    """Seconds since the server was healthy, or, for later visits, since navigation."""

    first: float
    """First contentful paint."""
    largest: float
    """Largest contentful paint so far when Start could be pressed."""
    usable: float
    """Start is painted and can be pressed."""


@dataclass(frozen=True)
class Launch:
    """One start of the app."""

    healthy: float
    """Seconds until the server answered."""
    visit: Visit
    revisit: Visit
    bare: Visit
    """Of the script with nothing but a button."""
    memory: dict[str, float]
    """MB after each page, in the order of the visits."""
    has_torch: bool


def visit(page: Page, url: str, *, since: float | None = None) -> Visit:
    """Open the lab; times count from ``since``, in seconds since the epoch, or else from navigation."""
    usable = seconds_until(page, url, START)
    paints = page.evaluate(PAINTS)
    late = 0.0 if since is None else paints["origin"] - since
    return Visit(first=paints["first"] + late, largest=paints["largest"] + late, usable=usable + late)


def launch(browser: Browser) -> Launch:
    begun = time.time()
    with dashboard() as app:
        healthy = app.await_health()
        memory = {}
        with new_page(browser) as page:
            first = visit(page, app.url, since=healthy)
            memory["after lab"] = resident(app.pid)
            for name, heading in HEADING.items():
                page.goto(f"{app.url}/{name}")
                page.wait_for_selector(heading)
                page.wait_for_load_state("networkidle")
                memory[f"after {name}"] = resident(app.pid)
        with new_page(browser) as page:
            again = visit(page, app.url)
        memory["at its peak"] = peak(app.pid)
        has_torch = "libtorch" in Path(f"/proc/{app.pid}/maps").read_text()
    return Launch(healthy - begun, first, again, visit_bare(browser), memory, has_torch)


def visit_bare(browser: Browser) -> Visit:
    with TemporaryDirectory(prefix="gia-benchmark-") as folder:
        script = Path(folder) / "bare.py"
        script.write_text(BARE)
        with dashboard(script=script) as app, new_page(browser) as page:
            return visit(page, app.url, since=app.await_health())


def show(launches: Sequence[Launch]) -> None:
    rows = [
        timed("process started → health", [each.healthy for each in launches]),
        timed("health → first contentful paint", [each.visit.first for each in launches], FIRST_PAINT_S),
        timed("health → largest contentful paint", [each.visit.largest for each in launches]),
        timed("health → Start can be pressed", [each.visit.usable for each in launches], FIRST_PAINT_S),
        timed("the same of a bare Streamlit script", [each.bare.usable for each in launches]),
        timed("next visitor: first contentful paint", [each.revisit.first for each in launches]),
        timed("next visitor: Start can be pressed", [each.revisit.usable for each in launches]),
    ]
    for when in launches[0].memory:
        rows.append(weighed(f"memory of the app {when}", [each.memory[when] for each in launches]))
    loaded = any(each.has_torch for each in launches)
    rows.append(["torch in the app's process", "yes" if loaded else "no", "", "no", "missed" if loaded else "met"])
    print(f"The lab in a browser, median of {len(launches)} starts of the app\n")
    table(["", "measured", "spread", "target", ""], rows)


def timed(name: str, seconds: Sequence[float], target: float | None = None) -> list[str]:
    middle = statistics.median(seconds)
    judged = ["", ""] if target is None else [f"{target:.1f} s", verdict(middle, target)]
    return [name, f"{middle:.2f} s", f"{min(seconds):.2f} – {max(seconds):.2f}", *judged]


def weighed(name: str, sizes: Sequence[float]) -> list[str]:
    middle, most = statistics.median(sizes), max(sizes)
    return [name, f"{middle:.0f} MB", f"{min(sizes):.0f} – {most:.0f}", f"{MEMORY_MB:.0f} MB", verdict(most, MEMORY_MB)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    with conditions():
        with chromium() as browser:
            launches = [launch(browser) for _ in range(options.repetitions)]
        show(launches)


if __name__ == "__main__":
    main()
