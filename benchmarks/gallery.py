"""How soon the gallery shows and plays its recordings: `python benchmarks/gallery.py [--repetitions N]`.

Every repetition starts the app anew, without runs, and comes with an empty browser cache. No worker has a part in it.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from playwright.sync_api import Browser, Page
from server import chromium, conditions, dashboard, new_page, seconds_until, table, verdict

from gia_core.gallery import CARDS, recordings

CARD_S = 2.0
"""From the first paint to the picture of the first card."""
OPEN_S = 1.0
"""From a click on a card to the first picture of its recording, which is taken into the store meanwhile."""
SIZE_MB = 10.0
COVER = ".gia-cover img"
PICTURE = "img[alt^='Reconstruction of'], img[alt^='Reconstruction A']"
FIRST_PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0].startTime / 1000"


@dataclass(frozen=True)
class Visit:
    """Seconds."""

    card: float
    """From the first paint to the picture of the first card."""
    opened: dict[str, float]
    """From a click on a card to its recording, by the card's name."""


def visit(browser: Browser) -> Visit:
    with dashboard() as app, new_page(browser) as page:
        app.await_health()
        shown = seconds_until(page, app.url, COVER)
        card = shown - page.evaluate(FIRST_PAINT)
        return Visit(card, {each.name: opened(page, app.url, each.question) for each in (CARDS[0], CARDS[1])})


def opened(page: Page, url: str, question: str) -> float:
    page.goto(url)
    button = page.get_by_role("button", name=question)
    button.wait_for()
    page.wait_for_load_state("networkidle")
    begun = time.monotonic()
    button.click()
    page.locator(PICTURE).first.wait_for()
    return time.monotonic() - begun


def show(visits: Sequence[Visit]) -> None:
    rows = [timed("first paint → first card's picture", [each.card for each in visits], CARD_S)]
    for name in visits[0].opened:
        rows.append(timed(f"click → recording of {name}", [each.opened[name] for each in visits], OPEN_S))
    size = sum(recordings.recording(file).size for card in CARDS for file in card.files) / 1e6
    rows.append(
        [f"recordings of {len(CARDS)} cards", f"{size:.1f} MB", "", f"{SIZE_MB:.0f} MB", verdict(size, SIZE_MB)]
    )
    print(f"The gallery in a browser, median of {len(visits)} starts of the app\n")
    table(["", "measured", "spread", "target", ""], rows)


def timed(name: str, seconds: Sequence[float], target: float) -> list[str]:
    middle = statistics.median(seconds)
    spread = f"{min(seconds):.2f} – {max(seconds):.2f}"
    return [name, f"{middle:.2f} s", spread, f"{target:.1f} s", verdict(middle, target)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    with conditions():
        with chromium() as browser:
            visits = [visit(browser) for _ in range(options.repetitions)]
        show(visits)


if __name__ == "__main__":
    main()
